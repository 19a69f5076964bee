"""The sizes of a graph of facts: degrees, hubs, connected parts and communities."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import networkx as nx
import numpy as np

from graphs.facts.fact_index import FactIndex
from kgrag.explore.mention_edges import MentionEdges
from kgrag.explore.networkx_view import NetworkXGraph, to_networkx, to_undirected
from kgrag.protocols import GraphStore

MAX_HUBS, MAX_COMMUNITIES, MAX_COMMUNITY_NAMES = 10, 5, 3
"""Entities of the greatest degree, communities, and names of a community that are told."""


@dataclass(frozen=True, slots=True)
class HubEntity:
    """An entity, and how many ends of facts it is."""

    id: str
    name: str
    degree: int


@dataclass(frozen=True, slots=True)
class Community:
    """How many entities belong together, and the names of those with the greatest degree."""

    size: int
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class GraphStats:
    """The first six are of the whole store; ``mentions_edges`` say which document's entity names which other one.

    All else is of the typed facts of at least a given confidence: ``facts_used``, and ``facts_by_predicate`` with the
    commonest first; ``entities_in_facts`` with the mean, median, 90th percentile and greatest degree, and the ten hubs;
    weakly connected ``components``; ``communities`` (Louvain) with their modularity, NaN where nothing is joined.
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


def compute_stats(graph: GraphStore, facts: FactIndex, min_confidence: float = 0.0) -> GraphStats:
    """Sizes of a store, and of its typed facts of at least a confidence ``sure``. Communities are those of Louvain
    (Blondel et al. 2008, seed 0) over entities that any fact joins, each two of them once."""
    whole = to_networkx(graph, facts, min_confidence)
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
    """The largest first; none where nothing is joined."""
    if not simple_graph.number_of_edges():
        return []
    # nodes and edges in one order, so that the same store gives the same communities whatever the order it was filled in
    ordered_graph: NetworkXGraph = nx.Graph()
    ordered_graph.add_nodes_from(sorted(simple_graph))
    ordered_graph.add_edges_from(sorted(tuple(sorted(edge)) for edge in simple_graph.edges()))
    groups = nx.community.louvain_communities(ordered_graph, weight=None, seed=0)
    return sorted(groups, key=lambda group: (-len(group), min(group)))
