"""Walking on the server comes to what walking here does, and never over ties of another generation."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

from graphs.neo4j import walk
from graphs.neo4j.store import Neo4jGraph
from graphs.neo4j.walk import Neo4jTransitions, choose_pagerank, time_walks, transitions_generation, write_transitions
from graphs.walk.pagerank import PersonalizedPageRank, SeedWeights
from graphs.walk.transitions import LocalTransitions
from kgrag.errors import StoreError
from tests.support.documents import build_document, build_extraction, embed_passages, put_extractions
from tests.support.graph_stores import connect_neo4j, neo4j_location, reset_neo4j

pytestmark = pytest.mark.neo4j
ROWS, NAMES = 60, 40


@pytest.fixture(scope="module")
def ties() -> sparse.csr_array:
    """Ties of a graph with a hub, equal weights, names of one passage, and passages and names with none."""
    chance = np.random.default_rng(4)
    dense = (chance.random((ROWS, NAMES)) < 0.07) * chance.integers(1, 4, (ROWS, NAMES)).astype(np.float32)
    dense[:, 0] = chance.random(ROWS) < 0.8
    dense[7] = dense[:, 5] = 0
    dense[:, 6] = 0
    dense[3, 6] = 1.5
    return sparse.csr_array(dense.astype(np.float32))


@pytest.fixture(scope="module")
def graph(ties: sparse.csr_array) -> Iterator[Neo4jGraph]:
    """A store of as many passages, with those ties on the server."""
    neo4j_location()
    reset_neo4j()
    opened = connect_neo4j()
    given = [build_extraction(build_document(f"d{n:03}", f"It is number {n}."), {}) for n in range(ROWS)]
    opened.put_many([(one, embed_passages(one)) for one in given])
    write_transitions(opened, ids(opened), ties)
    yield opened
    opened.close()


def ids(graph: Neo4jGraph) -> list[str]:
    return [passage for passage, _ in graph.passage_keys()]


def test_what_a_walk_asks_is_answered_alike(graph: Neo4jGraph, ties: sparse.csr_array) -> None:
    here, there = LocalTransitions.from_edges(ties), Neo4jTransitions(graph, *ties.shape)
    assert (here.passage_count, here.name_count) == (there.passage_count, there.name_count)
    chance = np.random.default_rng(0)
    for size in (0, 1, 9, 40):
        rows, names = chance.permutation(ROWS)[:size], chance.permutation(NAMES)[:size]
        most = chance.integers(1, 5, len(names))
        pairs = [
            (here.names_of_passages(rows), there.names_of_passages(rows)),
            (here.passages_of_names(names), there.passages_of_names(names)),
            (here.passages_of_names(names, most), there.passages_of_names(names, most)),
            (here.row_scales(rows), there.row_scales(rows)),
            ([here.name_scales(names)], [there.name_scales(names)]),
        ]
        for ours, theirs in pairs:
            for one, other in zip(ours, theirs, strict=True):
                np.testing.assert_array_equal(one, other)


SEEDINGS = [
    [
        SeedWeights({3: 1.0}, {}),
        SeedWeights({}, {0: 1.0, 6: 0.5}),
        SeedWeights({7: 1.0}, {5: 1.0}),
        SeedWeights({1: 0.3}, {2: 1.0}, damping=0.8),
    ],
    [SeedWeights({}, {})],
    [SeedWeights({59: 1.0, 0: 0.5}, {11: 2.0})],
]


@pytest.mark.parametrize("near", [8192, 20, 5])
@pytest.mark.parametrize("seeds", SEEDINGS)
def test_walks_come_to_the_same(graph: Neo4jGraph, ties: sparse.csr_array, seeds: list[SeedWeights], near: int) -> None:
    here = PersonalizedPageRank(LocalTransitions.from_edges(ties), max_passages=near).pagerank(seeds)
    there = PersonalizedPageRank(Neo4jTransitions(graph, *ties.shape), max_passages=near).pagerank(seeds)
    np.testing.assert_allclose(here, there, rtol=1e-6, atol=1e-9)
    assert (here > 0).any() or not any(s.passages or s.names for s in seeds)


def choose(
    graph: Neo4jGraph, ties: sparse.csr_array, how: str, file: Path, said: list[str]
) -> tuple[PersonalizedPageRank, PersonalizedPageRank]:
    local = PersonalizedPageRank(LocalTransitions.from_edges(ties))
    return local, choose_pagerank(graph, how, local, lambda: ids(graph), ties, file, said.append)


def test_a_way_is_chosen_by_measuring_and_the_choice_is_kept(
    graph: Neo4jGraph, ties: sparse.csr_array, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, said = tmp_path / "walk.json", list[str]()
    local, chosen = choose(graph, ties, "auto", file, said)
    kept = json.loads(file.read_text())
    assert (
        chosen is local and kept["walk"] == "local" and kept["milliseconds"]["local"] < kept["milliseconds"]["server"]
    )
    measured: list[int] = []

    def slow_here(*_: object) -> dict[str, float]:
        measured.append(1)
        return {"local": 9.0, "server": 1.0}

    monkeypatch.setattr(walk, "time_walks", slow_here)
    local, chosen = choose(graph, ties, "auto", file, said)
    assert chosen is local and not measured
    file.write_text(json.dumps({**kept, "generation": kept["generation"] - 1}))
    local, chosen = choose(graph, ties, "auto", file, said)
    assert chosen is not local and measured and not said
    assert choose(graph, ties, "local", file, said)[1] is not chosen


def test_both_ways_are_timed(graph: Neo4jGraph, ties: sparse.csr_array) -> None:
    local, there = (
        PersonalizedPageRank(LocalTransitions.from_edges(ties)),
        PersonalizedPageRank(Neo4jTransitions(graph, *ties.shape)),
    )
    times = time_walks(local, there, SEEDINGS)
    assert set(times) == {"local", "server"} and min(times.values()) > 0


def test_ties_hold_no_word_that_a_forgotten_document_said(graph: Neo4jGraph) -> None:
    assert graph._query("MATCH (n:Name) UNWIND keys(n) AS key RETURN DISTINCT key ORDER BY key") == [
        ("column",),
        ("scale",),
    ]


class Fresh:
    """A store of its own, for what changes it."""

    def __init__(self) -> None:
        neo4j_location()
        reset_neo4j()
        self.graph = connect_neo4j()
        for n in range(3):
            put_extractions(self.graph, build_extraction(build_document(f"d{n}", f"It is {n}."), {}))
        self.ties = sparse.csr_array(np.ones((3, 2), np.float32))


@pytest.fixture
def fresh() -> Iterator[Fresh]:
    made = Fresh()
    yield made
    made.graph.close()


def test_ties_of_an_older_generation_are_written_anew_or_left(fresh: Fresh, tmp_path: Path) -> None:
    graph, said, file = fresh.graph, list[str](), tmp_path / "walk.json"
    assert transitions_generation(graph) is None
    local, chosen = choose(graph, fresh.ties, "auto", file, said)
    assert chosen is local and not said and transitions_generation(graph) is None
    local, chosen = choose(graph, fresh.ties, "server", file, said)
    assert chosen is not local and len(said) == 1 and transitions_generation(graph) == graph.generation
    graph.forget("d1")
    assert transitions_generation(graph) != graph.generation
    fewer = fresh.ties[[0, 2]]
    local, chosen = choose(graph, fewer, "auto", file, said)
    assert chosen is local
    local, chosen = choose(graph, fewer, "server", file, said)
    seeds = [SeedWeights({0: 1.0}, {})]
    np.testing.assert_allclose(chosen.pagerank(seeds), local.pagerank(seeds), rtol=1e-6)
    assert graph._query("MATCH ()-[t:TIED]->() RETURN count(t)") == [(4,)]


@pytest.mark.parametrize("others", [lambda graph: graph.forget("d1"), lambda graph: neo4j_walk_began(graph)])
def test_ties_that_others_overtake_are_never_vouched_for(fresh: Fresh, others: Callable[[Neo4jGraph], object]) -> None:
    graph = fresh.graph
    meanwhile = iter([others])

    class Passages(list[str]):
        def __getitem__(self, place: object) -> str:  # type: ignore[override]
            for act in meanwhile:
                act(graph)
            return super().__getitem__(place)  # type: ignore[index]

    with pytest.raises(StoreError, match="Others wrote"):
        write_transitions(graph, Passages(ids(graph)), fresh.ties)
    assert transitions_generation(graph) is None


def neo4j_walk_began(graph: Neo4jGraph) -> None:
    """Somebody else begins to write the same ties."""
    from graphs.neo4j.connection import run_query

    graph.execute_write(lambda tx: run_query(tx, walk._BEGIN_WRITE, token="another"))
