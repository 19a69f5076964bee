"""The exported graph as JSON-compatible lists of nodes and edges, networkx's node-link format."""

from __future__ import annotations

from typing import TypedDict


class NodeRow(TypedDict):
    """An entity.

    ``documents`` counts the documents that state an edge of it, ``degree`` its edge ends, both in the exported part.
    """

    id: str
    name: str
    type: str
    documents: int
    degree: int


class EdgeRow(TypedDict):
    """A fact with the sentence that states it.

    ``source`` and ``target`` are ids of entities, ``document`` is a document's id, and ``start`` and ``end`` are a span
    of its text. ``value`` is that of a date or a quantity, "" for other objects.
    """

    source: str
    target: str
    predicate: str
    value: str
    confidence: float
    found_by: str
    sentence: str
    document: str
    start: int
    end: int


class NodeLinkGraph(TypedDict):
    """Nodes and edges of a graph."""

    nodes: list[NodeRow]
    edges: list[EdgeRow]
