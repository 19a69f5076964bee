"""The Python interface: the exported names, the ways to open a store, reading from several threads, the documentation."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import kgrag
from kgrag.errors import StoreError, UsageError
from kgrag.types import Answer
from tests.support.documents import FakeEmbedder
from tests.support.fake_llm import FakeLLM
from tests.support.paths import ROOT

EXPORTED = [
    "Answer",
    "Citation",
    "Document",
    "DraftStatement",
    "Entity",
    "Hit",
    "KgragError",
    "Mention",
    "ModelError",
    "Passage",
    "Path",
    "Question",
    "ReadError",
    "Store",
    "StoreBusyError",
    "StoreError",
    "Triple",
    "UsageError",
    "open",
]
QUESTION = "Where did Ada Lovelace's father die?"


def test_exported_names_are_pinned() -> None:
    assert kgrag.__all__ == EXPORTED
    assert all(getattr(kgrag, name) is not None for name in EXPORTED)


def test_unknown_attribute_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'connect'"):
        kgrag.connect  # type: ignore[attr-defined]  # noqa: B018


def test_import_loads_no_heavy_library() -> None:
    code = "import sys, kgrag; print([m for m in ('numpy', 'pydantic', 'typer', 'torch', 'faiss') if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert result.stdout.strip() == "[]"


def test_open_accepts_str_and_path(store: Path) -> None:
    for location in (store, str(store)):
        with kgrag.open(location) as opened:
            assert isinstance(opened, kgrag.Store) and opened.graph_store.counts()["documents"] == 5


def test_open_parses_a_neo4j_address_without_connecting_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[object] = []
    monkeypatch.setattr("kgrag.store.resources.StoreResources._open_graph_store", lambda self: opened.append(self))
    kgrag.open("neo4j://me@127.0.0.1:7687/notes")
    assert str(opened[0].location) == "neo4j://me@127.0.0.1:7687/notes"  # type: ignore[attr-defined]


def test_open_without_a_store_says_how_to_create_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="found none: create one with `kgrag ingest"):
        kgrag.open(tmp_path / "none")
    (tmp_path / "file").write_text("a file")
    with pytest.raises(UsageError, match="found a file"):
        kgrag.open(tmp_path / "file", create=True)


def test_open_of_a_damaged_store_fails_at_once(store: Path) -> None:
    (store / "graph.db").write_bytes(b"no database" * 100)
    with pytest.raises(StoreError, match="not a"):
        kgrag.open(store)


def test_closed_store_says_so(store: Path) -> None:
    with kgrag.open(store) as opened:
        graph_store = opened.graph_store
    with pytest.raises(StoreError):
        graph_store.counts()


def test_store_ingests_answers_and_forgets(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "examples" / "zh", tmp_path / "docs", ignore=lambda _, names: sorted(names)[3:])
    with kgrag.open(str(tmp_path / "notes.kgrag"), create=True) as opened:
        report = opened.ingest(tmp_path / "docs")
        assert report.added == 3 and opened.ingest([tmp_path / "docs"]).unchanged == 3
        document = next(opened.graph_store.documents())
        hits = opened.retrieve(document.title, k=2)
        assert hits[0].title == document.title and len(hits) <= 2
        assert opened.forget(document.id) == [document.id]
        assert document.title not in {hit.title for hit in opened.retrieve(document.title, k=5)}


def test_ask_uses_the_given_llm(store: Path) -> None:
    with kgrag.open(store) as opened:
        assert opened.loaded_llm is None
        llm = FakeLLM(default_answer="From memory.")
        opened.use(llm=llm)
        assert opened.loaded_llm is llm
        answer = opened.ask(QUESTION, closed_book=True)
        assert isinstance(answer, Answer) and answer.text == "From memory." and not answer.grounded


def test_use_replaces_only_the_given_models(store: Path) -> None:
    with kgrag.open(store) as opened:
        embedder = FakeEmbedder()
        opened.use(embedder=embedder)
        assert opened.embedder is embedder and opened.loaded_llm is None
        opened.unload("embedder")
        assert opened.embedder is not embedder


def test_graph_answers_by_name(store: Path) -> None:
    with kgrag.open(store) as opened:
        entity = opened.graph.entity("Ada Lovelace")
        assert "Lord Byron" in {fact.object for fact in entity.facts}
        assert all(fact.sentence for fact in entity.facts)
        assert opened.graph.paths("Ada Lovelace", "Lord Byron")[0].names == ("Ada Lovelace", "Lord Byron")
        assert opened.graph.to_networkx().number_of_edges() > 0
        with pytest.raises(UsageError, match="did you mean"):
            opened.graph.entity("Ada Lovelase")
        with pytest.raises(UsageError, match="to be the same"):
            opened.graph.paths("Ada Lovelace", "ada lovelace")


def test_threads_read_one_store_at_once(store: Path) -> None:
    with kgrag.open(store) as opened:
        expected = opened.retrieve(QUESTION, 3), opened.ask(QUESTION, reader="graph").text
        failures: list[BaseException] = []

        def read() -> None:
            try:
                for _ in range(4):
                    assert (opened.retrieve(QUESTION, 3), opened.ask(QUESTION, reader="graph").text) == expected
                    with opened.graph_store.snapshot():
                        assert len(list(opened.graph_store.passages())) == 5
            except BaseException as failure:
                failures.append(failure)

        threads = [threading.Thread(target=read) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not failures


def test_threads_that_first_need_a_model_load_it_once(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loads: list[str] = []
    monkeypatch.setattr("kgrag.llm.loader.load_llm", lambda name, *_: loads.append(name) or FakeLLM())
    with kgrag.open(store) as opened:
        threads = [threading.Thread(target=lambda: opened.llm) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert loads == ["auto"]


def test_reader_thread_sees_no_half_of_a_change(store: Path) -> None:
    """A writer thread adds and forgets a document while a reader thread takes snapshots of its own."""
    with kgrag.open(store) as opened:
        document_ids = {d.id for d in opened.graph_store.documents()}
        victim = min(document_ids)
        failures: list[BaseException] = []

        def read() -> None:
            try:
                for _ in range(200):
                    with opened.graph_store.snapshot():
                        documents = {d.id for d in opened.graph_store.documents()}
                        passages = {p.document_id for p in opened.graph_store.passages()}
                        assert documents == passages
            except BaseException as failure:
                failures.append(failure)

        thread = threading.Thread(target=read)
        thread.start()
        opened.graph_store.forget(victim)
        thread.join()
        assert not failures and {d.id for d in opened.graph_store.documents()} == document_ids - {victim}


def test_python_reference_runs(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every example of docs/reference/python.md runs in one session, in order."""
    page = (ROOT / "docs" / "reference" / "python.md").read_text("utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    assert len(blocks) >= 6
    monkeypatch.chdir(tmp_path)
    shutil.copytree(ROOT / "examples" / "en", tmp_path / "docs")
    monkeypatch.setattr("kgrag.llm.loader.load_llm", lambda *_: FakeLLM(default_answer="I do not know."))
    namespace: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, "docs/reference/python.md", "exec"), namespace)
