"""Paths, mentions and places in a picture, on graphs small enough to be counted by hand."""

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
from kgrag.explore import entity_paths as searching
from kgrag.explore.entity_paths import STEP_COST, find_paths
from kgrag.explore.export import to_xml_graph
from kgrag.explore.html_view import layout
from kgrag.types import Triple


def facts_of(*edges: tuple[str, str, float]) -> FactIndex:
    triples = [Triple(a, "knows", b, "p", n, n + 1, sure) for n, (a, b, sure) in enumerate(edges)]
    return fact_index_from(triples, {}, {})


def nodes(facts: FactIndex, start: str, goal: str, most: int = 3, longest: int = 4) -> list[str]:
    return ["".join(path.nodes) for path in find_paths(facts, start, goal, max_paths=most, max_steps=longest).paths]


def test_the_best_path_is_sure_and_short() -> None:
    facts = facts_of(("a", "b", 0.9), ("b", "d", 0.9), ("c", "a", 0.5), ("c", "d", 0.9), ("a", "d", 0.3))
    assert nodes(facts, "a", "d") == ["abd", "acd", "ad"]
    assert nodes(facts, "d", "a") == ["dba", "dca", "da"]
    assert nodes(facts, "a", "d", longest=1) == ["ad"] and nodes(facts, "a", "d", most=1) == ["abd"]


def test_equal_paths_go_by_id() -> None:
    facts = facts_of(*[edge for x in "zyxm" for edge in (("a", x, 0.8), (x, "b", 0.8))])
    assert nodes(facts, "a", "b") == ["amb", "axb", "ayb"]


def test_a_longer_way_to_a_thing_does_not_hide_the_shorter_one() -> None:
    # by way of x, y and z the sure facts lead to b first, and from there nowhere within the length
    sure = [("a", "x", 1.0), ("x", "y", 1.0), ("y", "b", 1.0)]
    assert nodes(facts_of(*sure, ("a", "b", 0.1), ("b", "c", 1.0)), "a", "c", most=1, longest=2) == ["abc"]


def test_no_path_goes_by_way_of_a_date() -> None:
    facts = facts_of(("a", "1912", 0.9), ("b", "1912", 0.9))
    assert nodes(facts, "a", "b") == []
    assert nodes(facts, "a", "1912") == ["a1912"]


@pytest.mark.parametrize("seed", range(20))
def test_paths_are_those_that_trying_all_gives(seed: int) -> None:
    chance = random.Random(seed)
    names = "abcdefg"
    pairs = chance.sample(list(itertools.combinations(names, 2)), chance.randrange(4, 16))
    edges = [(*chance.sample(pair, 2), chance.choice([0.5, 0.76, 0.9, 1.0])) for pair in pairs]
    cost = {frozenset(edge[:2]): STEP_COST - log(edge[2]) for edge in edges}
    plain = nx.Graph([edge[:2] for edge in edges])
    plain.add_nodes_from(names)
    for longest in (1, 2, 3, 4, 5):
        every = [
            (round(sum(cost[frozenset(step)] for step in itertools.pairwise(path)), 6), tuple(path))
            for path in nx.all_simple_paths(plain, "a", "b", cutoff=longest)
        ]
        found = nodes(facts_of(*edges), "a", "b", most=4, longest=longest)
        found_costs = [round(sum(cost[frozenset(s)] for s in itertools.pairwise(path)), 6) for path in found]
        assert found_costs == [price for price, _ in sorted(every)][:4]
        assert {tuple(path) for path in found} <= {path for _, path in every}


def test_a_search_that_gives_up_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    facts = facts_of(*[("hub", f"n{n}", 0.9) for n in range(50)], *[(f"n{n}", f"m{n}", 0.9) for n in range(50)])
    assert find_paths(facts, "m0", "m49", max_paths=1, max_steps=4).is_complete
    monkeypatch.setattr(searching, "MAX_EXPANSIONS", 3)
    assert not find_paths(facts, "m0", "m49", max_paths=1, max_steps=4).is_complete


def test_parts_of_a_picture_do_not_lie_on_one_another() -> None:
    plain = nx.Graph([("a", "b"), ("b", "c"), ("c", "a"), ("x", "y"), ("p", "q"), ("q", "r")])
    plain.add_node("alone")
    places = layout(plain)
    assert set(places) == set(plain) and len(set(places.values())) == len(places)
    boxes = []
    for part in nx.connected_components(plain):
        across, down = zip(*(places[node] for node in part), strict=True)
        boxes.append((min(across), max(across), min(down), max(down)))
    for one, two in itertools.combinations(boxes, 2):
        assert one[1] < two[0] or two[1] < one[0] or one[3] < two[2] or two[3] < one[2]
    assert layout(plain) == places


def test_what_xml_cannot_have_is_a_blank(tmp_path: Path) -> None:
    nodes = [{"id": "a", "name": "A\x01\ufffe"}, {"id": "b", "name": "乙😀"}]
    edges = [{"source": "a", "target": "b", "predicate": "knows", "sentence": "a\x0bknows b"}]
    nx.write_graphml(to_xml_graph({"nodes": nodes, "edges": edges}), tmp_path / "g.graphml")
    read = nx.read_graphml(tmp_path / "g.graphml")
    assert dict(read.nodes(data="name")) == {"a": "A  ", "b": "乙😀"}
    assert [data["sentence"] for _, _, data in read.edges(data=True)] == ["a knows b"]


def test_a_few_entities_are_those_of_all_of_them(small_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    graph = SQLiteGraph(small_store / "graph.db")
    every = list(graph.entities())
    assert len(every) > 20 and list(graph.entities({"no such thing"})) == []
    few = frozenset(entity.id for entity in every[::7])
    looked_up = list(graph.entities(few))
    assert looked_up == [entity for entity in every if entity.id in few]
    monkeypatch.setattr(store, "MAX_SINGLE_LOOKUPS", 0)
    assert list(graph.entities(few)) == looked_up
    named = Counter(mention.entity_id for mention in graph.mentions())
    for entity in looked_up:
        times, documents = graph.mention_counts(entity.id)
        assert times == named[entity.id] and (0 < documents <= times or times == documents == 0)
