"""The implementations of `Graph`, for the tests that ask all of them the same."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from graphs.neo4j.store import Neo4jGraph
from graphs.sqlite.store import SQLiteGraph
from kgrag.location import PASSWORD_VARIABLE, Neo4jLocation, parse_location
from kgrag.protocols import GraphStore

StoreFactory = Callable[[], GraphStore]
NEO4J_URI_VARIABLE = "KGRAG_NEO4J_URI"
STORE_KINDS = ["sqlite", pytest.param("neo4j", marks=pytest.mark.neo4j)]


def neo4j_location() -> Neo4jLocation:
    """The server that the tests were given, or the test is left out."""
    if not os.environ.get(NEO4J_URI_VARIABLE):
        pytest.skip(f"no server in {NEO4J_URI_VARIABLE}: make test-neo4j")
    location = parse_location(os.environ[NEO4J_URI_VARIABLE])
    assert isinstance(location, Neo4jLocation)
    return location


def connect_neo4j(create: bool = True) -> Neo4jGraph:
    """The store on that server."""
    return Neo4jGraph(neo4j_location(), os.environ[PASSWORD_VARIABLE], create=create)


def reset_neo4j() -> None:
    """An empty store in that server's database, which holds what tests left and nothing else: `conftest` saw to that."""
    clear_neo4j()
    connect_neo4j().close()


def clear_neo4j() -> None:
    """Empty that database altogether, so that the next tests find it as these did."""
    graph = connect_neo4j()
    try:
        with graph._session() as session:
            session.run("MATCH (n) CALL (n) { DETACH DELETE n } IN TRANSACTIONS OF 5000 ROWS").consume()
            for row in session.run("SHOW INDEXES YIELD name, type WHERE type = 'VECTOR' RETURN name").values():
                session.run(f"DROP INDEX {row[0]}").consume()
    finally:
        graph.close()


def store_factory(kind: str, folder: Path) -> StoreFactory:
    """What opens one and the same store of a kind; empty at first."""
    if kind == "sqlite":
        return lambda: SQLiteGraph(folder / "graph.db")
    reset_neo4j()
    return connect_neo4j


__all__ = [
    "NEO4J_URI_VARIABLE",
    "STORE_KINDS",
    "StoreFactory",
    "clear_neo4j",
    "connect_neo4j",
    "neo4j_location",
    "reset_neo4j",
    "store_factory",
]
