"""A document as it was read: its blocks, passages, names and facts, and what could not be read."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

from kgrag.errors import UsageError
from kgrag.protocols import GraphStore
from kgrag.tree import Block, BlockKind
from kgrag.types import Document, Mention, Passage, Triple


@dataclass(frozen=True, slots=True)
class DocumentView:
    """A document with everything that the store has of it.

    Attributes:
        document: The document.
        passages: Its passages in order, all or those of one page.
        mentions: Names in these passages, ordered by start.
        triples: Facts that these passages state, ordered by start.
        problems: Sentences about its file: what could not be read, and why.
    """

    document: Document
    passages: tuple[Passage, ...]
    mentions: tuple[Mention, ...]
    triples: tuple[Triple, ...]
    problems: tuple[str, ...]

    def blocks(self, passage: Passage) -> Sequence[Block]:
        """Return the blocks that begin in a passage; the whole passage as one paragraph if there are none."""
        blocks = [b for b in self.document.tree.blocks if passage.start <= b.start < passage.end]
        return blocks or [Block(BlockKind.PARAGRAPH, passage.start, passage.end)]


def view_document(store: GraphStore, name: str, page: int | None = None) -> DocumentView:
    """Return the document that ``name`` means.

    Args:
        store: the store.
        name: id of a document, the end of one (``lang_vacuum.html``), its title, or its file if it has one document.
        page: only the passages with text on this page, from 1.

    Raises:
        UsageError: no document or several have this name, or the document has no such page.
    """
    document = store.document(_resolve_document_id(store, name))
    assert document is not None
    passages = store.passages_of_document(document.id)
    if page is not None:
        pages = sorted({number for p in passages for _, number in p.page_starts})
        if page not in pages:
            available = f"pages {pages[0]} to {pages[-1]}" if pages else "no pages"
            raise UsageError(f"Expected a page of {document.id}, which has {available}, found {page}.")
        passages = [p for p in passages if any(number == page for _, number in p.page_starts)]
    ids = {p.id for p in passages}
    problems = [
        f"line {line}: {message}" if line else message
        for source, line, message in store.problems()
        if source == document.source
    ]
    return DocumentView(
        document,
        tuple(passages),
        tuple(sorted((m for m in store.mentions() if m.passage_id in ids), key=lambda m: (m.start, m.end))),
        tuple(sorted(store.triples_in(ids), key=lambda t: (t.start, t.end, t.subject, t.predicate))),
        tuple(problems),
    )


def _resolve_document_id(store: GraphStore, name: str) -> str:
    titles = {document_id: title for document_id, (_, title) in store.titles().items()}
    if name in titles:
        return name
    wanted = name.removeprefix("./")

    def is_meant(path: str) -> bool:
        return path == wanted or path.endswith(f"/{wanted}")

    found = [i for i in titles if is_meant(i)]
    found = found or [i for i, title in titles.items() if title.casefold() == name.casefold()]
    found = found or [i for i, source in store.sources_by_document().items() if is_meant(source)]
    if len(found) == 1:
        return found[0]
    if found:
        shown = ", ".join(sorted(found)[:5]) + (" …" if len(found) > 5 else "")
        raise UsageError(f"Expected one document, found {len(found)} called {name!r}: {shown}. Give one of these ids.")
    for source, _, message in store.problems():
        if is_meant(source):
            raise UsageError(f"Expected a document of the store, found that {source} was not read: {message}")
    close = difflib.get_close_matches(name, [*titles, *titles.values()], 1, 0.5)
    hint = f"; did you mean {close[0]!r}?" if close else "; `kgrag status --documents` lists them."
    raise UsageError(f"Expected a document of the store, found none called {name!r}{hint}")
