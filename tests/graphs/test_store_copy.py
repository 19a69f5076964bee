"""Test copying a store into another one and back."""

from __future__ import annotations

from pathlib import Path

import pytest

from graphs.sqlite.store import SQLiteGraph
from graphs.store_copy import COPY_SOURCE_KEY, copy_store
from kgrag.errors import StoreError
from kgrag.protocols import GraphStore
from tests.support.documents import ada_extraction, build_document, build_extraction, put_extractions, wu_extraction
from tests.support.graph_stores import StoreFactory, store_content


def fill_store(graph: GraphStore) -> None:
    text = "UN here. United Nations (UN) it is."
    declared = [("united nations", "UN", "ORGANISATION")]
    un = build_extraction(
        build_document("a#0001", text, "United Nations"), {"United Nations": "ORGANISATION"}, names=declared
    )
    put_extractions(graph, ada_extraction(), wu_extraction(), un, ada_extraction(id="a"))
    graph.set_meta("embedder", "fake")
    graph.mark_sources_read([("people.jsonl", "1" * 64, [(3, "no text"), (None, "odd")])])


def test_copy_there_and_back_is_identical(open_store: StoreFactory, tmp_path: Path) -> None:
    first, middle, last = SQLiteGraph(tmp_path / "1" / "g.db"), open_store(), SQLiteGraph(tmp_path / "2" / "g.db")
    fill_store(first)
    assert copy_store(first, middle) == 4
    assert store_content(middle) == store_content(first)
    assert copy_store(middle, last) == 4
    assert store_content(last) == store_content(first)
    first.close()
    last.close()


def test_copy_resumes_after_interruption(open_store: StoreFactory, tmp_path: Path) -> None:
    source, target = SQLiteGraph(tmp_path / "1" / "g.db"), open_store()
    fill_store(source)
    target.set_meta(COPY_SOURCE_KEY, source.meta("made") or "")
    put_extractions(target, wu_extraction())
    assert copy_store(source, target) == 3
    assert store_content(target) == store_content(source)
    source.close()


def test_copy_into_filled_or_same_store_raises(open_store: StoreFactory, tmp_path: Path) -> None:
    source, target = SQLiteGraph(tmp_path / "1" / "g.db"), open_store()
    fill_store(source)
    put_extractions(target, wu_extraction())
    before = store_content(target)
    with pytest.raises(StoreError, match="Expected an empty target"):
        copy_store(source, target)
    assert store_content(target) == before
    with pytest.raises(StoreError, match="found the same one twice"):
        copy_store(target, target)
    source.close()
