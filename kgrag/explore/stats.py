"""Compute statistics of a graph of facts: degrees, hubs, connected components and communities."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import networkx as nx
import numpy as np

from graphs.facts.fact_index import FactIndex
from kgrag.explore.mention_edges import MentionEdges
from kgrag.explore.networkx_view import NetworkXGraph, to_networkx, to_undirected
from kgrag.protocols import GraphReader

MAX_HUBS, MAX_COMMUNITIES, MAX_COMMUNITY_NAMES = 10, 5, 3
"""Maximum number of hubs, of communities, and of names per community in the statistics."""


@dataclass(frozen=True, slots=True)
class HubEntity:
    """An entity and its degree."""

    id: str
    name: str
    degree: int


@dataclass(frozen=True, slots=True)
class Community:
    """The number of entities in a community, and the names of those with the highest degree."""

    size: int
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class GraphStats:
    """Statistics of a store.

    The first six fields are counts of the whole store; ``mentions_edges`` counts edges from a document's subject to a
    mentioned entity. All other fields refer to the typed facts of at least a given confidence. ``facts_by_predicate``
    is ordered by count. Degrees have the mean, median, 90th percentile and maximum, and the ten hubs. ``components``
    are weakly connected. ``communities`` (Louvain) have their modularity, NaN without edges.
    """

    documents: int
    passages: int
    entities: int
    mentions: int
    typed_facts: int
    mentions_edges: int
    facts_used: int
    facts_by_predicate: dict[str, int]
    entities_in_facts: int
    degree_mean: float
    degree_median: float
    degree_p90: float
    degree_max: int
    hubs: tuple[HubEntity, ...]
    components: int
    largest_component: int
    communities: int
    modularity: float
    largest_communities: tuple[Community, ...]


def compute_stats(graph: GraphReader, facts: FactIndex, min_confidence: float = 0.0) -> GraphStats:
    """Return the statistics of a store and of its typed facts of at least ``min_confidence``.

    Communities are computed by the Louvain method (Blondel et al. 2008, seed 0) on the simple undirected graph of
    entities.
    """
    whole = to_networkx(facts, min_confidence)
    counts = graph.counts()
    degrees: dict[str, int] = dict(whole.degree())
    values = np.array(list(degrees.values()) or [0])
    predicate_counts = Counter(predicate for _, _, predicate in whole.edges(data="predicate"))
    parts = [len(part) for part in nx.weakly_connected_components(whole)]
    simple_graph = to_undirected(whole)
    groups = _communities(simple_graph)

    def ranked(nodes: NetworkXGraph) -> list[str]:
        return sorted(nodes, key=lambda node: (-degrees[node], node))

    return GraphStats(
        documents=counts["documents"],
        passages=counts["passages"],
        entities=counts["entities"],
        mentions=counts["mentions"],
        typed_facts=counts["typed triples"],
        mentions_edges=len(MentionEdges(graph)),
        facts_used=whole.number_of_edges(),
        facts_by_predicate=dict(sorted(predicate_counts.items(), key=lambda pair: (-pair[1], pair[0]))),
        entities_in_facts=len(whole),
        degree_mean=float(values.mean()),
        degree_median=float(np.median(values)),
        degree_p90=float(np.percentile(values, 90)),
        degree_max=int(values.max()),
        hubs=tuple(HubEntity(node, facts.display_name(node), degrees[node]) for node in ranked(degrees)[:MAX_HUBS]),
        components=len(parts),
        largest_component=max(parts, default=0),
        communities=len(groups),
        modularity=float(nx.community.modularity(simple_graph, groups, weight=None)) if groups else float("nan"),
        largest_communities=tuple(
            Community(len(group), tuple(facts.display_name(node) for node in ranked(group)[:MAX_COMMUNITY_NAMES]))
            for group in groups[:MAX_COMMUNITIES]
        ),
    )


def _communities(simple_graph: NetworkXGraph) -> list[set[str]]:
    """Return the communities, the largest first; none without edges."""
    if not simple_graph.number_of_edges():
        return []
    # sorted nodes and edges, so that the communities do not depend on the order in which the store was filled
    ordered_graph: NetworkXGraph = nx.Graph()
    ordered_graph.add_nodes_from(sorted(simple_graph))
    ordered_graph.add_edges_from(sorted(tuple(sorted(edge)) for edge in simple_graph.edges()))
    groups = nx.community.louvain_communities(ordered_graph, weight=None, seed=0)
    return sorted(groups, key=lambda group: (-len(group), min(group)))
