"""Another embedder for a store: all vectors or none, interruptions, wrong names, damaged files."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from graphs.sqlite.store import SQLiteGraph
from kgrag.errors import StoreBusyError, StoreError, UsageError
from kgrag.protocols import GraphStore, Matrix
from kgrag.storage.locks import acquire_lock
from kgrag.store import reindex
from kgrag.store.embedder_switch import configured_embedder
from kgrag.store.store import Store
from kgrag.store.vector_file import VectorFile, text_key
from tests.support.cli_shell import Shell
from tests.support.documents import FakeEmbedder, build_document, build_extraction
from tests.support.graph_stores import StoreFactory

OLD, NEW = "all-MiniLM-L6-v2", "multilingual-e5-small"
NUMBER = 10


class WideEmbedder(FakeEmbedder):
    """Embedder of 24 dimensions that records what it embeds."""

    name = NEW
    dimensions = 24

    def __init__(self) -> None:
        self.embedded: list[str] = []

    def embed(self, texts: Sequence[str]) -> Matrix:
        """Return (texts, 24)."""
        self.embedded += texts
        return super().embed(texts)


@pytest.fixture
def embedder(monkeypatch: pytest.MonkeyPatch) -> WideEmbedder:
    """The fake embedder that every name loads, in steps of 3 passages."""
    wide = WideEmbedder()
    monkeypatch.setattr("kgrag.embedders.load_embedder", lambda name, progress=None: wide)
    monkeypatch.setattr(reindex, "PASSAGES_PER_STEP", 3)
    return wide


def fill_store(folder: Path) -> Path:
    """Create a store of `NUMBER` documents with vectors of the fake embedder under the name `OLD`."""
    graph = SQLiteGraph(folder / "graph.db")
    put_documents(graph)
    graph.set_meta("embedder", OLD)
    graph.close()
    return folder


def put_documents(graph: GraphStore) -> None:
    for number in range(NUMBER):
        text = f"Sentence {number} names Oslo."
        extraction = build_extraction(build_document(f"d{number}", text, f"Title {number}"), {"Oslo": "PLACE"})
        texts = [p.indexed_text(extraction.document.title) for p in extraction.passages]
        graph.put(extraction, FakeEmbedder().embed(texts))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return fill_store(tmp_path / "store")


def state_of(folder: Path) -> tuple[str | None, bytes]:
    graph = SQLiteGraph(folder / "graph.db")
    try:
        return graph.meta("embedder"), graph.embeddings().tobytes()
    finally:
        graph.close()


def expected_vectors(graph: GraphStore, embedder: FakeEmbedder) -> Matrix:
    titles = graph.titles()
    return embedder.embed([p.indexed_text(titles[p.document_id][1]) for p in graph.passages()])


def test_reindex_replaces_all_vectors(folder: Path, embedder: WideEmbedder) -> None:
    (folder / "kgrag.toml").write_text(f'k = 5\nembedder = "{OLD}"\n')
    store = Store(folder)
    assert store.retriever.indices.vectors is not None
    seen: list[tuple[int, int]] = []
    result = store.reindex(NEW.upper(), lambda *at: seen.append(at))
    assert (result.previous, result.embedder, result.passages, result.embedded) == (OLD, NEW, NUMBER, NUMBER)
    assert seen[:3] == [(0, NUMBER), (3, NUMBER), (6, NUMBER)] and seen[-1] == (NUMBER, NUMBER)
    assert len(embedder.embedded) == NUMBER, "every passage is embedded once"
    graph = store.graph_store
    np.testing.assert_array_equal(graph.embeddings(), expected_vectors(graph, WideEmbedder()))
    assert graph.meta("embedder") == NEW and (folder / "kgrag.toml").read_text() == f'k = 5\nembedder = "{NEW}"\n'
    assert {p.name for p in folder.glob("reindex-*")} | {p.name for p in folder.glob("embedder-*")} == set()
    hits = Store(folder).retrieve("Which sentence names Oslo?", 3)
    assert len(hits) == 3 and "vector" in hits[0].component_scores


def test_reindex_same_embedder_changes_nothing(folder: Path, embedder: WideEmbedder) -> None:
    before = state_of(folder)
    result = Store(folder).reindex(OLD)
    assert (result.previous, result.embedder, result.embedded) == (OLD, OLD, 0)
    assert state_of(folder) == before and embedder.embedded == []


def test_reindex_empty_store(tmp_path: Path, embedder: WideEmbedder) -> None:
    store = Store(tmp_path / "store", create=True)
    assert store.reindex(NEW).passages == 0 and store.graph_store.meta("embedder") == NEW


def test_reindex_identical_texts_share_a_vector(tmp_path: Path, embedder: WideEmbedder) -> None:
    graph = SQLiteGraph(tmp_path / "store" / "graph.db")
    for name in ("a", "b"):
        extraction = build_extraction(build_document(name, "The same text.", "The same title"))
        graph.put(extraction, FakeEmbedder().embed(["x"] * len(extraction.passages)))
    graph.close()
    store = Store(tmp_path / "store")
    store.reindex(NEW)
    first, second = store.graph_store.embeddings()
    assert len(embedder.embedded) == 1 and (first == second).all()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("multilingual-e5-smal", "did you mean multilingual-e5-small"),
        ("", "There is no model or folder named ''"),
        ("qwen2.5-coder-0.5b-instruct", "Expected an embedder, found the language model"),
        ("/nowhere/at/all", "There is no model or folder"),
    ],
)
def test_reindex_wrong_name_raises(folder: Path, embedder: WideEmbedder, name: str, message: str) -> None:
    before = state_of(folder)
    with pytest.raises(UsageError, match=message):
        Store(folder).reindex(name)
    assert state_of(folder) == before and not list(folder.glob("reindex-*"))


def test_reindex_interrupted_continues(folder: Path, embedder: WideEmbedder, monkeypatch: pytest.MonkeyPatch) -> None:
    before = state_of(folder)

    def stop(done: int, total: int) -> None:
        if done >= 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Store(folder).reindex(NEW, stop)
    assert state_of(folder) == before and len(embedder.embedded) == 6
    file = next(folder.glob("reindex-*.vectors"))
    file.write_bytes(file.read_bytes()[:-7])  # the last record was not written completely
    result = Store(folder).reindex(NEW)
    assert result.embedded == NUMBER - 5 and result.passages == NUMBER
    graph = SQLiteGraph(folder / "graph.db")
    np.testing.assert_array_equal(graph.embeddings(), expected_vectors(graph, WideEmbedder()))
    graph.close()


def test_reindex_includes_documents_added_meanwhile(folder: Path, embedder: WideEmbedder) -> None:
    """Another process replaces one document and adds another while the passages are embedded."""

    def write(done: int, total: int) -> None:
        graph = SQLiteGraph(folder / "graph.db")
        if done == total == NUMBER and len(graph.document_hashes()) == NUMBER:
            for name in ("d1", "new"):
                extraction = build_extraction(build_document(name, f"Another text of {name}."))
                graph.put(extraction, FakeEmbedder().embed([""] * len(extraction.passages)))
        graph.close()

    store = Store(folder)
    assert store.reindex(NEW, write).passages == NUMBER + 1
    np.testing.assert_array_equal(store.graph_store.embeddings(), expected_vectors(store.graph_store, WideEmbedder()))


def test_reindex_of_locked_store_raises(folder: Path, embedder: WideEmbedder) -> None:
    before = state_of(folder)
    for name in ("lock", "reindex.lock"):
        with acquire_lock(folder / name, "busy"), pytest.raises(StoreBusyError):
            Store(folder).reindex(NEW)
        assert state_of(folder) == before


KILLED = """
import os, signal
from pathlib import Path
from kgrag.store import embedder_switch, reindex
from kgrag.store.store import Store
from tests.store.test_reindex import NEW, WideEmbedder

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

wide = WideEmbedder()
import kgrag.embedders
kgrag.embedders.load_embedder = lambda name, progress=None: wide
reindex.PASSAGES_PER_STEP = 3
{patch}
Store(Path({folder!r})).reindex(NEW, on_progress)
"""
PATCHES = {
    "embedding": "on_progress = lambda done, total: die() if done >= 6 else None",
    "transaction": """
        on_progress = lambda done, total: None
        from kgrag.store.vector_file import VectorFile
        whole = VectorFile.vectors
        def half(self, keys):
            for number, vector in enumerate(whole(self, keys)):
                if number == 5: die()
                yield vector
        VectorFile.vectors = half""",
    "configuration": """
        on_progress = lambda done, total: None
        embedder_switch.update_embedder_name = die""",
    "indices": """
        on_progress = lambda done, total: None
        reindex.refresh_derived = die""",
}


@pytest.mark.parametrize("moment", PATCHES)
def test_killed_reindex_leaves_old_or_new_state(folder: Path, embedder: WideEmbedder, moment: str) -> None:
    """The store opens and retrieves after a kill at any moment, and a second run completes the change."""
    (folder / "kgrag.toml").write_text(f'embedder = "{OLD}"\n')
    old_state = state_of(folder)
    script = KILLED.format(patch=textwrap.dedent(PATCHES[moment]), folder=str(folder))
    process = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert process.returncode == -signal.SIGKILL, process.stderr
    state = state_of(folder)
    new_vectors = expected_vectors(SQLiteGraph(folder / "graph.db"), WideEmbedder()).tobytes()
    is_switched = moment in ("configuration", "indices")
    assert state == ((NEW, new_vectors) if is_switched else old_state)
    store = Store(folder)
    assert store.embedder is embedder
    assert (folder / "kgrag.toml").read_text() == f'embedder = "{NEW if is_switched else OLD}"\n'
    result = store.reindex(NEW)
    assert state_of(folder) == (NEW, new_vectors)
    assert result.embedded == {"embedding": NUMBER - 6, "transaction": 0}.get(moment, 0)
    assert len(Store(folder).retrieve("Which sentence names Oslo?", 3)) == 3


def test_open_store_follows_another_process(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that is open while another process switches it embeds with the new embedder, never with the former."""
    loaded: list[str] = []

    def load(name: str, progress: object = None) -> FakeEmbedder:
        loaded.append(name)
        return FakeEmbedder() if name == OLD else WideEmbedder()

    monkeypatch.setattr("kgrag.embedders.load_embedder", load)
    (folder / "kgrag.toml").write_text(f'embedder = "{OLD}"\n')
    store = Store(folder)
    assert store.retrieve("Which sentence names Oslo?", 2) and loaded == [OLD]
    Store(folder).reindex(NEW)
    assert store.embedder.dimensions == 24 and loaded == [OLD, NEW, NEW]
    assert "vector" in store.retrieve("Which sentence names Oslo?", 2)[0].component_scores


def test_other_embedder_in_kgrag_toml_is_explained(folder: Path, embedder: WideEmbedder) -> None:
    (folder / "kgrag.toml").write_text(f'embedder = "{NEW}"\n')
    store = Store(folder)
    with pytest.raises(
        StoreError, match=rf"has vectors of the embedder {OLD}.*`kgrag reindex --embedder {NEW} --store"
    ):
        _ = store.embedder
    store.reindex(NEW)
    assert store.embedder is embedder and configured_embedder(folder, NEW) == NEW


def test_replace_embeddings_contract(open_store: StoreFactory) -> None:
    graph = open_store()
    put_documents(graph)
    graph.set_meta("embedder", OLD)
    generation, vectors = graph.generation, graph.embeddings()
    ids = [passage_id for passage_id, _ in graph.passage_keys()]
    new_vectors = expected_vectors(graph, WideEmbedder())
    for rows, found_generation, message in (
        (list(zip(ids, new_vectors, strict=True))[1:], generation, "Expected vectors for all 10 passages, found 9"),
        (list(zip(ids, new_vectors, strict=True)), generation - 1, "Expected the store at generation"),
    ):
        with pytest.raises(StoreError, match=message):
            graph.replace_embeddings(NEW, rows, found_generation)
        np.testing.assert_array_equal(graph.embeddings(), vectors)
        assert (graph.meta("embedder"), graph.generation) == (OLD, generation)
    graph.replace_embeddings(NEW, zip(ids, new_vectors, strict=True), generation)
    np.testing.assert_array_equal(graph.embeddings(), new_vectors)
    assert (graph.meta("embedder"), graph.generation) == (NEW, generation + 1)
    extraction = build_extraction(build_document("later", "A later text."))
    graph.put(extraction, WideEmbedder().embed([""] * len(extraction.passages)))
    assert graph.embeddings().shape == (NUMBER + 1, 24)


def test_vector_file_drops_damaged_records(tmp_path: Path) -> None:
    keys = [text_key(text) for text in "abcd"]
    vectors = FakeEmbedder().embed(list("abcd"))
    VectorFile(tmp_path / "v", 16).add(keys, vectors)
    content = bytearray((tmp_path / "v").read_bytes())
    size = len(content) // 4
    content[2 * size + 16 : 3 * size] = bytes(size - 16)  # the third vector is zeros
    (tmp_path / "v").write_bytes(content)
    file = VectorFile(tmp_path / "v", 16)
    assert [key in file for key in keys] == [True, True, False, False]
    assert (tmp_path / "v").stat().st_size == 2 * size
    file.add(keys[2:], vectors[2:])
    np.testing.assert_array_equal(list(VectorFile(tmp_path / "v", 16).vectors(reversed(keys))), vectors[::-1])


def test_reindex_command(folder: Path, embedder: WideEmbedder, shell: Shell) -> None:
    assert "did you mean multilingual-e5-small" in shell.expect_error(
        2, "reindex", "--embedder", "multilingual-e5", "--store", folder
    )
    code, out, _ = shell("reindex", "--embedder", NEW, "--store", folder, "--json")
    assert code == 0
    assert json.loads(out) == {"previous": OLD, "embedder": NEW, "passages": NUMBER, "embedded": NUMBER}
    assert "has vectors of multilingual-e5-small already" in shell("reindex", "--embedder", NEW, "--store", folder)[1]
