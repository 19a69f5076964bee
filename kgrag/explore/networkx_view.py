"""Convert facts to a networkx graph, and select the part near an entity or with the highest degrees."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import networkx as nx

from graphs.facts.fact_index import FactIndex
from kgrag.explore.mention_edges import MentionEdges

NetworkXGraph = Any
"""A `networkx.MultiDiGraph` with entity ids as nodes; `Any`, because networkx is only partly typed."""


def to_networkx(facts: FactIndex, min_confidence: float = 0.0, mentions: MentionEdges | None = None) -> NetworkXGraph:
    """Return typed facts of at least ``min_confidence``, and ``mentions`` if given, as a directed multigraph.

    Nodes have ``name``; edges have ``predicate``, ``confidence`` and the ``triple`` itself.
    """
    result: NetworkXGraph = nx.MultiDiGraph()
    for t in facts.triples():
        if t.confidence >= min_confidence:
            result.add_edge(t.subject, t.object, predicate=t.predicate, confidence=t.confidence, triple=t)
    for t in mentions or ():
        result.add_edge(t.subject, t.object, predicate=t.predicate, confidence=t.confidence, triple=t)
    for node in result:
        result.nodes[node]["name"] = facts.display_name(node)
    return result


def to_undirected(whole: NetworkXGraph) -> NetworkXGraph:
    """Return the simple undirected graph of the same entities, without self-loops."""
    simple_graph: NetworkXGraph = nx.Graph(whole.edges())
    simple_graph.add_nodes_from(whole)
    simple_graph.remove_edges_from(list(nx.selfloop_edges(simple_graph)))
    return simple_graph


def hop_distances(whole: NetworkXGraph, entity: str, hops: int) -> dict[str, int]:
    """Return the distance in facts, in either direction, of each entity within ``hops`` of one; its own is 0."""
    if entity not in whole:
        return {}
    return dict(nx.single_source_shortest_path_length(to_undirected(whole), entity, hops))


def top_by_degree(
    whole: NetworkXGraph, max_nodes: int, distance_by_node: Mapping[str, int] | None = None
) -> NetworkXGraph:
    """Return the subgraph of the ``max_nodes`` entities with the highest degree.

    With ``distance_by_node`` only its entities count, the nearest first. Ties are broken by id.
    """
    degrees = dict(whole.degree())
    candidates = degrees if distance_by_node is None else distance_by_node
    ranked = sorted(
        candidates, key=lambda node: (distance_by_node[node] if distance_by_node else 0, -degrees[node], node)
    )
    return whole.subgraph(ranked[:max_nodes])
