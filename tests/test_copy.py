"""Everything of a store in another one, and back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fakes import ada, document, extraction, put, wu
from stores import OpenStore

from graphs.copy import MARK, copy
from graphs.sqlite import SQLiteGraph
from kgrag.errors import StoreError
from kgrag.protocols import Graph


def content(graph: Graph) -> dict[str, Any]:
    """All that a store says of itself, but which store it is."""
    parts: dict[str, Callable[[], Any]] = {
        name: getattr(graph, name)
        for name in (
            *("documents", "passages", "entities", "mentions", "triples", "names", "kinds"),
            *("sources", "problems", "counts", "read_by", "titles", "rows", "document_names"),
        )
    }
    found = {name: list(x) if not isinstance(x := part(), dict) else x for name, part in parts.items()}
    settings = {key: value for key, value in graph.settings().items() if key != MARK}
    return {**found, "vectors": graph.embeddings().tobytes(), "settings": settings}


def fill(graph: Graph) -> None:
    text = "UN here. United Nations (UN) it is."
    declared = [("united nations", "UN", "ORGANISATION")]
    un = extraction(document("a#0001", text, "United Nations"), {"United Nations": "ORGANISATION"}, names=declared)
    put(graph, ada(), wu(), un, ada(id="a"))
    graph.set_meta("embedder", "fake")
    graph.finish_sources([("people.jsonl", "1" * 64, [(3, "no text"), (None, "odd")])])


def test_there_and_back_is_the_same(open_store: OpenStore, tmp_path: Path) -> None:
    first, middle, last = SQLiteGraph(tmp_path / "1" / "g.db"), open_store(), SQLiteGraph(tmp_path / "2" / "g.db")
    fill(first)
    assert copy(first, middle) == 4
    assert content(middle) == content(first)
    assert copy(middle, last) == 4
    assert content(last) == content(first)
    first.close()
    last.close()


def test_a_copy_that_was_stopped_goes_on(open_store: OpenStore, tmp_path: Path) -> None:
    source, target = SQLiteGraph(tmp_path / "1" / "g.db"), open_store()
    fill(source)
    target.set_meta(MARK, source.meta("made") or "")
    put(target, wu())
    assert copy(source, target) == 3
    assert content(target) == content(source)
    source.close()


def test_a_store_with_other_documents_is_not_written_over(open_store: OpenStore, tmp_path: Path) -> None:
    source, target = SQLiteGraph(tmp_path / "1" / "g.db"), open_store()
    fill(source)
    put(target, wu())
    before = content(target)
    with pytest.raises(StoreError, match="holds documents already"):
        copy(source, target)
    assert content(target) == before
    with pytest.raises(StoreError, match="found one twice"):
        copy(target, target)
    source.close()
