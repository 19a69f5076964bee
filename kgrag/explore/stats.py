"""The sizes of a graph of facts: degrees, hubs, connected parts and communities."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import networkx as nx
import numpy as np

from graphs.facts import Facts
from kgrag.explore.mentions import Mentions
from kgrag.explore.whole import Network, network, undirected
from kgrag.protocols import Graph

HUBS, SHOWN, NAMED = 10, 5, 3
"""Entities of the greatest degree, communities, and names of a community that are told."""


@dataclass(frozen=True, slots=True)
class Hub:
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
class Stats:
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
    hubs: tuple[Hub, ...]
    components: int
    largest_component: int
    communities: int
    modularity: float
    largest_communities: tuple[Community, ...]


def stats(graph: Graph, facts: Facts, sure: float = 0.0) -> Stats:
    """Sizes of a store, and of its typed facts of at least a confidence ``sure``. Communities are those of Louvain
    (Blondel et al. 2008, seed 0) over entities that any fact joins, each two of them once."""
    whole = network(graph, facts, sure)
    counts = graph.counts()
    degrees: dict[str, int] = dict(whole.degree())
    values = np.array(list(degrees.values()) or [0])
    kinds = Counter(predicate for _, _, predicate in whole.edges(data="predicate"))
    parts = [len(part) for part in nx.weakly_connected_components(whole)]
    plain = undirected(whole)
    groups = _communities(plain)

    def ranked(nodes: Network) -> list[str]:
        return sorted(nodes, key=lambda node: (-degrees[node], node))

    return Stats(
        documents=counts["documents"],
        passages=counts["passages"],
        entities=counts["entities"],
        mentions=counts["mentions"],
        typed_facts=counts["typed triples"],
        mentions_edges=len(Mentions(graph)),
        facts_used=whole.number_of_edges(),
        facts_by_predicate=dict(sorted(kinds.items(), key=lambda pair: (-pair[1], pair[0]))),
        entities_in_facts=len(whole),
        degree_mean=float(values.mean()),
        degree_median=float(np.median(values)),
        degree_p90=float(np.percentile(values, 90)),
        degree_max=int(values.max()),
        hubs=tuple(Hub(node, facts.name(node), degrees[node]) for node in ranked(degrees)[:HUBS]),
        components=len(parts),
        largest_component=max(parts, default=0),
        communities=len(groups),
        modularity=float(nx.community.modularity(plain, groups, weight=None)) if groups else float("nan"),
        largest_communities=tuple(
            Community(len(group), tuple(facts.name(node) for node in ranked(group)[:NAMED])) for group in groups[:SHOWN]
        ),
    )


def _communities(plain: Network) -> list[set[str]]:
    """The largest first; none where nothing is joined."""
    if not plain.number_of_edges():
        return []
    # nodes and edges in one order, so that the same store gives the same communities whatever the order it was filled in
    same: Network = nx.Graph()
    same.add_nodes_from(sorted(plain))
    same.add_edges_from(sorted(tuple(sorted(edge)) for edge in plain.edges()))
    groups = nx.community.louvain_communities(same, weight=None, seed=0)
    return sorted(groups, key=lambda group: (-len(group), min(group)))
