"""Open the implementations of `GraphStore` for the contract tests."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from graphs.neo4j.store import Neo4jGraph
from graphs.sqlite.store import SQLiteGraph
from graphs.store_copy import COPY_SOURCE_KEY
from kgrag.location import PASSWORD_VARIABLE, Neo4jLocation, parse_location
from kgrag.protocols import GraphStore

StoreFactory = Callable[[], GraphStore]
NEO4J_URI_VARIABLE = "KGRAG_NEO4J_URI"
STORE_KINDS = ["sqlite", pytest.param("neo4j", marks=pytest.mark.neo4j)]


def neo4j_location() -> Neo4jLocation:
    """Return the server given to the tests, or skip the test."""
    if not os.environ.get(NEO4J_URI_VARIABLE):
        pytest.skip(f"no server in {NEO4J_URI_VARIABLE}: run make test-neo4j")
    location = parse_location(os.environ[NEO4J_URI_VARIABLE])
    assert isinstance(location, Neo4jLocation)
    return location


def connect_neo4j(create: bool = True) -> Neo4jGraph:
    """Open the store on that server."""
    return Neo4jGraph(neo4j_location(), os.environ[PASSWORD_VARIABLE], create=create)


def reset_neo4j() -> None:
    """Create an empty store in that server's database; `conftest` made sure that it holds only test data."""
    clear_neo4j()
    connect_neo4j().close()


def clear_neo4j() -> None:
    """Empty that database completely, so that the next tests find it as these tests did."""
    graph = connect_neo4j()
    try:
        with graph._session() as session:
            session.run("MATCH (n) CALL (n) { DETACH DELETE n } IN TRANSACTIONS OF 5000 ROWS").consume()
            for row in session.run("SHOW INDEXES YIELD name, type WHERE type = 'VECTOR' RETURN name").values():
                session.run(f"DROP INDEX {row[0]}").consume()
    finally:
        graph.close()


def store_factory(kind: str, folder: Path) -> StoreFactory:
    """Return a function that opens the same store of a kind each time; it is empty at first."""
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


def store_content(graph: GraphStore) -> dict[str, Any]:
    """Return all content of a store, except its identity."""
    readers: dict[str, Callable[[], Any]] = {
        name: getattr(graph, name)
        for name in (
            *("documents", "passages", "entities", "mentions", "triples", "names", "entity_type_counts"),
            *("sources", "problems", "counts", "extractors", "titles", "passage_keys", "document_names"),
        )
    }
    values = {name: value if isinstance(value := read(), dict) else list(value) for name, read in readers.items()}
    settings = {key: value for key, value in graph.settings().items() if key != COPY_SOURCE_KEY}
    return {**values, "vectors": graph.embeddings().tobytes(), "settings": settings}
