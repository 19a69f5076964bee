"""Build, save and load the training examples of `kgrag tune`."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

from kgrag.cli.options import DEFAULT_STORE, open_store
from kgrag.errors import KgragError
from kgrag.storage.checksums import file_sha256
from kgrag.terminal import console

if TYPE_CHECKING:
    from kgrag.store.store import Store
    from kgrag.tune.data.example import Example, Preference


def open_store_if_needed(store: str, questions: Path | None, model: str | None) -> Store | None:
    """Open the store; None if there is none and the questions have passages of their own."""
    if questions is not None and store == DEFAULT_STORE and not Path(store).exists():
        return None
    return open_store(store, model=model)


def load_examples(
    file: Path | None,
    store: Store | None,
    questions: Path | None,
    number: int,
    seed: int,
    folder: Path,
    fresh: bool,
) -> list[Example]:
    """Load the examples of a file, or build them from a store or questions; [] without any of these.

    Built examples are cached beside ``folder``, so that an interrupted training reads them again unless ``fresh``.
    """
    from kgrag.tune.data.example import Example, load_rows, save_rows

    if file is not None:
        return load_rows(file, Example)
    if store is None and questions is None:
        return []
    questions_sha256 = file_sha256(questions) if questions is not None and questions.is_file() else ""
    store_state = [str(store.location), store.graph_store.generation] if store is not None else []
    fingerprint = json.dumps([store_state, questions_sha256, str(questions or ""), number, seed])
    cache_file = (
        folder.parent / f".{folder.name}.{hashlib.sha256(fingerprint.encode()).hexdigest()[:12]}.examples.jsonl"
    )
    if cache_file.is_file() and not fresh:
        return load_rows(cache_file, Example)
    example_list = build_examples(store, questions, number, seed)
    save_rows(example_list, cache_file)
    return example_list


def delete_cached_examples(folder: Path) -> None:
    """Delete the cached examples of a finished training."""
    for file in folder.parent.glob(f".{folder.name}.*.examples.jsonl"):
        file.unlink(missing_ok=True)


def load_preferences(source: Path | None) -> list[Preference]:
    """Load preference pairs from a file, or build them from the folder of a `kgrag eval` run; [] without a source."""
    from kgrag.tune.data.example import Preference, load_rows

    if source is None:
        return []
    if source.is_file():
        return load_rows(source, Preference)
    from kgrag.tune.data.build import preferences_from_report

    return preferences_from_report(source, console.print_notice)


def build_examples(
    store: Store | None, questions: Path | None, number: int, seed: int, stepwise: bool = False
) -> list[Example]:
    """Build examples with a progress bar. Raises KgragError if there are none."""
    from kgrag.tune.data.build import load_or_build_examples

    ticked_count = 0
    with console.show_counter("examples", number) as advance:

        def tick(done: int, total: int) -> None:
            nonlocal ticked_count
            for _ in range(done - ticked_count):
                advance()
            ticked_count = max(ticked_count, done)

        example_list = load_or_build_examples(store, questions, number=number, seed=seed, tick=tick, stepwise=stepwise)
    if not example_list:
        raise KgragError(
            f"Expected training examples from {questions or (store and store.location)}, found none: pass "
            "--questions or --examples, or ingest more documents."
        )
    return example_list
