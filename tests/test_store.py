"""What every `Graph` promises, asked of each implementation; then what a store says when its file is no good."""

from __future__ import annotations

import itertools
import os
import sqlite3
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from fakes import document, extraction, rows, vectors

from graphs import sqlite
from graphs.sqlite import SQLiteGraph
from kgrag.errors import StoreError
from kgrag.types import Extraction

OpenStore = Callable[[], SQLiteGraph]


def sqlite_store(folder: Path) -> OpenStore:
    return lambda: SQLiteGraph(folder / "graph.db")


@pytest.fixture(params=[sqlite_store], ids=["sqlite"])
def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[OpenStore]:
    """Opens one store, as often as it is called; each implementation gets a fresh one."""
    opened = []
    connect = request.param(tmp_path)

    def again() -> SQLiteGraph:
        opened.append(connect())
        return opened[-1]

    yield again
    for graph in opened:
        graph.close()


@pytest.fixture
def graph(open_store: OpenStore) -> SQLiteGraph:
    return open_store()


def ada(text: str = "Ada Lovelace met Babbage. Babbage built engines.", id: str = "ada") -> Extraction:
    return extraction(
        document(id, text, "Ada Lovelace", "people.jsonl"),
        {"Ada Lovelace": "PERSON", "Babbage": "PERSON"},
        [("Ada Lovelace", "knew", "Babbage")],
    )


def wu() -> Extraction:
    return extraction(document("吴", "吴文俊生于上海。他敬佩陈省身。", "吴文俊"), {"上海": "PLACE", "陈省身": "PERSON"})


def put(graph: SQLiteGraph, *extractions: Extraction) -> None:
    for one in extractions:
        graph.put(one, vectors(one))


# --- the contract ------------------------------------------------------------------------------------------------


def test_what_was_put_is_read_back_as_it_was(graph: SQLiteGraph) -> None:
    given = [ada(), wu()]
    put(graph, *given)
    assert list(graph.documents()) == [e.document for e in given]
    assert list(graph.passages()) == [p for e in given for p in e.passages]
    assert list(graph.mentions()) == sorted(
        (m for e in given for m in e.mentions), key=lambda m: (m.passage_id, m.start, m.end)
    )
    assert list(graph.triples()) == [t for e in given for t in e.triples]
    assert graph.titles() == {"ada": ("ada lovelace", "Ada Lovelace"), "吴": ("吴 文 俊", "吴文俊")}
    assert graph.fingerprints() == {e.document.id: e.document.sha256 for e in given}
    assert graph.document("ada") == given[0].document
    assert graph.document("nobody") is None
    stored = graph.embeddings()
    assert stored.dtype == np.float32
    np.testing.assert_array_equal(stored, np.concatenate([vectors(e) for e in given]))


def test_a_closed_store_opens_again_with_all_it_had(open_store: OpenStore) -> None:
    first = open_store()
    put(first, ada(), wu())
    before = (list(first.documents()), list(first.passages()), list(first.entities()), first.generation)
    first.close()
    second = open_store()
    assert (list(second.documents()), list(second.passages()), list(second.entities()), second.generation) == before


def test_an_empty_store_has_nothing(graph: SQLiteGraph) -> None:
    assert graph.generation == 0
    assert [*graph.documents(), *graph.passages(), *graph.entities(), *graph.mentions(), *graph.triples()] == []
    assert len(graph.embeddings()) == 0
    assert graph.fingerprints() == {} == graph.titles()


def test_putting_again_replaces_all_of_a_document_and_nothing_else(graph: SQLiteGraph) -> None:
    put(graph, ada(), wu())
    others = [p for p in graph.passages() if p.document_id == "吴"]
    put(graph, new := ada("Ada Lovelace wrote. She met Byron. She met Somerville."))
    assert graph.document("ada") == new.document
    assert [p for p in graph.passages() if p.document_id == "ada"] == list(new.passages)
    assert [p for p in graph.passages() if p.document_id == "吴"] == others
    assert {m.entity_id for m in graph.mentions()} == {"ada lovelace", "上 海", "陈 省 身"}
    assert list(graph.triples()) == []
    assert len(graph.embeddings()) == len(list(graph.passages())) == 5
    assert "babbage" not in {entity.id for entity in graph.entities()}


def test_forgetting_leaves_the_store_that_never_knew_it(graph: SQLiteGraph) -> None:
    put(graph, wu())
    before = [*graph.documents(), *graph.passages(), *graph.mentions(), *graph.triples(), *graph.entities()]
    put(graph, ada())
    assert graph.forget("ada") is True
    after = [*graph.documents(), *graph.passages(), *graph.mentions(), *graph.triples(), *graph.entities()]
    assert after == before
    assert len(graph.embeddings()) == 2
    assert graph.forget("ada") is False


def test_an_entity_stays_as_long_as_one_document_names_it(graph: SQLiteGraph) -> None:
    put(graph, ada(id="one"), ada(id="two"))
    graph.forget("one")
    assert "babbage" in {e.id for e in graph.entities()}
    graph.forget("two")
    assert list(graph.entities()) == []


def test_the_generation_counts_what_changed_the_content(graph: SQLiteGraph) -> None:
    seen = [graph.generation]
    for change in (lambda: put(graph, ada()), lambda: put(graph, ada()), lambda: graph.forget("ada")):
        change()
        seen.append(graph.generation)
    assert all(earlier < later for earlier, later in itertools.pairwise(seen))
    graph.forget("nobody")
    graph.set_meta("embedder", "fake")
    graph.finish_source("people.jsonl", "0" * 64, [])
    assert graph.generation == seen[-1]


def test_a_refused_document_changes_nothing(graph: SQLiteGraph) -> None:
    put(graph, ada(), wu())
    before = (list(graph.passages()), list(graph.mentions()), graph.generation)
    new = ada("Ada Lovelace wrote. She met Byron.")
    with pytest.raises(ValueError):
        graph.put(new, vectors(new)[:1])  # a vector is missing
    assert (list(graph.passages()), list(graph.mentions()), graph.generation) == before


def test_everything_comes_in_one_order_whatever_the_order_it_came_in(tmp_path: Path) -> None:
    texts = {
        "b": "Byron met Ada. Ada met Byron.",
        "a": "Ada wrote.",
        "a#": "Ada left.",
        "乙": "上海在东。",
        "Z": "Zed.",
    }
    stores = []
    for number, order in enumerate(itertools.islice(itertools.permutations(texts), 0, 120, 23)):
        graph = SQLiteGraph(tmp_path / str(number) / "graph.db")
        for id in order:
            put(graph, extraction(document(id, texts[id]), {"Ada": "PERSON", "Byron": "PERSON", "上海": "PLACE"}))
        passages = list(graph.passages())
        assert [p.id for p in passages] == sorted(p.id for p in passages)
        assert [d.id for d in graph.documents()] == sorted(texts)
        assert [e.id for e in graph.entities()] == sorted(e.id for e in graph.entities())
        mentions = [(m.passage_id, m.start, m.end) for m in graph.mentions()]
        assert mentions == sorted(mentions)
        assert graph.rows() == [(p.id, p.document_id) for p in passages]
        assert [graph.passage(p.id) for p in passages] == passages
        vectors_by_row = graph.embeddings()
        expected = [vectors(extraction(graph.document(p.document_id))) for p in passages]  # type: ignore[arg-type]
        for row, (passage, rows_) in enumerate(zip(passages, expected, strict=True)):
            np.testing.assert_array_equal(vectors_by_row[row], rows_[int(passage.id[-4:]) - 1])
        stores.append((passages, list(graph.entities()), list(graph.mentions()), vectors_by_row.tobytes()))
        graph.close()
    assert all(store == stores[0] for store in stores)


def test_an_entity_is_called_by_its_commonest_spelling(graph: SQLiteGraph) -> None:
    spellings = {"BEIJING": "PLACE", "Beijing": "PLACE", "beijing": "MISC"}
    put(graph, extraction(document("a", "BEIJING and Beijing. Then Beijing and beijing."), spellings))
    entity = next(e for e in graph.entities() if e.id == "beijing")
    assert (entity.name, entity.type, entity.aliases) == ("Beijing", "PLACE", ("BEIJING", "beijing"))


def test_of_two_spellings_as_common_the_first_of_the_alphabet_is_taken(graph: SQLiteGraph) -> None:
    put(graph, extraction(document("a", "It is Öl here. It is Ol there."), {"Öl": "MISC", "Ol": "MISC"}))
    assert next(e for e in graph.entities() if e.id == "ol").name == "Ol"


def test_a_declared_name_beats_any_number_of_mentions(graph: SQLiteGraph) -> None:
    text = "UN here. UN there. UN again. United Nations (UN) it is."
    declared = [("united nations", "UN", "ORGANISATION")]
    given = extraction(document("u", text, "United Nations"), {"United Nations": "ORGANISATION"}, names=declared)
    put(graph, given, extraction(document("v", "united nations. " * 20), {"united nations": "MISC"}))
    entity = next(e for e in graph.entities() if e.id == "united nations")
    assert entity.name in ("UN", "United Nations")
    assert set(entity.aliases) == {"UN", "United Nations", "united nations"} - {entity.name}
    assert entity.type == "ORGANISATION"


def test_passages_of_a_document_and_facts_of_a_passage(graph: SQLiteGraph) -> None:
    put(graph, given := ada(), wu())
    assert graph.passages_of("ada") == list(given.passages)
    assert graph.triples_in("ada#0001") == list(given.triples)
    assert graph.triples_in("ada#0002") == []
    assert graph.passage("ada#0009") is None
    assert graph.counts()["documents"] == 2
    assert graph.counts()["passages"] == 4
    assert graph.counts()["entities"] == len(list(graph.entities()))


def test_a_reader_sees_one_generation_while_another_writes(open_store: OpenStore) -> None:
    writer, reader = open_store(), open_store()
    put(writer, ada())
    with reader.snapshot():
        before = (reader.generation, list(reader.passages()), list(reader.entities()))
        put(writer, wu())
        writer.forget("ada")
        assert (reader.generation, list(reader.passages()), list(reader.entities())) == before
        assert len(reader.embeddings()) == 2
    assert reader.generation == writer.generation == 3
    assert [d.id for d in reader.documents()] == ["吴"]


def test_a_snapshot_ends_with_an_error_in_it(open_store: OpenStore) -> None:
    writer, reader = open_store(), open_store()
    with pytest.raises(KeyError), reader.snapshot():
        raise KeyError
    put(writer, ada())
    assert reader.generation == 1
    with reader.snapshot():
        assert [d.id for d in reader.documents()] == ["ada"]


def test_an_iterator_left_halfway_holds_nobody_up(open_store: OpenStore) -> None:
    writer, reader = open_store(), open_store()
    put(writer, ada(), wu())
    next(reader.passages())
    put(writer, ada("Ada Lovelace wrote."))
    assert next(reader.passages()).text == "Ada Lovelace wrote."


# --- files that were read ----------------------------------------------------------------------------------------


def test_a_file_is_noted_with_its_problems_and_noted_anew(graph: SQLiteGraph) -> None:
    graph.finish_source("a.jsonl", "1" * 64, [(3, "no text"), (None, "odd")])
    graph.finish_source("b.jsonl", "2" * 64, [(1, "no text")])
    assert graph.sources() == {"a.jsonl": "1" * 64, "b.jsonl": "2" * 64}
    assert graph.problems() == [("a.jsonl", None, "odd"), ("a.jsonl", 3, "no text"), ("b.jsonl", 1, "no text")]
    graph.finish_source("a.jsonl", "3" * 64, [(4, "no text")])
    assert graph.problems() == [("a.jsonl", 4, "no text"), ("b.jsonl", 1, "no text")]
    graph.drop_source("a.jsonl")
    assert graph.sources() == {"b.jsonl": "2" * 64}
    assert graph.problems() == [("b.jsonl", 1, "no text")]


def test_a_file_that_lost_a_document_counts_as_unread(graph: SQLiteGraph) -> None:
    put(graph, ada(id="one"), ada(id="two"))
    graph.finish_source("people.jsonl", "1" * 64, [(3, "no text")])
    graph.forget("one")
    assert graph.sources() == {}
    assert graph.problems() != []  # the file still has a document here
    graph.forget("two")
    assert graph.problems() == []


def test_a_file_whose_document_another_file_took_counts_as_unread(graph: SQLiteGraph) -> None:
    put(graph, ada())
    graph.finish_source("people.jsonl", "1" * 64, [])
    put(graph, extraction(document("ada", "Ada wrote.", source="other.jsonl")))
    assert graph.sources() == {}
    assert graph.documents_of("people.jsonl") == []
    assert graph.documents_of("other.jsonl") == ["ada"]


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
        other.execute(f"PRAGMA user_version = {sqlite.VERSION + 1}")
    with pytest.raises(StoreError) as found:
        SQLiteGraph(tmp_path / "graph.db")
    assert f"version {sqlite.VERSION + 1}" in sentence(found)


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
    put(graph, *(ada("Ada Lovelace wrote a note. " * 40, str(number)) for number in range(40)))
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
    put(graph, ada())
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
        put(SQLiteGraph(closed_folder / "graph.db"), ada())
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
    put(graph, ada())
    graph._db.execute("PRAGMA busy_timeout = 20")  # not the half minute that people are given
    with closing(sqlite3.connect(tmp_path / "graph.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError) as found:
            put(graph, wu())
        assert "in use by another process" in sentence(found)
        with pytest.raises(StoreError):
            graph.forget("ada")
        assert [d.id for d in graph.documents()] == ["ada"]  # reading goes on
        other.execute("ROLLBACK")
    put(graph, wu())
    assert graph.generation == 2
    graph.close()


def test_a_full_disk_says_so_and_keeps_what_was_acknowledged(tmp_path: Path) -> None:
    path = tmp_path / "graph.db"
    graph = SQLiteGraph(path)
    pages = graph._db.execute("PRAGMA page_count").fetchone()[0]
    graph._db.execute(f"PRAGMA max_page_count = {pages + 12}")
    given = [ada(f"Ada Lovelace met Babbage on day {n}. " + "She wrote. " * 200, f"d{n:02}") for n in range(40)]
    acknowledged: list[Extraction] = []
    with pytest.raises(StoreError) as found:
        for one in given:
            graph.put(one, vectors(one))
            acknowledged.append(one)
    assert "is full" in sentence(found)
    assert 0 < len(acknowledged) < len(given)
    assert list(graph.documents()) == [e.document for e in acknowledged]
    graph.close()

    again = SQLiteGraph(path)  # the limit was of the connection: there is space now
    assert list(again.documents()) == [e.document for e in acknowledged]
    assert list(again.passages()) == [p for e in acknowledged for p in e.passages]
    assert again.generation == len(acknowledged)
    put(again, *given)
    again.close()
    whole = SQLiteGraph(tmp_path / "whole" / "graph.db")
    put(whole, *given)
    whole.close()
    assert rows(path) == rows(tmp_path / "whole" / "graph.db")


def test_a_replacement_that_does_not_fit_leaves_what_was_there(tmp_path: Path) -> None:
    graph = SQLiteGraph(tmp_path / "graph.db")
    put(graph, ada())
    graph._db.execute(f"PRAGMA max_page_count = {graph._db.execute('PRAGMA page_count').fetchone()[0]}")
    with pytest.raises(StoreError):
        put(graph, ada("Ada Lovelace wrote a long note to Babbage. " * 2000))
    assert list(graph.passages()) == list(ada().passages)
    assert graph.generation == 1
    graph.close()
