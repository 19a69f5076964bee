"""Walking on the server comes to what walking here does, and never over ties of another generation."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from fakes import document, extraction, put, vectors
from scipy import sparse
from stores import connect, server, wipe

from graphs import neo4j_walk
from graphs.neo4j_graph import Neo4jGraph
from graphs.neo4j_walk import ServerWays, tie, tied, timed, walker
from graphs.walk import Seeds, Walker
from graphs.ways import LocalWays
from kgrag.errors import StoreError

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
    server()
    wipe()
    opened = connect()
    given = [extraction(document(f"d{n:03}", f"It is number {n}."), {}) for n in range(ROWS)]
    opened.put_all([(one, vectors(one)) for one in given])
    tie(opened, ids(opened), ties)
    yield opened
    opened.close()


def ids(graph: Neo4jGraph) -> list[str]:
    return [passage for passage, _ in graph.rows()]


def test_what_a_walk_asks_is_answered_alike(graph: Neo4jGraph, ties: sparse.csr_array) -> None:
    here, there = LocalWays.of(ties), ServerWays(graph, *ties.shape)
    assert (here.rows, here.names) == (there.rows, there.names)
    chance = np.random.default_rng(0)
    for size in (0, 1, 9, 40):
        rows, names = chance.permutation(ROWS)[:size], chance.permutation(NAMES)[:size]
        most = chance.integers(1, 5, len(names))
        pairs = [
            (here.of_rows(rows), there.of_rows(rows)),
            (here.of_names(names), there.of_names(names)),
            (here.of_names(names, most), there.of_names(names, most)),
            (here.row_scales(rows), there.row_scales(rows)),
            ([here.name_scales(names)], [there.name_scales(names)]),
        ]
        for ours, theirs in pairs:
            for one, other in zip(ours, theirs, strict=True):
                np.testing.assert_array_equal(one, other)


SEEDINGS = [
    [
        Seeds({3: 1.0}, {}),
        Seeds({}, {0: 1.0, 6: 0.5}),
        Seeds({7: 1.0}, {5: 1.0}),
        Seeds({1: 0.3}, {2: 1.0}, damping=0.8),
    ],
    [Seeds({}, {})],
    [Seeds({59: 1.0, 0: 0.5}, {11: 2.0})],
]


@pytest.mark.parametrize("near", [8192, 20, 5])
@pytest.mark.parametrize("seeds", SEEDINGS)
def test_walks_come_to_the_same(graph: Neo4jGraph, ties: sparse.csr_array, seeds: list[Seeds], near: int) -> None:
    here = Walker(LocalWays.of(ties), near=near).pagerank(seeds)
    there = Walker(ServerWays(graph, *ties.shape), near=near).pagerank(seeds)
    np.testing.assert_allclose(here, there, rtol=1e-6, atol=1e-9)
    assert (here > 0).any() or not any(s.passages or s.names for s in seeds)


def choose(graph: Neo4jGraph, ties: sparse.csr_array, how: str, file: Path, said: list[str]) -> tuple[Walker, Walker]:
    local = Walker(LocalWays.of(ties))
    return local, walker(graph, how, local, lambda: ids(graph), ties, file, said.append)


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

    monkeypatch.setattr(neo4j_walk, "timed", slow_here)
    local, chosen = choose(graph, ties, "auto", file, said)
    assert chosen is local and not measured
    file.write_text(json.dumps({**kept, "generation": kept["generation"] - 1}))
    local, chosen = choose(graph, ties, "auto", file, said)
    assert chosen is not local and measured and not said
    assert choose(graph, ties, "local", file, said)[1] is not chosen


def test_both_ways_are_timed(graph: Neo4jGraph, ties: sparse.csr_array) -> None:
    local, there = Walker(LocalWays.of(ties)), Walker(ServerWays(graph, *ties.shape))
    times = timed(local, there, SEEDINGS)
    assert set(times) == {"local", "server"} and min(times.values()) > 0


def test_ties_hold_no_word_that_a_forgotten_document_said(graph: Neo4jGraph) -> None:
    assert graph._rows("MATCH (n:Name) UNWIND keys(n) AS key RETURN DISTINCT key ORDER BY key") == [
        ("column",),
        ("scale",),
    ]


class Fresh:
    """A store of its own, for what changes it."""

    def __init__(self) -> None:
        server()
        wipe()
        self.graph = connect()
        for n in range(3):
            put(self.graph, extraction(document(f"d{n}", f"It is {n}."), {}))
        self.ties = sparse.csr_array(np.ones((3, 2), np.float32))


@pytest.fixture
def fresh() -> Iterator[Fresh]:
    made = Fresh()
    yield made
    made.graph.close()


def test_ties_of_an_older_generation_are_written_anew_or_left(fresh: Fresh, tmp_path: Path) -> None:
    graph, said, file = fresh.graph, list[str](), tmp_path / "walk.json"
    assert tied(graph) is None
    local, chosen = choose(graph, fresh.ties, "auto", file, said)
    assert chosen is local and not said and tied(graph) is None
    local, chosen = choose(graph, fresh.ties, "server", file, said)
    assert chosen is not local and len(said) == 1 and tied(graph) == graph.generation
    graph.forget("d1")
    assert tied(graph) != graph.generation
    fewer = fresh.ties[[0, 2]]
    local, chosen = choose(graph, fewer, "auto", file, said)
    assert chosen is local
    local, chosen = choose(graph, fewer, "server", file, said)
    seeds = [Seeds({0: 1.0}, {})]
    np.testing.assert_allclose(chosen.pagerank(seeds), local.pagerank(seeds), rtol=1e-6)
    assert graph._rows("MATCH ()-[t:TIED]->() RETURN count(t)") == [(4,)]


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
        tie(graph, Passages(ids(graph)), fresh.ties)
    assert tied(graph) is None


def neo4j_walk_began(graph: Neo4jGraph) -> None:
    """Somebody else begins to write the same ties."""
    from graphs.neo4j_connection import run

    graph.write(lambda tx: run(tx, neo4j_walk._BEGIN, token="another"))
