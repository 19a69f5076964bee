"""What a store in a file promises besides: one generation for a reader, and what it says when the file is no good."""

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
    """Opens one store, as often as it is called."""
    opened = []

    def again() -> SQLiteGraph:
        opened.append(SQLiteGraph(tmp_path / "graph.db"))
        return opened[-1]

    yield again
    for graph in opened:
        graph.close()


@pytest.fixture
def graph(open_store: OpenStore) -> SQLiteGraph:
    return open_store()


def test_a_reader_sees_one_generation_while_another_writes(open_store: OpenStore) -> None:
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


# --- files that are no good --------------------------------------------------------------------------------------


def sentence(found: pytest.ExceptionInfo[StoreError]) -> str:
    """What is said: one line that ends, without the words of a traceback."""
    text = str(found.value)
    assert "\n" not in text
    assert text.endswith(".")
    return text


def test_a_store_of_another_version_is_named(tmp_path: Path) -> None:
    SQLiteGraph(tmp_path / "graph.db").close()
    with closing(sqlite3.connect(tmp_path / "graph.db")) as other:
        other.execute(f"PRAGMA user_version = {store.VERSION + 1}")
    with pytest.raises(StoreError) as found:
        SQLiteGraph(tmp_path / "graph.db")
    assert f"version {store.VERSION + 1}" in sentence(found)


def test_a_stranger_s_database_is_refused_and_left_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "graph.db"
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE photos(id INTEGER)")
    before = path.read_bytes()
    with pytest.raises(StoreError) as found:
        SQLiteGraph(path)
    assert "not a kgrag store" in sentence(found)
    assert path.read_bytes() == before


@pytest.mark.parametrize("content", [b"plain text, much longer than any header could be. " * 99, b"\0" * 5000])
def test_a_file_that_is_no_database_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "graph.db").write_bytes(content)
    with pytest.raises(StoreError) as found:
        SQLiteGraph(tmp_path / "graph.db")
    assert "damaged or no database" in sentence(found)
    assert (tmp_path / "graph.db").read_bytes() == content


def test_a_damaged_store_says_so_when_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "graph.db"
    graph = SQLiteGraph(path)
    put_extractions(graph, *(ada_extraction("Ada Lovelace wrote a note. " * 40, str(number)) for number in range(40)))
    graph.close()
    content = bytearray(path.read_bytes())
    content[8192 : len(content) - 4096] = b"\xa5" * (len(content) - 12288)
    path.write_bytes(content)
    with pytest.raises(StoreError) as found:
        broken = SQLiteGraph(path)
        with broken.snapshot():
            for read in (broken.documents, broken.passages, broken.mentions, broken.triples, broken.entities):
                list(read())
    assert "damaged" in sentence(found)


def test_a_store_whose_making_was_cut_short_is_made(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "graph.db")) as cut_short:
        cut_short.execute("PRAGMA journal_mode = WAL")
    assert (tmp_path / "graph.db").stat().st_size > 0
    graph = SQLiteGraph(tmp_path / "graph.db")
    put_extractions(graph, ada_extraction())
    assert graph.generation == 1
    graph.close()


def test_two_that_open_a_new_store_at_once_share_it(tmp_path: Path) -> None:
    opened: list[SQLiteGraph] = []
    failed: list[Exception] = []
    together = threading.Barrier(4)

    def open_it() -> None:
        together.wait()
        try:
            opened.append(SQLiteGraph(tmp_path / "graph.db"))
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=open_it) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert len({graph.meta("made") for graph in opened}) == 1
    for graph in opened:
        graph.close()


@pytest.fixture
def closed_folder() -> Iterator[Path]:
    """A folder with a store in it that this process may read and not write."""
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


def test_a_folder_that_cannot_be_written(closed_folder: Path) -> None:
    with pytest.raises(StoreError) as found:
        SQLiteGraph(closed_folder / "new.db")
    assert "cannot be written" in sentence(found)
    with pytest.raises(StoreError) as found:
        SQLiteGraph(closed_folder / "below" / "graph.db")
    assert "cannot be made (Permission denied)" in sentence(found)
    with pytest.raises(StoreError) as found:
        put_extractions(SQLiteGraph(closed_folder / "graph.db"), ada_extraction())
    assert "cannot be written" in sentence(found)


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError) as found:
        SQLiteGraph(tmp_path / "file" / "graph.db")
    assert "cannot be made" in sentence(found)
    with pytest.raises(StoreError) as found:
        SQLiteGraph(tmp_path)
    assert "cannot be written" in sentence(found)


def test_a_locked_store_says_that_another_process_has_it(tmp_path: Path) -> None:
    graph = SQLiteGraph(tmp_path / "graph.db")
    put_extractions(graph, ada_extraction())
    graph._db.execute("PRAGMA busy_timeout = 20")  # not the half minute that people are given
    with closing(sqlite3.connect(tmp_path / "graph.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError) as found:
            put_extractions(graph, wu_extraction())
        assert "in use by another process" in sentence(found)
        with pytest.raises(StoreError):
            graph.forget("ada")
        assert [d.id for d in graph.documents()] == ["ada"]  # reading goes on
        other.execute("ROLLBACK")
    put_extractions(graph, wu_extraction())
    assert graph.generation == 2
    graph.close()


def test_a_full_disk_says_so_and_keeps_what_was_acknowledged(tmp_path: Path) -> None:
    path = tmp_path / "graph.db"
    graph = SQLiteGraph(path)
    pages = graph._db.execute("PRAGMA page_count").fetchone()[0]
    graph._db.execute(f"PRAGMA max_page_count = {pages + 12}")
    given = [
        ada_extraction(f"Ada Lovelace met Babbage on day {n}. " + "She wrote. " * 200, f"d{n:02}") for n in range(40)
    ]
    acknowledged: list[Extraction] = []
    with pytest.raises(StoreError) as found:
        for one in given:
            graph.put(one, embed_passages(one))
            acknowledged.append(one)
    assert "is full" in sentence(found)
    assert 0 < len(acknowledged) < len(given)
    assert list(graph.documents()) == [e.document for e in acknowledged]
    graph.close()

    again = SQLiteGraph(path)  # the limit was of the connection: there is space now
    assert list(again.documents()) == [e.document for e in acknowledged]
    assert list(again.passages()) == [p for e in acknowledged for p in e.passages]
    assert again.generation == len(acknowledged)
    put_extractions(again, *given)
    again.close()
    whole = SQLiteGraph(tmp_path / "whole" / "graph.db")
    put_extractions(whole, *given)
    whole.close()
    assert read_all_rows(path) == read_all_rows(tmp_path / "whole" / "graph.db")


def test_a_replacement_that_does_not_fit_leaves_what_was_there(tmp_path: Path) -> None:
    graph = SQLiteGraph(tmp_path / "graph.db")
    put_extractions(graph, ada_extraction())
    graph._db.execute(f"PRAGMA max_page_count = {graph._db.execute('PRAGMA page_count').fetchone()[0]}")
    with pytest.raises(StoreError):
        put_extractions(graph, ada_extraction("Ada Lovelace wrote a long note to Babbage. " * 2000))
    assert list(graph.passages()) == list(ada_extraction().passages)
    assert graph.generation == 1
    graph.close()
