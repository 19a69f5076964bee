"""The graph as a whole: facts as a networkx graph, and the parts of it that are near a name or have the greatest degree."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import networkx as nx

from graphs.facts.fact_index import FactIndex
from kgrag.explore.mention_edges import MentionEdges
from kgrag.protocols import GraphStore

NetworkXGraph = Any
"""A `networkx.MultiDiGraph` with entity ids as nodes; mypy is told no more, since not all its functions have types."""


def to_networkx(
    graph: GraphStore, facts: FactIndex, min_confidence: float = 0.0, mentions: MentionEdges | None = None
) -> NetworkXGraph:
    """Typed facts of at least a confidence ``sure``, and ``mentions`` if given, as a directed graph with parallel edges.

    Nodes have ``name``; edges ``predicate``, ``confidence`` and the ``triple`` itself.
    """
    result: NetworkXGraph = nx.MultiDiGraph()
    for t in graph.triples():
        if t.predicate != "mentions" and t.confidence >= min_confidence:
            result.add_edge(t.subject, t.object, predicate=t.predicate, confidence=t.confidence, triple=t)
    for t in mentions or ():
        result.add_edge(t.subject, t.object, predicate=t.predicate, confidence=t.confidence, triple=t)
    for node in result:
        result.nodes[node]["name"] = facts.display_name(node)
    return result


def to_undirected(whole: NetworkXGraph) -> NetworkXGraph:
    """The same entities, each two joined once; nothing is joined to itself."""
    simple_graph: NetworkXGraph = nx.Graph(whole.edges())
    simple_graph.add_nodes_from(whole)
    simple_graph.remove_edges_from(list(nx.selfloop_edges(simple_graph)))
    return simple_graph


def hop_distances(whole: NetworkXGraph, entity: str, hops: int) -> dict[str, int]:
    """How many facts away each entity is that is within ``hops`` of one, in either direction; itself 0."""
    if entity not in whole:
        return {}
    return dict(nx.single_source_shortest_path_length(to_undirected(whole), entity, hops))


def top_by_degree(
    whole: NetworkXGraph, max_nodes: int, distance_by_node: Mapping[str, int] | None = None
) -> NetworkXGraph:
    """The part that the ``most`` entities of the greatest degree make; of those ``near`` one only, the nearest first.

    Ties go by id.
    """
    degrees = dict(whole.degree())
    candidates = degrees if distance_by_node is None else distance_by_node
    ranked = sorted(
        candidates, key=lambda node: (distance_by_node[node] if distance_by_node else 0, -degrees[node], node)
    )
    return whole.subgraph(ranked[:max_nodes])
