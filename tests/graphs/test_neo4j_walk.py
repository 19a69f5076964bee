"""Test walks on the server: the same results as local walks, and never over outdated edges."""

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
def edges() -> sparse.csr_array:
    """Return edges with a hub, equal weights, names of one passage, and passages and names without edges."""
    rng = np.random.default_rng(4)
    dense = (rng.random((ROWS, NAMES)) < 0.07) * rng.integers(1, 4, (ROWS, NAMES)).astype(np.float32)
    dense[:, 0] = rng.random(ROWS) < 0.8
    dense[7] = dense[:, 5] = 0
    dense[:, 6] = 0
    dense[3, 6] = 1.5
    return sparse.csr_array(dense.astype(np.float32))


@pytest.fixture(scope="module")
def graph(edges: sparse.csr_array) -> Iterator[Neo4jGraph]:
    """Return a store of as many passages, with those edges on the server."""
    neo4j_location()
    reset_neo4j()
    graph = connect_neo4j()
    extractions = [build_extraction(build_document(f"d{n:03}", f"It is number {n}."), {}) for n in range(ROWS)]
    graph.put_many([(extraction, embed_passages(extraction)) for extraction in extractions])
    write_transitions(graph, passage_ids(graph), edges)
    yield graph
    graph.close()


def passage_ids(graph: Neo4jGraph) -> list[str]:
    return [passage for passage, _ in graph.passage_keys()]


def test_transitions_on_server_equal_local(graph: Neo4jGraph, edges: sparse.csr_array) -> None:
    local, server = LocalTransitions.from_edges(edges), Neo4jTransitions(graph, *edges.shape)
    assert (local.passage_count, local.name_count) == (server.passage_count, server.name_count)
    rng = np.random.default_rng(0)
    for size in (0, 1, 9, 40):
        rows, names = rng.permutation(ROWS)[:size], rng.permutation(NAMES)[:size]
        limits = rng.integers(1, 5, len(names))
        result_pairs = [
            (local.names_of_passages(rows), server.names_of_passages(rows)),
            (local.passages_of_names(names), server.passages_of_names(names)),
            (local.passages_of_names(names, limits), server.passages_of_names(names, limits)),
            (local.row_scales(rows), server.row_scales(rows)),
            ([local.name_scales(names)], [server.name_scales(names)]),
        ]
        for local_results, server_results in result_pairs:
            for local_array, server_array in zip(local_results, server_results, strict=True):
                np.testing.assert_array_equal(local_array, server_array)


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


@pytest.mark.parametrize("max_passages", [8192, 20, 5])
@pytest.mark.parametrize("seeds", SEEDINGS)
def test_pagerank_on_server_equals_local(
    graph: Neo4jGraph, edges: sparse.csr_array, seeds: list[SeedWeights], max_passages: int
) -> None:
    local = PersonalizedPageRank(LocalTransitions.from_edges(edges), max_passages=max_passages).pagerank(seeds)
    server = PersonalizedPageRank(Neo4jTransitions(graph, *edges.shape), max_passages=max_passages).pagerank(seeds)
    np.testing.assert_allclose(local, server, rtol=1e-6, atol=1e-9)
    assert (local > 0).any() or not any(s.passages or s.names for s in seeds)


def choose(
    graph: Neo4jGraph, edges: sparse.csr_array, mode: str, file: Path, notices: list[str]
) -> tuple[PersonalizedPageRank, PersonalizedPageRank]:
    local = PersonalizedPageRank(LocalTransitions.from_edges(edges))
    return local, choose_pagerank(graph, mode, local, lambda: passage_ids(graph), edges, file, notices.append)


def test_choose_pagerank_auto_measures_once(
    graph: Neo4jGraph, edges: sparse.csr_array, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, notices = tmp_path / "walk.json", list[str]()
    local, chosen = choose(graph, edges, "auto", file, notices)
    saved_choice = json.loads(file.read_text())
    assert (
        chosen is local
        and saved_choice["walk"] == "local"
        and saved_choice["milliseconds"]["local"] < saved_choice["milliseconds"]["server"]
    )
    measurements: list[int] = []

    def slow_local_walk(*_: object) -> dict[str, float]:
        measurements.append(1)
        return {"local": 9.0, "server": 1.0}

    monkeypatch.setattr(walk, "time_walks", slow_local_walk)
    local, chosen = choose(graph, edges, "auto", file, notices)
    assert chosen is local and not measurements
    file.write_text(json.dumps({**saved_choice, "generation": saved_choice["generation"] - 1}))
    local, chosen = choose(graph, edges, "auto", file, notices)
    assert chosen is not local and measurements and not notices
    assert choose(graph, edges, "local", file, notices)[1] is not chosen


def test_time_walks_times_both_walkers(graph: Neo4jGraph, edges: sparse.csr_array) -> None:
    local, server = (
        PersonalizedPageRank(LocalTransitions.from_edges(edges)),
        PersonalizedPageRank(Neo4jTransitions(graph, *edges.shape)),
    )
    times = time_walks(local, server, SEEDINGS)
    assert set(times) == {"local", "server"} and min(times.values()) > 0


def test_name_nodes_contain_no_text(graph: Neo4jGraph) -> None:
    assert graph._query("MATCH (n:Name) UNWIND keys(n) AS key RETURN DISTINCT key ORDER BY key") == [
        ("column",),
        ("scale",),
    ]


class ModifiableStore:
    """A new store with three documents, for tests that change it."""

    def __init__(self) -> None:
        neo4j_location()
        reset_neo4j()
        self.graph = connect_neo4j()
        for n in range(3):
            put_extractions(self.graph, build_extraction(build_document(f"d{n}", f"It is {n}."), {}))
        self.edges = sparse.csr_array(np.ones((3, 2), np.float32))


@pytest.fixture
def modifiable_store() -> Iterator[ModifiableStore]:
    store = ModifiableStore()
    yield store
    store.graph.close()


def test_choose_pagerank_rewrites_outdated_edges(modifiable_store: ModifiableStore, tmp_path: Path) -> None:
    graph, notices, file = modifiable_store.graph, list[str](), tmp_path / "walk.json"
    assert transitions_generation(graph) is None
    local, chosen = choose(graph, modifiable_store.edges, "auto", file, notices)
    assert chosen is local and not notices and transitions_generation(graph) is None
    local, chosen = choose(graph, modifiable_store.edges, "server", file, notices)
    assert chosen is not local and len(notices) == 1 and transitions_generation(graph) == graph.generation
    graph.forget("d1")
    assert transitions_generation(graph) != graph.generation
    fewer_edges = modifiable_store.edges[[0, 2]]
    local, chosen = choose(graph, fewer_edges, "auto", file, notices)
    assert chosen is local
    local, chosen = choose(graph, fewer_edges, "server", file, notices)
    seeds = [SeedWeights({0: 1.0}, {})]
    np.testing.assert_allclose(chosen.pagerank(seeds), local.pagerank(seeds), rtol=1e-6)
    assert graph._query("MATCH ()-[t:TIED]->() RETURN count(t)") == [(4,)]


@pytest.mark.parametrize("change", [lambda graph: graph.forget("d1"), lambda graph: begin_other_write(graph)])
def test_write_transitions_concurrent_change_raises(
    modifiable_store: ModifiableStore, change: Callable[[Neo4jGraph], object]
) -> None:
    graph = modifiable_store.graph
    pending_changes = iter([change])

    class Passages(list[str]):
        def __getitem__(self, place: object) -> str:  # type: ignore[override]
            for pending_change in pending_changes:
                pending_change(graph)
            return super().__getitem__(place)  # type: ignore[index]

    with pytest.raises(StoreError, match="The store changed while"):
        write_transitions(graph, Passages(passage_ids(graph)), modifiable_store.edges)
    assert transitions_generation(graph) is None


def begin_other_write(graph: Neo4jGraph) -> None:
    """Start writing the same edges as another process would."""
    from graphs.neo4j.connection import run_query

    graph.execute_write(lambda tx: run_query(tx, walk._BEGIN_WRITE, token="another"))
