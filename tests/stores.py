"""The implementations of `Graph`, for the tests that ask all of them the same."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from graphs.neo4j_graph import Neo4jGraph
from graphs.sqlite import SQLiteGraph
from kgrag.place import PASSWORD, Server, place
from kgrag.protocols import Graph

OpenStore = Callable[[], Graph]
URI = "KGRAG_NEO4J_URI"
EACH = ["sqlite", pytest.param("neo4j", marks=pytest.mark.neo4j)]


def server() -> Server:
    """The server that the tests were given, or the test is left out."""
    if not os.environ.get(URI):
        pytest.skip(f"no server in {URI}: make test-neo4j")
    named = place(os.environ[URI])
    assert isinstance(named, Server)
    return named


def connect(create: bool = True) -> Neo4jGraph:
    """The store on that server."""
    return Neo4jGraph(server(), os.environ[PASSWORD], create=create)


def wipe() -> None:
    """An empty store in that server's database, which holds what tests left and nothing else: `conftest` saw to that."""
    empty()
    connect().close()


def empty() -> None:
    """Empty that database altogether, so that the next tests find it as these did."""
    graph = connect()
    try:
        with graph._session() as session:
            session.run("MATCH (n) CALL (n) { DETACH DELETE n } IN TRANSACTIONS OF 5000 ROWS").consume()
            for row in session.run("SHOW INDEXES YIELD name, type WHERE type = 'VECTOR' RETURN name").values():
                session.run(f"DROP INDEX {row[0]}").consume()
    finally:
        graph.close()


def opener(kind: str, folder: Path) -> OpenStore:
    """What opens one and the same store of a kind; empty at first."""
    if kind == "sqlite":
        return lambda: SQLiteGraph(folder / "graph.db")
    wipe()
    return connect


__all__ = ["EACH", "URI", "OpenStore", "connect", "empty", "opener", "server", "wipe"]
