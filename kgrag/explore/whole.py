"""The graph as a whole: typed facts as a networkx graph, its sizes and parts, and files for other programs."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np

from graphs.facts import Facts
from graphs.sqlite import SQLiteGraph
from kgrag.errors import UsageError
from kgrag.explore.show import say

ENDINGS = (".graphml", ".json", ".html")
TEMPLATE = Path(__file__).parents[1] / "data" / "graph.html"
SIDE = 1000
"""Width and height of the picture, in its own units."""
Network = Any
"""A `networkx.MultiDiGraph`: its library has no types."""


@dataclass(frozen=True, slots=True)
class Stats:
    """``degrees``: mean, median, 90th percentile and maximum, over entities that facts speak of.

    ``hubs`` and ``communities`` are in the order of size; a community is its size and its three greatest names.
    """

    counts: dict[str, int]
    predicates: dict[str, int]
    degrees: tuple[float, float, float, int]
    hubs: tuple[tuple[str, int], ...]
    components: tuple[int, int]
    modularity: float
    communities: tuple[tuple[int, tuple[str, ...]], ...]


def network(graph: SQLiteGraph, facts: Facts, sure: float = 0.0) -> Network:
    """Typed facts of at least a confidence ``sure``, as a directed graph with parallel edges.

    Nodes have ``name``; edges ``predicate``, ``confidence``, and where the fact stands (``passage``, ``start``, ``end``).
    """
    found: Network = nx.MultiDiGraph()
    for t in graph.triples():
        if t.predicate != "mentions" and t.confidence >= sure:
            found.add_edge(
                t.subject, t.object, predicate=t.predicate, confidence=t.confidence, passage=t.passage_id,
                start=t.start, end=t.end,
            )  # fmt: skip
    for node in found:
        found.nodes[node]["name"] = facts.name(node)
    return found


def stats(graph: SQLiteGraph, facts: Facts, sure: float = 0.0) -> Stats:
    """Sizes, degrees, weakly connected parts, and communities (Louvain, Blondel et al. 2008, seed 0)."""
    whole = network(graph, facts, sure)
    degrees = dict(whole.degree())
    ranked = sorted(degrees, key=lambda node: (-degrees[node], node))
    values = np.array(list(degrees.values()) or [0])
    parts = sorted((len(part) for part in nx.weakly_connected_components(whole)), reverse=True)
    plain: Network = nx.Graph(whole.to_undirected())
    groups = nx.community.louvain_communities(plain, weight=None, seed=0) if plain.number_of_edges() else []
    modularity = nx.community.modularity(plain, groups, weight=None) if groups else float("nan")
    sizes = sorted(groups, key=lambda group: (-len(group), min(group)))
    named = [(len(g), tuple(facts.name(n) for n in sorted(g, key=lambda n: (-degrees[n], n))[:3])) for g in sizes]
    kinds = Counter(data["predicate"] for _, _, data in whole.edges(data=True))
    return Stats(
        graph.counts(),
        dict(sorted(kinds.items(), key=lambda pair: (-pair[1], pair[0]))),
        (float(values.mean()), float(np.median(values)), float(np.percentile(values, 90)), int(values.max())),
        tuple((facts.name(node), degrees[node]) for node in ranked[:10]),
        (len(parts), parts[0] if parts else 0),
        float(modularity),
        tuple(named),
    )


def around(whole: Network, entity: str, hops: int) -> Network:
    """What is within some steps of an entity, in either direction."""
    if entity not in whole:
        return whole.subgraph([])
    near = nx.single_source_shortest_path_length(nx.Graph(whole.to_undirected()), entity, hops)
    return whole.subgraph(near)


def greatest(whole: Network, most: int) -> Network:
    """The part of a graph that its ``most`` entities of the greatest degree make; ties by id."""
    degrees = dict(whole.degree())
    return whole.subgraph(sorted(degrees, key=lambda node: (-degrees[node], node))[:most])


def export(graph: SQLiteGraph, facts: Facts, part: Network, out: Path) -> None:
    """Write a graph with the sentence of each edge, by the file's ending: GraphML, JSON (nodes and edges), or a page with
    a picture to click, which needs no network.

    Raises:
        UsageError: the ending is another.
    """
    if out.suffix.lower() not in ENDINGS:
        raise UsageError(f"Expected a file that ends in {' or '.join(ENDINGS)}, found {out.name!r}: name it so.")
    full: Network = nx.MultiDiGraph(part)
    where = {
        t: say(graph, facts, t)
        for t in graph.triples()
        if full.has_edge(t.subject, t.object) and t.predicate != "mentions"
    }
    places = {(t.subject, t.predicate, t.object, t.passage_id, t.start): said for t, said in where.items()}
    for s, o, data in full.edges(data=True):
        said = places[s, data["predicate"], o, data["passage"], data["start"]]
        data |= {"sentence": said.sentence, "document": said.document}
    made = out.with_name(out.name + ".part")
    if out.suffix.lower() == ".json":
        made.write_text(json.dumps(_plain(full), ensure_ascii=False, indent=1), "utf-8")
    elif out.suffix.lower() == ".html":
        made.write_text(_page(graph, full), "utf-8")
    else:
        nx.write_graphml(full, made)
    made.replace(out)


def _plain(full: Network) -> dict[str, list[dict[str, Any]]]:
    nodes = [{"id": node, **data} for node, data in sorted(full.nodes(data=True))]
    edges = [{"subject": s, "object": o, **data} for s, o, data in full.edges(data=True)]
    return {"nodes": nodes, "edges": edges}


def _page(graph: SQLiteGraph, full: Network) -> str:
    """The page of `TEMPLATE` with a graph in it, laid out by springs (Fruchterman and Reingold 1991, seed 0)."""
    plain: Network = nx.Graph(full.to_undirected())
    places = nx.spring_layout(plain, k=2.5 / max(1, len(plain)) ** 0.5, seed=0, weight=None)
    types = {entity.id: entity.type for entity in graph.entities(set(full))}
    data: dict[str, Any] = _plain(full)
    for node in data["nodes"]:
        x, y = (np.asarray(places[node["id"]]) + 1) * SIDE / 2
        node |= {"x": round(float(x), 1), "y": round(float(y), 1), "type": types.get(node["id"], "MISC")}
    data["note"] = f"{len(full):,} entities, {full.number_of_edges():,} facts. Click one; drag to move, scroll to zoom."
    # in a script element only "<" can end it, whatever a document says
    return TEMPLATE.read_text("utf-8").replace(
        ">DATA<", ">" + json.dumps(data, ensure_ascii=False).replace("<", "\\u003c") + "<", 1
    )
