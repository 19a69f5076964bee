"""Test the Neo4j store on a real server: schema, concurrent writers, and errors."""

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
from graphs.neo4j.connection import RETRY_TIMEOUT_SECONDS
from graphs.neo4j.local_server import LocalNeo4j, find_free_port
from graphs.neo4j.schema import SCHEMA, SCHEMA_VERSION, SchemaMigration
from graphs.neo4j.store import Neo4jGraph
from graphs.sqlite.store import SQLiteGraph
from graphs.store_copy import copy_store
from kgrag.errors import KgragError, StoreError
from kgrag.location import PASSWORD_VARIABLE, Neo4jLocation, parse_location
from kgrag.types import Extraction
from tests.support.documents import (
    ada_extraction,
    build_document,
    build_extraction,
    embed_passages,
    put_extractions,
    wu_extraction,
)
from tests.support.graph_stores import clear_neo4j, connect_neo4j, neo4j_location, reset_neo4j, store_content
from tests.support.paths import ROOT

pytestmark = pytest.mark.neo4j
JARS_VARIABLE = "KGRAG_NEO4J_LIB"


@pytest.fixture
def graph() -> Iterator[Neo4jGraph]:
    neo4j_location()
    reset_neo4j()
    graph = connect_neo4j()
    yield graph
    graph.close()


@pytest.fixture
def local_server(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[LocalNeo4j]:
    """Start a server that the test may kill; the parameter is a list of further settings."""
    if not os.environ.get(JARS_VARIABLE):
        pytest.skip(f"no jars in {JARS_VARIABLE}: run make test-neo4j")
    server = LocalNeo4j(
        tmp_path / "home",
        Path(os.environ[JARS_VARIABLE]),
        password="test-of-kgrag",
        settings=getattr(request, "param", ()),
    )
    server.start()
    yield server
    server.stop()


def connect_to(local_server: LocalNeo4j, timeout_seconds: float = RETRY_TIMEOUT_SECONDS) -> Neo4jGraph:
    location = parse_location(local_server.uri)
    assert isinstance(location, Neo4jLocation)
    return Neo4jGraph(location, local_server.password, timeout_seconds=timeout_seconds)


def build_extractions(count: int) -> list[Extraction]:
    """Return documents that all mention the same few entities."""
    texts = [f"Ada met Byron {n} times. Byron met Zed." for n in range(count)]
    names = {"Ada": "PERSON", "Byron": "PERSON", "Zed": "MISC"}
    return [
        build_extraction(build_document(f"d{n:03}", text), names, [("Ada", "knew", "Byron")])
        for n, text in enumerate(texts)
    ]


def message_of(caught: pytest.ExceptionInfo[StoreError]) -> str:
    text = str(caught.value)
    assert "\n" not in text and "Traceback" not in text
    return text


# --- the schema --------------------------------------------------------------------------------------------------


def test_open_creates_schema_once(graph: Neo4jGraph) -> None:
    put_extractions(graph, ada_extraction())
    names = {row[0] for row in graph._query("SHOW INDEXES YIELD name WHERE name STARTS WITH 'kgrag' RETURN name")}
    assert names == {_index_name(statement) for statement in SCHEMA} | {"kgrag_vectors"}
    store_id = graph.meta("made")
    second = connect_neo4j()
    assert second.meta("made") == store_id and second.generation == 1
    second.close()


def _index_name(statement: str) -> str:
    return next(word for word in statement.split() if word.startswith("kgrag"))


def test_open_completes_interrupted_schema(graph: Neo4jGraph) -> None:
    with graph._session() as session:
        session.run("DROP CONSTRAINT kgrag_source").consume()
        session.run("DROP INDEX kgrag_names").consume()
    connect_neo4j().close()
    assert graph._query("SHOW INDEXES YIELD name WHERE name = 'kgrag_names' RETURN name")


def test_server_indexes_find_names_and_passages(graph: Neo4jGraph) -> None:
    put_extractions(graph, ada_extraction(), wu_extraction())
    graph.refresh_display_names()
    search = "CALL db.index.fulltext.queryNodes($index, $words) YIELD node RETURN coalesce(node.name, node.id)"
    assert graph._query(search, index="kgrag_names", words="陈省身") == [("陈省身",)]
    assert graph._query(search, index="kgrag_passages", words="engines") == [("ada#0002",)]
    vector_search = "CALL db.index.vector.queryNodes('kgrag_vectors', 1, $vector) YIELD node RETURN node.id"
    assert graph._query(vector_search, vector=embed_passages(ada_extraction())[1].tolist()) == [("ada#0002",)]


def test_refresh_display_names_and_delete_orphans(graph: Neo4jGraph) -> None:
    put_extractions(graph, ada_extraction(), wu_extraction(), ada_extraction(id="two"))
    graph.forget("two")
    graph.refresh_display_names()
    rows = graph._query("MATCH (e:Entity) RETURN e.id, e.name, e.type, e.aliases, e.stale ORDER BY e.id")
    assert {(i, n, t, tuple(a)) for i, n, t, a, _ in rows} == {
        (e.id, e.name, e.type, e.aliases) for e in graph.entities()
    }
    assert {stale for *_, stale in rows} == {None}
    graph.forget("ada")
    graph.forget("吴")
    graph.refresh_display_names()
    assert graph._query("MATCH (n) WHERE NOT n:Store RETURN labels(n)") == []


# --- concurrent writers ------------------------------------------------------------------------------------------


def test_four_writers_produce_same_graph_as_one(graph: Neo4jGraph, tmp_path: Path) -> None:
    extractions = build_extractions(40)
    reference = SQLiteGraph(tmp_path / "graph.db")
    put_extractions(reference, *extractions)
    for document_id in ("d003", "d017"):
        reference.forget(document_id)

    def write(number: int) -> None:
        writer = connect_neo4j()
        for start in range(number * 5, 40, 20):
            writer.put_many([(e, embed_passages(e)) for e in extractions[start : start + 5]])
        put_extractions(writer, *extractions[number::10])  # also documents of other writers, again
        writer.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    assert graph.forget("d003") and graph.forget("d017")
    assert store_content(graph) == store_content(reference)
    assert graph._query("MATCH (e:Entity) RETURN count(e)") == [(len(list(reference.entities())),)]
    reference.close()


# --- errors ------------------------------------------------------------------------------------------------------


def test_open_wrong_password_raises_without_showing_it() -> None:
    with pytest.raises(StoreError) as caught:
        Neo4jGraph(neo4j_location(), "wrong-password")
    assert PASSWORD_VARIABLE in message_of(caught) and "wrong-password" not in message_of(caught)


def test_local_server_invalid_password_raises(tmp_path: Path) -> None:
    if not os.environ.get(JARS_VARIABLE):
        pytest.skip(f"no jars in {JARS_VARIABLE}: run make test-neo4j")
    with pytest.raises(KgragError, match="refused the password"):
        LocalNeo4j(tmp_path / "home", Path(os.environ[JARS_VARIABLE]), password="-9YsmENlwx").start()


def test_open_unreachable_server_raises() -> None:
    unreachable = replace(neo4j_location(), port=find_free_port())
    with pytest.raises(StoreError, match="No answer from"):
        Neo4jGraph(unreachable, "any-password", timeout_seconds=1.0)


def test_open_missing_database_raises() -> None:
    with pytest.raises(StoreError, match="no such database"):
        Neo4jGraph(replace(neo4j_location(), database="nosuch"), os.environ[PASSWORD_VARIABLE])


def test_open_foreign_data_raises_and_leaves_them() -> None:
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


def test_open_other_version_raises_with_version(graph: Neo4jGraph) -> None:
    with graph._session() as session:
        session.run("MATCH (s:Store) SET s.version = $v", v=SCHEMA_VERSION + 1).consume()
    try:
        with pytest.raises(StoreError, match=f"version {SCHEMA_VERSION + 1}"):
            connect_neo4j()
    finally:
        with graph._session() as session:
            session.run("MATCH (s:Store) SET s.version = $v", v=SCHEMA_VERSION).consume()


def test_open_older_version_migrates(graph: Neo4jGraph, monkeypatch: pytest.MonkeyPatch) -> None:
    put_extractions(graph, ada_extraction(), wu_extraction())
    before = store_content(graph)
    change = (
        "MATCH (p:Passage) WHERE p.words IS NULL WITH p LIMIT 1 SET p.words = size(split(p.text, ' ')) RETURN count(p)"
    )
    migrations = {
        SCHEMA_VERSION: SchemaMigration(
            ("CREATE INDEX kgrag_words IF NOT EXISTS FOR (p:Passage) ON (p.words)",), (change,)
        )
    }
    monkeypatch.setattr(schema, "SCHEMA_VERSION", SCHEMA_VERSION + 1)
    with pytest.raises(StoreError, match=f"version {SCHEMA_VERSION} "):
        connect_neo4j()
    monkeypatch.setattr(schema, "MIGRATIONS", migrations)
    for _ in range(2):
        connect_neo4j().close()
        assert graph._query("MATCH (s:Store) RETURN s.version") == [(SCHEMA_VERSION + 1,)]
        assert graph._query("MATCH (p:Passage) WHERE p.words IS NULL RETURN p.id") == []
        assert store_content(graph) == before
        # a migration interrupted before its last statement is repeated
        with graph._session() as session:
            session.run("MATCH (s:Store) SET s.version = $v", v=SCHEMA_VERSION).consume()
            session.run("MATCH (p:Passage {id: 'ada#0001'}) REMOVE p.words").consume()
    with graph._session() as session:
        session.run("DROP INDEX kgrag_words").consume()


def test_emptied_database_raises_and_stays_empty(graph: Neo4jGraph) -> None:
    with graph._session() as session:
        session.run("MATCH (n) DETACH DELETE n").consume()
    for access in (lambda: put_extractions(graph, ada_extraction()), lambda: graph.generation):
        with pytest.raises(StoreError, match="The store is gone"):
            access()
    assert graph._query("MATCH (n) RETURN n") == []


def test_connection_lost_after_commit_writes_once(graph: Neo4jGraph, tmp_path: Path) -> None:
    with FaultyProxy(neo4j_location()) as proxy:
        writer = Neo4jGraph(
            replace(neo4j_location(), scheme="bolt", host="127.0.0.1", port=proxy.port), os.environ[PASSWORD_VARIABLE]
        )
        writer.put(wu_extraction(), embed_passages(wu_extraction()))
        proxy.drop_next_commit_reply = True
        writer.put(ada_extraction(), embed_passages(ada_extraction()))
        writer.close()
    assert proxy.drop_count == 1
    reference = SQLiteGraph(tmp_path / "graph.db")
    put_extractions(reference, wu_extraction(), ada_extraction())
    assert store_content(graph) == store_content(reference)
    reference.close()


def test_slow_server_succeeds(graph: Neo4jGraph) -> None:
    with FaultyProxy(neo4j_location(), delay=0.05) as proxy:
        writer = Neo4jGraph(
            replace(neo4j_location(), scheme="bolt", host="127.0.0.1", port=proxy.port), os.environ[PASSWORD_VARIABLE]
        )
        writer.put(ada_extraction(), embed_passages(ada_extraction()))
        assert [d.id for d in writer.documents()] == ["ada"]
        writer.close()
    assert graph.generation == 1


def test_unresponsive_server_times_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        location = Neo4jLocation("bolt", "neo4j", "127.0.0.1", int(listener.getsockname()[1]), "neo4j")
        start = time.monotonic()
        with pytest.raises(StoreError) as caught:
            Neo4jGraph(location, "any-password", timeout_seconds=2.0)
    assert time.monotonic() - start < 30
    assert str(location) in message_of(caught)


class FaultyProxy:
    """A proxy that forwards data after ``delay`` seconds and can drop the connection once, after a commit."""

    def __init__(self, location: Neo4jLocation, delay: float = 0.0) -> None:
        self._location, self._delay = location, delay
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.drop_next_commit_reply = False
        self.drop_count = 0
        self._committing = threading.Event()

    def __enter__(self) -> FaultyProxy:
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
            server = socket.create_connection((self._location.host, self._location.port))
            for source, target, is_upstream in ((client, server, True), (server, client, False)):
                threading.Thread(target=self._forward, args=(source, target, is_upstream), daemon=True).start()

    def _forward(self, source: socket.socket, target: socket.socket, is_upstream: bool) -> None:
        try:
            while data := source.recv(1 << 16):
                if is_upstream and self.drop_next_commit_reply and b"\xb0\x12" in data:  # Bolt's COMMIT
                    self._committing.set()
                elif not is_upstream and self._committing.is_set():
                    self._committing.clear()
                    self.drop_next_commit_reply = False
                    self.drop_count += 1
                    break
                time.sleep(self._delay)
                target.sendall(data)
        except OSError:
            pass
        for connection in (source, target):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


def test_killed_server_keeps_acknowledged_documents(local_server: LocalNeo4j, tmp_path: Path) -> None:
    graph = connect_to(local_server, timeout_seconds=5.0)
    extractions, acknowledged = build_extractions(400), []
    enough_written = threading.Event()
    killer = threading.Thread(target=lambda: (enough_written.wait(60), time.sleep(0.02), local_server.kill()))
    killer.start()
    with pytest.raises(StoreError, match="No answer from") as caught:
        for extraction in extractions:
            graph.put(extraction, embed_passages(extraction))
            acknowledged.append(extraction.document.id)
            if len(acknowledged) == 30:
                enough_written.set()
    killer.join()
    graph.close()
    assert "acknowledged changes are kept" in message_of(caught)
    assert 30 <= len(acknowledged) < 400
    local_server.start()
    reopened = connect_to(local_server)
    document_ids = {d.id for d in reopened.documents()}
    assert set(acknowledged) <= document_ids <= {*acknowledged, extractions[len(acknowledged)].document.id}
    reference = SQLiteGraph(tmp_path / "graph.db")
    put_extractions(reference, *(e for e in extractions if e.document.id in document_ids))
    assert store_content(reopened) == store_content(reference)  # each document is complete
    put_extractions(reopened, *extractions[len(acknowledged) : len(acknowledged) + 3])
    reopened.close()
    reference.close()


@pytest.mark.parametrize("local_server", [["db.memory.transaction.max=2m"]], indirect=True)
def test_transaction_out_of_memory_is_rolled_back(local_server: LocalNeo4j) -> None:
    graph = connect_to(local_server, timeout_seconds=2.0)
    put_extractions(graph, wu_extraction())
    big = build_extraction(build_document("big", "Ada met Byron. " * 3_000), {"Ada": "PERSON", "Byron": "PERSON"})
    with pytest.raises(StoreError, match="ran out of memory"):
        graph.put(big, embed_passages(big))
    assert [d.id for d in graph.documents()] == ["吴"]
    assert graph.generation == 1
    put_extractions(graph, ada_extraction())
    graph.close()


def test_read_only_database_raises_on_write(local_server: LocalNeo4j) -> None:
    graph = connect_to(local_server)
    put_extractions(graph, ada_extraction())
    graph.close()
    local_server.stop()
    local_server._settings = ["server.databases.read_only=neo4j"]
    local_server.start()
    reader = connect_to(local_server, timeout_seconds=2.0)
    assert [d.id for d in reader.documents()] == ["ada"]
    with pytest.raises(StoreError, match="is read-only"):
        put_extractions(reader, wu_extraction())
    assert [d.id for d in reader.documents()] == ["ada"]
    reader.close()


# --- command line ------------------------------------------------------------------------------------------------


def run_kgrag(home: Path, *arguments: str, code: int = 0) -> tuple[str, str]:
    env = {**os.environ, "KGRAG_HOME": str(home)}
    command = [sys.executable, "-m", "kgrag", *arguments]
    # from the parent folder, so that both kinds of store have the same file ids
    result = subprocess.run(command, capture_output=True, text=True, cwd=home.parent, env=env, timeout=120)
    assert result.returncode == code, result.stderr
    # some of these tests need no server, and without one there is no password to leak
    if password := os.environ.get(PASSWORD_VARIABLE):
        assert password not in result.stdout + result.stderr
    return result.stdout, result.stderr


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return a separate KGRAG_HOME with links to the models of this machine."""
    from kgrag.storage.paths import model_home

    folder = tmp_path / "home"
    folder.mkdir()
    for path in model_home().iterdir():
        if path.name != "servers":
            (folder / path.name).symlink_to(path)
    return folder


def test_cli_on_server_equals_folder(graph: Neo4jGraph, home: Path, tmp_path: Path) -> None:
    server = str(neo4j_location())
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "ada.md").write_text("# Ada Lovelace\n\nAda Lovelace was born in London. Her father was Lord Byron.\n")
    (docs / "byron.md").write_text("# Lord Byron\n\nLord Byron died in Missolonghi in 1824.\n")
    (docs / "hua.md").write_text("# 华罗庚\n\n华罗庚1910年出生于江苏金坛。\n")
    folder, outputs = str(tmp_path / "store"), {}
    for store in (server, folder):
        run_kgrag(home, "ingest", str(docs), "--store", store)
        answers = [
            re.sub(r"[\d.]+ s\b", "", run_kgrag(home, "ask", question, "--store", store, "--reader", "graph")[0])
            for question in ("Where did Ada Lovelace's father die?", "华罗庚出生于哪里？")
        ]
        entity = run_kgrag(home, "graph", "show", "Lord Byron", "--store", store)[0]
        hits = run_kgrag(home, "retrieve", "Missolonghi", "--store", store, "--json")[0]
        outputs[store] = [answers, entity, hits]
    assert "Missolonghi" in outputs[server][0][0] and "金坛" in outputs[server][0][1]
    assert outputs[server][:2] == outputs[folder][:2]
    run_kgrag(home, "ingest", str(docs), "--store", server)
    assert graph.generation == 1  # without changes nothing is written
    copy = str(tmp_path / "copied")
    run_kgrag(home, "copy", server, copy)
    status = run_kgrag(home, "status", "--store", copy)[0]
    assert "3" in status
    run_kgrag(home, "forget", str(docs / "byron.md"), "--store", server)
    assert "Missolonghi" not in run_kgrag(home, "retrieve", "Missolonghi", "--store", server)[0]
    assert len(list(graph.documents())) == 2


def test_cli_walk_server_with_folder_store_raises(home: Path, store: Path) -> None:
    _, error = run_kgrag(home, "retrieve", "Ada", "--store", str(store), "--walk", "server", code=2)
    assert "omit --walk" in error


def test_cli_updates_indices_after_foreign_write(graph: Neo4jGraph, home: Path, tmp_path: Path) -> None:
    server = str(neo4j_location())
    (tmp_path / "a.md").write_text("# Zanzibar\n\nZanzibar is an island.\n")
    run_kgrag(home, "ingest", str(tmp_path / "a.md"), "--store", server)
    graph.forget(next(graph.documents()).id)  # another process
    out, _ = run_kgrag(home, "retrieve", "Zanzibar", "--store", server)
    assert "island" not in out


def test_cli_connection_errors_are_readable(home: Path) -> None:
    neo4j_location()
    unreachable = str(replace(neo4j_location(), port=find_free_port()))
    _, error = run_kgrag(home, "status", "--store", unreachable, code=1)
    assert "No answer from" in error and "Traceback" not in error
    _, error = run_kgrag(home, "status", "--store", "neo4j://a:b@h/d", code=2)
    assert PASSWORD_VARIABLE in error


QUERIES = re.findall(r"```cypher\n(.*?)```", (ROOT / "docs/guide/neo4j.md").read_text("utf-8"), re.S)


@pytest.fixture(scope="module")
def small_store_on_server(small_store: Path) -> Iterator[Neo4jGraph]:
    """Copy the small store to the server."""
    neo4j_location()
    reset_neo4j()
    source, target = SQLiteGraph(small_store / "graph.db"), connect_neo4j()
    copy_store(source, target)
    target._query("CALL db.index.fulltext.awaitEventuallyConsistentIndexRefresh()")
    source.close()
    yield target
    target.close()


@pytest.mark.parametrize("number", range(10))
def test_documented_queries_return_rows(small_store_on_server: Neo4jGraph, number: int) -> None:
    assert len(QUERIES) == 10
    rows = small_store_on_server._query(QUERIES[number])
    assert rows and all(value is not None for row in rows for value in row)


def test_cli_walk_modes_give_same_results(small_store_on_server: Neo4jGraph, home: Path) -> None:
    server = str(neo4j_location())
    for question in (
        "Who designed the Harvard Mark I?",
        "Where was Ada Lovelace's father when he died?",
        "华罗庚的老师是谁？",
    ):
        hits = {
            mode: run_kgrag(home, "retrieve", question, "--store", server, "--json", "--walk", mode)[0]
            for mode in ("local", "server", "auto")
        }
        assert hits["server"] == hits["local"] == hits["auto"] and json.loads(hits["local"])
    assert small_store_on_server._query("MATCH (s:Store) RETURN s.tied = s.generation") == [(True,)]


def test_cli_bench_server_reports_and_empties_database(home: Path) -> None:
    neo4j_location()
    clear_neo4j()
    out, _ = run_kgrag(home, "bench", "server", "--store", str(neo4j_location()), "--nodes", "1000", "--json")
    report = json.loads(out)
    assert report["plain nodes"] == 1000 and report["plain relationships"] == 3000
    assert report["nodes"] > 700 and report["relationships"] > 2 * report["nodes"]
    assert (report["again more nodes"], report["again more relationships"]) == (0, 0)
    assert report["ratio"] == pytest.approx(report["rows/s"] / report["plain rows/s"])
    graph = connect_neo4j()
    assert graph._query("MATCH (n) WHERE NOT n:Store RETURN n") == []
    put_extractions(graph, ada_extraction())
    graph.close()
    _, error = run_kgrag(home, "bench", "server", "--store", str(neo4j_location()), "--nodes", "1000", code=2)
    assert "found documents in" in error


def test_local_server_around_stops_on_sigterm() -> None:
    if not os.environ.get(JARS_VARIABLE):
        pytest.skip(f"no jars in {JARS_VARIABLE}: run make test-neo4j")
    jar_root = Path(os.environ[JARS_VARIABLE]).parent
    env = {k: v for k, v in os.environ.items() if k not in ("KGRAG_NEO4J_URI", PASSWORD_VARIABLE)}
    script = "import os, time; print(os.environ['KGRAG_NEO4J_URI'], flush=True); time.sleep(60)"
    command = [sys.executable, "-m", "graphs.neo4j.local_server", "around", sys.executable, "-c", script]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={**env, "KGRAG_NEO4J_HOME": str(jar_root)}
    )
    assert process.stdout
    port = int(process.stdout.readline().rpartition(":")[2].partition("/")[0])
    socket.create_connection(("127.0.0.1", port), 5).close()
    process.terminate()
    assert process.wait(60) == 128 + signal.SIGTERM
    process.stdout.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), 5)


def test_cli_bench_with_folder_store_raises(home: Path, store: Path) -> None:
    for arguments in (["server", "--store", str(store)], ["scale", "--sizes", "1k", "--store", str(store)]):
        _, error = run_kgrag(home, "bench", *arguments, code=2)
        assert "neo4j://" in error
