"""A store on a real Neo4j server: its schema, many writers, and everything that goes wrong with servers."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from graphs.neo4j import schema
from graphs.neo4j.local_server import LocalNeo4j as Own
from graphs.neo4j.local_server import find_free_port
from graphs.neo4j.schema import SCHEMA, SCHEMA_VERSION, SchemaMigration
from graphs.neo4j.store import Neo4jGraph
from graphs.sqlite.store import SQLiteGraph
from graphs.store_copy import copy_store
from kgrag.errors import KgragError, StoreError
from kgrag.location import PASSWORD_VARIABLE, Neo4jLocation, parse_location
from kgrag.types import Extraction
from tests.graphs.test_store_copy import store_content
from tests.support.documents import (
    ada_extraction,
    build_document,
    build_extraction,
    embed_passages,
    put_extractions,
    wu_extraction,
)
from tests.support.graph_stores import clear_neo4j, connect_neo4j, neo4j_location, reset_neo4j

pytestmark = pytest.mark.neo4j
LIB = "KGRAG_NEO4J_LIB"


@pytest.fixture
def graph() -> Iterator[Neo4jGraph]:
    neo4j_location()
    reset_neo4j()
    opened = connect_neo4j()
    yield opened
    opened.close()


@pytest.fixture
def own(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Own]:
    """A server of the test's own, which it may kill; parametrised by further settings."""
    if not os.environ.get(LIB):
        pytest.skip(f"no jars in {LIB}: make test-neo4j")
    one = Own(
        tmp_path / "home", Path(os.environ[LIB]), password="test-of-kgrag", settings=getattr(request, "param", ())
    )
    one.start()
    yield one
    one.stop()


def opened_at(own: Own, **options: float) -> Neo4jGraph:
    named = parse_location(own.uri)
    assert isinstance(named, Neo4jLocation)
    return Neo4jGraph(named, own.password, **options)  # type: ignore[arg-type]


def many(count: int) -> list[Extraction]:
    """Documents that all speak of the same few things."""
    texts = [f"Ada met Byron {n} times. Byron met Zed." for n in range(count)]
    names = {"Ada": "PERSON", "Byron": "PERSON", "Zed": "MISC"}
    return [
        build_extraction(build_document(f"d{n:03}", text), names, [("Ada", "knew", "Byron")])
        for n, text in enumerate(texts)
    ]


def said(found: pytest.ExceptionInfo[StoreError]) -> str:
    text = str(found.value)
    assert "\n" not in text and "Traceback" not in text
    return text


# --- the schema --------------------------------------------------------------------------------------------------


def test_the_schema_is_made_once_and_whole(graph: Neo4jGraph) -> None:
    put_extractions(graph, ada_extraction())
    names = {row[0] for row in graph._query("SHOW INDEXES YIELD name WHERE name STARTS WITH 'kgrag' RETURN name")}
    assert names == {_name(statement) for statement in SCHEMA} | {"kgrag_vectors"}
    made = graph.meta("made")
    again = connect_neo4j()
    assert again.meta("made") == made and again.generation == 1
    again.close()


def _name(statement: str) -> str:
    return next(word for word in statement.split() if word.startswith("kgrag"))


def test_a_schema_whose_making_was_cut_short_is_made_whole(graph: Neo4jGraph) -> None:
    with graph._session() as session:
        session.run("DROP CONSTRAINT kgrag_source").consume()
        session.run("DROP INDEX kgrag_names").consume()
    connect_neo4j().close()
    assert graph._query("SHOW INDEXES YIELD name WHERE name = 'kgrag_names' RETURN name")


def test_people_find_names_and_passages_on_the_server_in_both_languages(graph: Neo4jGraph) -> None:
    put_extractions(graph, ada_extraction(), wu_extraction())
    graph.refresh_display_names()
    search = "CALL db.index.fulltext.queryNodes($index, $words) YIELD node RETURN coalesce(node.name, node.id)"
    assert graph._query(search, index="kgrag_names", words="陈省身") == [("陈省身",)]
    assert graph._query(search, index="kgrag_passages", words="engines") == [("ada#0002",)]
    near = "CALL db.index.vector.queryNodes('kgrag_vectors', 1, $vector) YIELD node RETURN node.id"
    assert graph._query(near, vector=embed_passages(ada_extraction())[1].tolist()) == [("ada#0002",)]


def test_entities_are_called_there_as_they_are_here_and_go_when_nothing_speaks_of_them(graph: Neo4jGraph) -> None:
    put_extractions(graph, ada_extraction(), wu_extraction(), ada_extraction(id="two"))
    graph.forget("two")
    graph.refresh_display_names()
    there = graph._query("MATCH (e:Entity) RETURN e.id, e.name, e.type, e.aliases, e.stale ORDER BY e.id")
    assert {(i, n, t, tuple(a)) for i, n, t, a, _ in there} == {
        (e.id, e.name, e.type, e.aliases) for e in graph.entities()
    }
    assert {stale for *_, stale in there} == {None}
    graph.forget("ada")
    graph.forget("吴")
    graph.refresh_display_names()
    assert graph._query("MATCH (n) WHERE NOT n:Store RETURN labels(n)") == []


# --- many at once ------------------------------------------------------------------------------------------------


def test_four_writers_make_the_graph_that_one_makes(graph: Neo4jGraph, tmp_path: Path) -> None:
    given = many(40)
    one = SQLiteGraph(tmp_path / "graph.db")
    put_extractions(one, *given)
    for document_id in ("d003", "d017"):
        one.forget(document_id)

    def work(number: int) -> None:
        mine = connect_neo4j()
        for start in range(number * 5, 40, 20):
            mine.put_many([(e, embed_passages(e)) for e in given[start : start + 5]])
        put_extractions(mine, *given[number::10])  # and what others wrote, again
        mine.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert graph.forget("d003") and graph.forget("d017")
    assert store_content(graph) == store_content(one)
    assert graph._query("MATCH (e:Entity) RETURN count(e)") == [(len(list(one.entities())),)]
    one.close()


# --- what goes wrong ---------------------------------------------------------------------------------------------


def test_a_wrong_password_is_said_and_never_shown() -> None:
    with pytest.raises(StoreError) as found:
        Neo4jGraph(neo4j_location(), "wrong-password")
    assert PASSWORD_VARIABLE in said(found) and "wrong-password" not in said(found)


def test_a_password_that_a_new_server_cannot_have_is_said(tmp_path: Path) -> None:
    if not os.environ.get(LIB):
        pytest.skip(f"no jars in {LIB}: make test-neo4j")
    with pytest.raises(KgragError, match="refused the password"):
        Own(tmp_path / "home", Path(os.environ[LIB]), password="-9YsmENlwx").start()


def test_where_nothing_answers_is_said() -> None:
    nowhere = replace(neo4j_location(), port=find_free_port())
    with pytest.raises(StoreError, match="No answer from"):
        Neo4jGraph(nowhere, "any-password", timeout_seconds=1.0)


def test_a_database_that_does_not_exist_is_said() -> None:
    with pytest.raises(StoreError, match="no such database"):
        Neo4jGraph(replace(neo4j_location(), database="nosuch"), os.environ[PASSWORD_VARIABLE])


def test_someone_elses_data_are_left_alone() -> None:
    neo4j_location()
    reset_neo4j()
    graph = connect_neo4j()
    with graph._session() as session:
        session.run("MATCH (n) DETACH DELETE n").consume()
        session.run("CREATE (:Photo {id: 1})").consume()
    try:
        with pytest.raises(StoreError, match="not a kgrag store"):
            connect_neo4j()
        assert graph._query("MATCH (n) RETURN labels(n)") == [(["Photo"],)]
    finally:
        with graph._session() as session:
            session.run("MATCH (n) DETACH DELETE n").consume()
        graph.close()


def test_a_store_of_another_version_is_named(graph: Neo4jGraph) -> None:
    with graph._session() as session:
        session.run("MATCH (s:Store) SET s.version = $v", v=SCHEMA_VERSION + 1).consume()
    try:
        with pytest.raises(StoreError, match=f"version {SCHEMA_VERSION + 1}"):
            connect_neo4j()
    finally:
        with graph._session() as session:
            session.run("MATCH (s:Store) SET s.version = $v", v=SCHEMA_VERSION).consume()


def test_a_store_of_an_older_version_is_brought_up_to_date(graph: Neo4jGraph, monkeypatch: pytest.MonkeyPatch) -> None:
    put_extractions(graph, ada_extraction(), wu_extraction())
    before = store_content(graph)
    change = (
        "MATCH (p:Passage) WHERE p.words IS NULL WITH p LIMIT 1 SET p.words = size(split(p.text, ' ')) RETURN count(p)"
    )
    steps = {
        SCHEMA_VERSION: SchemaMigration(
            ("CREATE INDEX kgrag_words IF NOT EXISTS FOR (p:Passage) ON (p.words)",), (change,)
        )
    }
    monkeypatch.setattr(schema, "SCHEMA_VERSION", SCHEMA_VERSION + 1)
    with pytest.raises(StoreError, match=f"version {SCHEMA_VERSION} "):
        connect_neo4j()
    monkeypatch.setattr(schema, "MIGRATIONS", steps)
    for _ in range(2):
        connect_neo4j().close()
        assert graph._query("MATCH (s:Store) RETURN s.version") == [(SCHEMA_VERSION + 1,)]
        assert graph._query("MATCH (p:Passage) WHERE p.words IS NULL RETURN p.id") == []
        assert store_content(graph) == before
        # cut short before its last statement, it is done again
        with graph._session() as session:
            session.run("MATCH (s:Store) SET s.version = $v", v=SCHEMA_VERSION).consume()
            session.run("MATCH (p:Passage {id: 'ada#0001'}) REMOVE p.words").consume()
    with graph._session() as session:
        session.run("DROP INDEX kgrag_words").consume()


def test_an_emptied_database_is_said_and_not_written_to(graph: Neo4jGraph) -> None:
    with graph._session() as session:
        session.run("MATCH (n) DETACH DELETE n").consume()
    for act in (lambda: put_extractions(graph, ada_extraction()), lambda: graph.generation):
        with pytest.raises(StoreError, match="The store is gone"):
            act()
    assert graph._query("MATCH (n) RETURN n") == []


def test_a_connection_cut_after_the_commit_loses_nothing_and_doubles_nothing(graph: Neo4jGraph, tmp_path: Path) -> None:
    with Cutter(neo4j_location()) as cutter:
        mine = Neo4jGraph(
            replace(neo4j_location(), scheme="bolt", host="127.0.0.1", port=cutter.port), os.environ[PASSWORD_VARIABLE]
        )
        mine.put(wu_extraction(), embed_passages(wu_extraction()))
        cutter.cut_answer_to_commit = True
        mine.put(ada_extraction(), embed_passages(ada_extraction()))
        mine.close()
    assert cutter.cuts == 1
    plain = SQLiteGraph(tmp_path / "graph.db")
    put_extractions(plain, wu_extraction(), ada_extraction())
    assert store_content(graph) == store_content(plain)
    plain.close()


def test_a_slow_server_is_waited_for(graph: Neo4jGraph) -> None:
    with Cutter(neo4j_location(), delay=0.05) as slow:
        mine = Neo4jGraph(
            replace(neo4j_location(), scheme="bolt", host="127.0.0.1", port=slow.port), os.environ[PASSWORD_VARIABLE]
        )
        mine.put(ada_extraction(), embed_passages(ada_extraction()))
        assert [d.id for d in mine.documents()] == ["ada"]
        mine.close()
    assert graph.generation == 1


def test_a_server_that_never_answers_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        nowhere = Neo4jLocation("bolt", "neo4j", "127.0.0.1", int(silent.getsockname()[1]), "neo4j")
        start = time.monotonic()
        with pytest.raises(StoreError) as found:
            Neo4jGraph(nowhere, "any-password", timeout_seconds=2.0)
    assert time.monotonic() - start < 30
    assert str(nowhere) in said(found)


class Cutter:
    """Stands between a client and the server, passes on what each says after ``delay`` seconds, and once cuts the line
    where the server has answered a commit."""

    def __init__(self, behind: Neo4jLocation, delay: float = 0.0) -> None:
        self._behind, self._delay = behind, delay
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.cut_answer_to_commit = False
        self.cuts = 0
        self._committing = threading.Event()

    def __enter__(self) -> Cutter:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            ahead = socket.create_connection((self._behind.host, self._behind.port))
            for one, other, up in ((client, ahead, True), (ahead, client, False)):
                threading.Thread(target=self._pass, args=(one, other, up), daemon=True).start()

    def _pass(self, one: socket.socket, other: socket.socket, up: bool) -> None:
        try:
            while data := one.recv(1 << 16):
                if up and self.cut_answer_to_commit and b"\xb0\x12" in data:  # Bolt's COMMIT
                    self._committing.set()
                elif not up and self._committing.is_set():
                    self._committing.clear()
                    self.cut_answer_to_commit = False
                    self.cuts += 1
                    break
                time.sleep(self._delay)
                other.sendall(data)
        except OSError:
            pass
        for end in (one, other):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


def test_a_server_that_is_killed_keeps_what_it_acknowledged(own: Own, tmp_path: Path) -> None:
    graph = opened_at(own, wait=5.0)
    given, acknowledged = many(400), []
    enough = threading.Event()
    killer = threading.Thread(target=lambda: (enough.wait(60), time.sleep(0.02), own.kill()))
    killer.start()
    with pytest.raises(StoreError, match="No answer from") as found:
        for one in given:
            graph.put(one, embed_passages(one))
            acknowledged.append(one)
            if len(acknowledged) == 30:
                enough.set()
    killer.join()
    graph.close()
    assert "acknowledged is kept" in said(found)
    assert 30 <= len(acknowledged) < 400
    own.start()
    again = opened_at(own)
    there = {d.id for d in again.documents()}
    known = [one.document.id for one in acknowledged]
    assert set(known) <= there <= {*known, given[len(known)].document.id}
    expected = SQLiteGraph(tmp_path / "graph.db")
    put_extractions(expected, *(one for one in given if one.document.id in there))
    assert store_content(again) == store_content(expected)  # each is whole
    put_extractions(again, *given[len(known) : len(known) + 3])
    again.close()
    expected.close()


@pytest.mark.parametrize("own", [["db.memory.transaction.max=2m"]], indirect=True)
def test_a_transaction_that_runs_out_of_memory_leaves_nothing_behind(own: Own) -> None:
    graph = opened_at(own, wait=2.0)
    put_extractions(graph, wu_extraction())
    big = build_extraction(build_document("big", "Ada met Byron. " * 3_000), {"Ada": "PERSON", "Byron": "PERSON"})
    with pytest.raises(StoreError, match="ran out of memory"):
        graph.put(big, embed_passages(big))
    assert [d.id for d in graph.documents()] == ["吴"]
    assert graph.generation == 1
    put_extractions(graph, ada_extraction())
    graph.close()


def test_a_database_that_may_not_be_written_says_so(own: Own) -> None:
    graph = opened_at(own)
    put_extractions(graph, ada_extraction())
    graph.close()
    own.stop()
    own._settings = ["server.databases.read_only=neo4j"]
    own.start()
    reader = opened_at(own, wait=2.0)
    assert [d.id for d in reader.documents()] == ["ada"]
    with pytest.raises(StoreError, match="is read-only"):
        put_extractions(reader, wu_extraction())
    assert [d.id for d in reader.documents()] == ["ada"]
    reader.close()


# --- the program -------------------------------------------------------------------------------------------------


def kgrag(home: Path, *arguments: str, code: int = 0) -> tuple[str, str]:
    env = {**os.environ, "KGRAG_HOME": str(home)}
    command = [sys.executable, "-m", "kgrag", *arguments]
    # from the folder that a store in a folder would lie in: so both call the files the same
    done = subprocess.run(command, capture_output=True, text=True, cwd=home.parent, env=env, timeout=120)
    assert done.returncode == code, done.stderr
    # some of these tests need no server, and where there is none there is no password to give away
    if password := os.environ.get(PASSWORD_VARIABLE):
        assert password not in done.stdout + done.stderr
    return done.stdout, done.stderr


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder of the program's own, with the models of this machine."""
    from kgrag.config import model_home as real

    folder = tmp_path / "home"
    folder.mkdir()
    for path in real().iterdir():
        if path.name != "servers":
            (folder / path.name).symlink_to(path)
    return folder


def test_the_program_works_there_as_in_a_folder(graph: Neo4jGraph, home: Path, tmp_path: Path) -> None:
    where = str(neo4j_location())
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "ada.md").write_text("# Ada Lovelace\n\nAda Lovelace was born in London. Her father was Lord Byron.\n")
    (docs / "byron.md").write_text("# Lord Byron\n\nLord Byron died in Missolonghi in 1824.\n")
    (docs / "hua.md").write_text("# 华罗庚\n\n华罗庚1910年出生于江苏金坛。\n")
    folder, out = str(tmp_path / "store"), {}
    for store in (where, folder):
        kgrag(home, "ingest", str(docs), "--store", store)
        asked = [
            re.sub(r"[\d.]+ s\b", "", kgrag(home, "ask", question, "--store", store, "--reader", "graph")[0])
            for question in ("Where did Ada Lovelace's father die?", "华罗庚出生于哪里？")
        ]
        shown = kgrag(home, "graph", "show", "Lord Byron", "--store", store)[0]
        found = kgrag(home, "retrieve", "Missolonghi", "--store", store, "--json")[0]
        out[store] = [asked, shown, found]
    assert "Missolonghi" in out[where][0][0] and "金坛" in out[where][0][1]
    assert out[where][:2] == out[folder][:2]
    kgrag(home, "ingest", str(docs), "--store", where)
    assert graph.generation == 1  # nothing has changed, nothing was written
    copied = str(tmp_path / "copied")
    kgrag(home, "copy", where, copied)
    status = kgrag(home, "status", "--store", copied)[0]
    assert "3" in status
    kgrag(home, "forget", str(docs / "byron.md"), "--store", where)
    assert "Missolonghi" not in kgrag(home, "retrieve", "Missolonghi", "--store", where)[0]
    assert len(list(graph.documents())) == 2


def test_a_folder_is_not_walked_on_a_server(home: Path, store: Path) -> None:
    _, error = kgrag(home, "retrieve", "Ada", "--store", str(store), "--walk", "server", code=2)
    assert "leave --walk out" in error


def test_indices_catch_up_when_others_have_written(graph: Neo4jGraph, home: Path, tmp_path: Path) -> None:
    where = str(neo4j_location())
    (tmp_path / "a.md").write_text("# Zanzibar\n\nZanzibar is an island.\n")
    kgrag(home, "ingest", str(tmp_path / "a.md"), "--store", where)
    graph.forget(next(graph.documents()).id)  # somebody else, from elsewhere
    out, _ = kgrag(home, "retrieve", "Zanzibar", "--store", where)
    assert "island" not in out


def test_mistakes_are_said_in_a_sentence(home: Path) -> None:
    neo4j_location()
    wrong = str(replace(neo4j_location(), port=find_free_port()))
    _, error = kgrag(home, "status", "--store", wrong, code=1)
    assert "No answer from" in error and "Traceback" not in error
    _, error = kgrag(home, "status", "--store", "neo4j://a:b@h/d", code=2)
    assert PASSWORD_VARIABLE in error


QUERIES = re.findall(r"```cypher\n(.*?)```", (Path(__file__).parents[2] / "docs" / "neo4j.md").read_text("utf-8"), re.S)


@pytest.fixture(scope="module")
def examples(small_store: Path) -> Iterator[Neo4jGraph]:
    """The small store, on the server."""
    neo4j_location()
    reset_neo4j()
    source, target = SQLiteGraph(small_store / "graph.db"), connect_neo4j()
    copy_store(source, target)
    target._query("CALL db.index.fulltext.awaitEventuallyConsistentIndexRefresh()")
    source.close()
    yield target
    target.close()


@pytest.mark.parametrize("number", range(10))
def test_the_queries_of_the_manual_find_something(examples: Neo4jGraph, number: int) -> None:
    assert len(QUERIES) == 10
    rows = examples._query(QUERIES[number])
    assert rows and all(value is not None for row in rows for value in row)


def test_walking_there_finds_what_walking_here_does(examples: Neo4jGraph, home: Path) -> None:
    where = str(neo4j_location())
    for question in (
        "Who designed the Harvard Mark I?",
        "Where was Ada Lovelace's father when he died?",
        "华罗庚的老师是谁？",
    ):
        found = {
            how: kgrag(home, "retrieve", question, "--store", where, "--json", "--walk", how)[0]
            for how in ("local", "server", "auto")
        }
        assert found["server"] == found["local"] == found["auto"] and json.loads(found["local"])
    assert examples._query("MATCH (s:Store) RETURN s.tied = s.generation") == [(True,)]


def test_loading_and_walking_are_measured_and_leave_the_database_empty(home: Path) -> None:
    neo4j_location()
    clear_neo4j()
    out, _ = kgrag(home, "bench", "server", "--store", str(neo4j_location()), "--nodes", "1000", "--json")
    report = json.loads(out)
    assert report["plain nodes"] == 1000 and report["plain relationships"] == 3000
    assert report["nodes"] > 700 and report["relationships"] > 2 * report["nodes"]
    assert (report["again more nodes"], report["again more relationships"]) == (0, 0)
    assert report["ratio"] == pytest.approx(report["rows/s"] / report["plain rows/s"])
    graph = connect_neo4j()
    assert graph._query("MATCH (n) WHERE NOT n:Store RETURN n") == []
    put_extractions(graph, ada_extraction())
    graph.close()
    _, error = kgrag(home, "bench", "server", "--store", str(neo4j_location()), "--nodes", "1000", code=2)
    assert "holds documents" in error


def test_who_is_asked_to_end_takes_the_server_along() -> None:
    if not os.environ.get(LIB):
        pytest.skip(f"no jars in {LIB}: make test-neo4j")
    fetched = Path(os.environ[LIB]).parent
    apart = {k: v for k, v in os.environ.items() if k not in ("KGRAG_NEO4J_URI", PASSWORD_VARIABLE)}
    said = "import os, time; print(os.environ['KGRAG_NEO4J_URI'], flush=True); time.sleep(60)"
    command = [sys.executable, "-m", "graphs.neo4j.local_server", "around", sys.executable, "-c", said]
    around = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={**apart, "KGRAG_NEO4J_HOME": str(fetched)}
    )
    assert around.stdout
    port = int(around.stdout.readline().rpartition(":")[2].partition("/")[0])
    socket.create_connection(("127.0.0.1", port), 5).close()
    around.terminate()
    assert around.wait(60) == 128 + signal.SIGTERM
    around.stdout.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), 5)


def test_a_folder_is_no_server_to_measure(home: Path, store: Path) -> None:
    for arguments in (["server", "--store", str(store)], ["scale", "--sizes", "1k", "--store", str(store)]):
        _, error = kgrag(home, "bench", *arguments, code=2)
        assert "neo4j://" in error
