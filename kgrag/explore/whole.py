"""The graph as a whole: facts as a networkx graph, and the parts of it that are near a name or have the greatest degree."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import networkx as nx

from graphs.facts import Facts
from kgrag.explore.mentions import Mentions
from kgrag.protocols import Graph

Network = Any
"""A `networkx.MultiDiGraph` with entity ids as nodes; mypy is told no more, since not all its functions have types."""


def network(graph: Graph, facts: Facts, sure: float = 0.0, mentions: Mentions | None = None) -> Network:
    """Typed facts of at least a confidence ``sure``, and ``mentions`` if given, as a directed graph with parallel edges.

    Nodes have ``name``; edges ``predicate``, ``confidence`` and the ``triple`` itself.
    """
    found: Network = nx.MultiDiGraph()
    for t in graph.triples():
        if t.predicate != "mentions" and t.confidence >= sure:
            found.add_edge(t.subject, t.object, predicate=t.predicate, confidence=t.confidence, triple=t)
    for t in mentions or ():
        found.add_edge(t.subject, t.object, predicate=t.predicate, confidence=t.confidence, triple=t)
    for node in found:
        found.nodes[node]["name"] = facts.name(node)
    return found


def undirected(whole: Network) -> Network:
    """The same entities, each two joined once; nothing is joined to itself."""
    plain: Network = nx.Graph(whole.edges())
    plain.add_nodes_from(whole)
    plain.remove_edges_from(list(nx.selfloop_edges(plain)))
    return plain


def distances(whole: Network, entity: str, hops: int) -> dict[str, int]:
    """How many facts away each entity is that is within ``hops`` of one, in either direction; itself 0."""
    if entity not in whole:
        return {}
    return dict(nx.single_source_shortest_path_length(undirected(whole), entity, hops))


def greatest(whole: Network, most: int, near: Mapping[str, int] | None = None) -> Network:
    """The part that the ``most`` entities of the greatest degree make; of those ``near`` one only, the nearest first.

    Ties go by id.
    """
    degrees = dict(whole.degree())
    among = degrees if near is None else near
    ranked = sorted(among, key=lambda node: (near[node] if near else 0, -degrees[node], node))
    return whole.subgraph(ranked[:most])
