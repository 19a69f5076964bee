"""Test the SQLite store: snapshots, and errors for unusable files."""

from __future__ import annotations

import os
import sqlite3
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from graphs.sqlite import store
from graphs.sqlite.store import SQLiteGraph
from kgrag.errors import StoreError
from kgrag.types import Extraction
from tests.support.documents import ada_extraction, embed_passages, put_extractions, read_all_rows, wu_extraction

OpenStore = Callable[[], SQLiteGraph]


@pytest.fixture
def open_store(tmp_path: Path) -> Iterator[OpenStore]:
    """Return a function that opens the same store each time it is called."""
    graphs = []

    def open_again() -> SQLiteGraph:
        graphs.append(SQLiteGraph(tmp_path / "graph.db"))
        return graphs[-1]

    yield open_again
    for graph in graphs:
        graph.close()


@pytest.fixture
def graph(open_store: OpenStore) -> SQLiteGraph:
    return open_store()


def test_snapshot_sees_one_generation_during_writes(open_store: OpenStore) -> None:
    writer, reader = open_store(), open_store()
    put_extractions(writer, ada_extraction())
    with reader.snapshot():
        before = (reader.generation, list(reader.passages()), list(reader.entities()))
        put_extractions(writer, wu_extraction())
        writer.forget("ada")
        assert (reader.generation, list(reader.passages()), list(reader.entities())) == before
        assert len(reader.embeddings()) == 2
    assert reader.generation == writer.generation == 3
    assert [d.id for d in reader.documents()] == ["吴"]


# --- unusable files ----------------------------------------------------------------------------------------------


def message_of(caught: pytest.ExceptionInfo[StoreError]) -> str:
    """Return the message of an error: one line that ends with a full stop."""
    text = str(caught.value)
    assert "\n" not in text
    assert text.endswith(".")
    return text


def test_open_other_version_raises_with_version(tmp_path: Path) -> None:
    SQLiteGraph(tmp_path / "graph.db").close()
    with closing(sqlite3.connect(tmp_path / "graph.db")) as other:
        other.execute(f"PRAGMA user_version = {store.VERSION + 1}")
    with pytest.raises(StoreError) as caught:
        SQLiteGraph(tmp_path / "graph.db")
    assert f"version {store.VERSION + 1}" in message_of(caught)


def test_open_foreign_database_raises_and_leaves_it(tmp_path: Path) -> None:
    path = tmp_path / "graph.db"
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE photos(id INTEGER)")
    before = path.read_bytes()
    with pytest.raises(StoreError) as caught:
        SQLiteGraph(path)
    assert "not a kgrag store" in message_of(caught)
    assert path.read_bytes() == before


@pytest.mark.parametrize("content", [b"plain text, much longer than any header could be. " * 99, b"\0" * 5000])
def test_open_non_database_file_raises(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "graph.db").write_bytes(content)
    with pytest.raises(StoreError) as caught:
        SQLiteGraph(tmp_path / "graph.db")
    assert "damaged or not a database" in message_of(caught)
    assert (tmp_path / "graph.db").read_bytes() == content


def test_read_damaged_store_raises(tmp_path: Path) -> None:
    path = tmp_path / "graph.db"
    graph = SQLiteGraph(path)
    put_extractions(graph, *(ada_extraction("Ada Lovelace wrote a note. " * 40, str(number)) for number in range(40)))
    graph.close()
    content = bytearray(path.read_bytes())
    content[8192 : len(content) - 4096] = b"\xa5" * (len(content) - 12288)
    path.write_bytes(content)
    with pytest.raises(StoreError) as caught:
        broken = SQLiteGraph(path)
        with broken.snapshot():
            for read in (broken.documents, broken.passages, broken.mentions, broken.triples, broken.entities):
                list(read())
    assert "damaged" in message_of(caught)


def test_open_completes_interrupted_creation(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "graph.db")) as interrupted:
        interrupted.execute("PRAGMA journal_mode = WAL")
    assert (tmp_path / "graph.db").stat().st_size > 0
    graph = SQLiteGraph(tmp_path / "graph.db")
    put_extractions(graph, ada_extraction())
    assert graph.generation == 1
    graph.close()


def test_open_concurrently_creates_one_store(tmp_path: Path) -> None:
    graphs: list[SQLiteGraph] = []
    errors: list[Exception] = []
    barrier = threading.Barrier(4)

    def open_at_barrier() -> None:
        barrier.wait()
        try:
            graphs.append(SQLiteGraph(tmp_path / "graph.db"))
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=open_at_barrier) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert len({graph.meta("made") for graph in graphs}) == 1
    for graph in graphs:
        graph.close()


@pytest.fixture
def read_only_folder() -> Iterator[Path]:
    """Create a folder with a store that this process may read but not write."""
    folder = Path(tempfile.mkdtemp())
    SQLiteGraph(folder / "graph.db").close()
    user = os.geteuid()
    folder.chmod(0o555)
    (folder / "graph.db").chmod(0o444)
    if user == 0:
        os.seteuid(65534)  # the superuser may write anywhere
    yield folder
    if user == 0:
        os.seteuid(user)
    folder.chmod(0o755)
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()


def test_open_in_read_only_folder_raises(read_only_folder: Path) -> None:
    with pytest.raises(StoreError) as caught:
        SQLiteGraph(read_only_folder / "new.db")
    assert "cannot be written" in message_of(caught)
    with pytest.raises(StoreError) as caught:
        SQLiteGraph(read_only_folder / "below" / "graph.db")
    assert "cannot be created (Permission denied)" in message_of(caught)
    with pytest.raises(StoreError) as caught:
        put_extractions(SQLiteGraph(read_only_folder / "graph.db"), ada_extraction())
    assert "cannot be written" in message_of(caught)


def test_open_in_impossible_folder_raises(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError) as caught:
        SQLiteGraph(tmp_path / "file" / "graph.db")
    assert "cannot be created" in message_of(caught)
    with pytest.raises(StoreError) as caught:
        SQLiteGraph(tmp_path)
    assert "cannot be written" in message_of(caught)


def test_write_to_locked_store_raises(tmp_path: Path) -> None:
    graph = SQLiteGraph(tmp_path / "graph.db")
    put_extractions(graph, ada_extraction())
    graph._db.execute("PRAGMA busy_timeout = 20")  # instead of half a minute
    with closing(sqlite3.connect(tmp_path / "graph.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError) as caught:
            put_extractions(graph, wu_extraction())
        assert "in use by another process" in message_of(caught)
        with pytest.raises(StoreError):
            graph.forget("ada")
        assert [d.id for d in graph.documents()] == ["ada"]  # reads still work
        other.execute("ROLLBACK")
    put_extractions(graph, wu_extraction())
    assert graph.generation == 2
    graph.close()


def test_full_disk_raises_and_keeps_acknowledged(tmp_path: Path) -> None:
    path = tmp_path / "graph.db"
    graph = SQLiteGraph(path)
    pages = graph._db.execute("PRAGMA page_count").fetchone()[0]
    graph._db.execute(f"PRAGMA max_page_count = {pages + 12}")
    extractions = [
        ada_extraction(f"Ada Lovelace met Babbage on day {n}. " + "She wrote. " * 200, f"d{n:02}") for n in range(40)
    ]
    acknowledged: list[Extraction] = []
    with pytest.raises(StoreError) as caught:
        for extraction in extractions:
            graph.put(extraction, embed_passages(extraction))
            acknowledged.append(extraction)
    assert "is full" in message_of(caught)
    assert 0 < len(acknowledged) < len(extractions)
    assert list(graph.documents()) == [e.document for e in acknowledged]
    graph.close()

    again = SQLiteGraph(path)  # the limit belonged to the connection: there is space now
    assert list(again.documents()) == [e.document for e in acknowledged]
    assert list(again.passages()) == [p for e in acknowledged for p in e.passages]
    assert again.generation == len(acknowledged)
    put_extractions(again, *extractions)
    again.close()
    whole = SQLiteGraph(tmp_path / "whole" / "graph.db")
    put_extractions(whole, *extractions)
    whole.close()
    assert read_all_rows(path) == read_all_rows(tmp_path / "whole" / "graph.db")


def test_full_disk_keeps_replaced_document(tmp_path: Path) -> None:
    graph = SQLiteGraph(tmp_path / "graph.db")
    put_extractions(graph, ada_extraction())
    graph._db.execute(f"PRAGMA max_page_count = {graph._db.execute('PRAGMA page_count').fetchone()[0]}")
    with pytest.raises(StoreError):
        put_extractions(graph, ada_extraction("Ada Lovelace wrote a long note to Babbage. " * 2000))
    assert list(graph.passages()) == list(ada_extraction().passages)
    assert graph.generation == 1
    graph.close()
