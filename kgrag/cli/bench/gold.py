"""Notices of gold documents and gold files that a store lacks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from kgrag.terminal import console

if TYPE_CHECKING:
    from kgrag.store.store import Store
    from kgrag.types import Question

MAX_LISTED = 10
"""Ids or files that a notice names."""


def report_missing_gold(store: Store, questions: Sequence[Question]) -> list[str]:
    """Return the gold ids that are no document of the store, and print a notice of them."""
    from kgrag.dev.benchmarks.runner import find_missing_gold

    known_ids = store.graph_store.document_headers({gold for question in questions for gold in question.gold})
    missing = find_missing_gold(questions, known_ids)
    if missing:
        affected = sum(not set(missing).isdisjoint(question.gold) for question in questions)
        console.print_notice(
            f"{affected:,} of {len(questions):,} questions have gold ids that are no document of {store.location} "
            f"({_shorten([repr(gold) for gold in missing])}), which no retrieval can find: fix the ids, or ingest the "
            f"documents.{_example(store) if not known_ids else ''}"
        )
    return missing


def _example(store: Store) -> str:
    """Return a sentence that shows what the ids of a store look like."""
    document = next(iter(store.graph_store.documents()), None)
    return f" Its own ids look like {document.id!r}." if document else " It has no documents."


def notice_missing_files(files: Sequence[str]) -> None:
    """Print a notice of the gold files that no source of the store is."""
    if files:
        console.print_notice(
            f"{len(files):,} gold files are in no source of the store ({_shorten(files)}): ingest them; their quotes are "
            "only found in other documents."
        )


def _shorten(names: Sequence[str]) -> str:
    rest = len(names) - MAX_LISTED
    return ", ".join(names[:MAX_LISTED]) + (f" and {rest:,} more" if rest > 0 else "")
