"""Test paths, layout, export and entity lookups on small graphs."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from math import log
from pathlib import Path

import networkx as nx
import pytest

from graphs.facts.builder import fact_index_from
from graphs.facts.fact_index import FactIndex
from graphs.sqlite import store
from graphs.sqlite.store import SQLiteGraph
from kgrag.explore import entity_paths
from kgrag.explore.entity_paths import STEP_COST, find_paths
from kgrag.explore.export import to_xml_graph
from kgrag.explore.html_view import layout
from kgrag.types import Triple


def build_facts(*edges: tuple[str, str, float]) -> FactIndex:
    triples = [Triple(a, "knows", b, "p", n, n + 1, confidence) for n, (a, b, confidence) in enumerate(edges)]
    return fact_index_from(triples, {}, {})


def node_paths(facts: FactIndex, start: str, goal: str, max_paths: int = 3, max_steps: int = 4) -> list[str]:
    return [
        "".join(path.nodes) for path in find_paths(facts, start, goal, max_paths=max_paths, max_steps=max_steps).paths
    ]


def test_find_paths_prefers_confident_short_paths() -> None:
    facts = build_facts(("a", "b", 0.9), ("b", "d", 0.9), ("c", "a", 0.5), ("c", "d", 0.9), ("a", "d", 0.3))
    assert node_paths(facts, "a", "d") == ["abd", "acd", "ad"]
    assert node_paths(facts, "d", "a") == ["dba", "dca", "da"]
    assert node_paths(facts, "a", "d", max_steps=1) == ["ad"] and node_paths(facts, "a", "d", max_paths=1) == ["abd"]


def test_find_paths_breaks_ties_by_id() -> None:
    facts = build_facts(*[edge for x in "zyxm" for edge in (("a", x, 0.8), (x, "b", 0.8))])
    assert node_paths(facts, "a", "b") == ["amb", "axb", "ayb"]


def test_find_paths_detour_does_not_hide_short_path() -> None:
    # certain facts lead to b via x and y first, but from there the goal is too many steps away
    detour = [("a", "x", 1.0), ("x", "y", 1.0), ("y", "b", 1.0)]
    assert node_paths(build_facts(*detour, ("a", "b", 0.1), ("b", "c", 1.0)), "a", "c", max_paths=1, max_steps=2) == [
        "abc"
    ]


def test_find_paths_avoids_dates() -> None:
    facts = build_facts(("a", "1912", 0.9), ("b", "1912", 0.9))
    assert node_paths(facts, "a", "b") == []
    assert node_paths(facts, "a", "1912") == ["a1912"]


@pytest.mark.parametrize("seed", range(20))
def test_find_paths_equals_brute_force(seed: int) -> None:
    rng = random.Random(seed)
    names = "abcdefg"
    pairs = rng.sample(list(itertools.combinations(names, 2)), rng.randrange(4, 16))
    edges = [(*rng.sample(pair, 2), rng.choice([0.5, 0.76, 0.9, 1.0])) for pair in pairs]
    cost = {frozenset(edge[:2]): STEP_COST - log(edge[2]) for edge in edges}
    simple_graph = nx.Graph([edge[:2] for edge in edges])
    simple_graph.add_nodes_from(names)
    for max_steps in (1, 2, 3, 4, 5):
        expected = [
            (round(sum(cost[frozenset(step)] for step in itertools.pairwise(path)), 6), tuple(path))
            for path in nx.all_simple_paths(simple_graph, "a", "b", cutoff=max_steps)
        ]
        paths = node_paths(build_facts(*edges), "a", "b", max_paths=4, max_steps=max_steps)
        costs = [round(sum(cost[frozenset(s)] for s in itertools.pairwise(path)), 6) for path in paths]
        assert costs == [price for price, _ in sorted(expected)][:4]
        assert {tuple(path) for path in paths} <= {path for _, path in expected}


def test_find_paths_reports_incomplete_search(monkeypatch: pytest.MonkeyPatch) -> None:
    facts = build_facts(*[("hub", f"n{n}", 0.9) for n in range(50)], *[(f"n{n}", f"m{n}", 0.9) for n in range(50)])
    assert find_paths(facts, "m0", "m49", max_paths=1, max_steps=4).is_complete
    monkeypatch.setattr(entity_paths, "MAX_EXPANSIONS", 3)
    assert not find_paths(facts, "m0", "m49", max_paths=1, max_steps=4).is_complete


def test_layout_components_do_not_overlap() -> None:
    simple_graph = nx.Graph([("a", "b"), ("b", "c"), ("c", "a"), ("x", "y"), ("p", "q"), ("q", "r")])
    simple_graph.add_node("alone")
    positions = layout(simple_graph)
    assert set(positions) == set(simple_graph) and len(set(positions.values())) == len(positions)
    boxes = []
    for part in nx.connected_components(simple_graph):
        xs, ys = zip(*(positions[node] for node in part), strict=True)
        boxes.append((min(xs), max(xs), min(ys), max(ys)))
    for box_a, box_b in itertools.combinations(boxes, 2):
        assert box_a[1] < box_b[0] or box_b[1] < box_a[0] or box_a[3] < box_b[2] or box_b[3] < box_a[2]
    assert layout(simple_graph) == positions


def test_to_xml_graph_replaces_invalid_characters(tmp_path: Path) -> None:
    nodes = [{"id": "a", "name": "A\x01\ufffe"}, {"id": "b", "name": "乙😀"}]
    edges = [{"source": "a", "target": "b", "predicate": "knows", "sentence": "a\x0bknows b"}]
    nx.write_graphml(to_xml_graph({"nodes": nodes, "edges": edges}), tmp_path / "g.graphml")
    loaded = nx.read_graphml(tmp_path / "g.graphml")
    assert dict(loaded.nodes(data="name")) == {"a": "A  ", "b": "乙😀"}
    assert [data["sentence"] for _, _, data in loaded.edges(data=True)] == ["a knows b"]


def test_entities_by_id_equal_filtered_entities(small_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    graph = SQLiteGraph(small_store / "graph.db")
    entities = list(graph.entities())
    assert len(entities) > 20 and list(graph.entities({"unknown"})) == []
    entity_ids = frozenset(entity.id for entity in entities[::7])
    entities_by_id = list(graph.entities(entity_ids))
    assert entities_by_id == [entity for entity in entities if entity.id in entity_ids]
    monkeypatch.setattr(store, "MAX_SINGLE_LOOKUPS", 0)
    assert list(graph.entities(entity_ids)) == entities_by_id
    mention_counts = Counter(mention.entity_id for mention in graph.mentions())
    for entity in entities_by_id:
        mentions, documents = graph.mention_counts(entity.id)
        assert mentions == mention_counts[entity.id]
        assert 0 < documents <= mentions or mentions == documents == 0
