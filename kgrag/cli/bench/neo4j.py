"""The command `kgrag bench server`: load and walk a graph on a Neo4j server."""

from __future__ import annotations

import time
from statistics import median
from typing import TYPE_CHECKING, Annotated

import typer

from kgrag.cli.options import JsonOption, open_store, print_json, require_library
from kgrag.errors import UsageError
from kgrag.terminal import console

if TYPE_CHECKING:
    from graphs.neo4j.store import Neo4jGraph

WARMUP_DIVISOR = 10
"""Share of the rows to load before the clock starts: a server that has just started is several times slower."""
WALK_COUNT = 20


def bench_server(
    store: Annotated[str, typer.Option("--store", "-s", help="Empty database: neo4j://user@host:port/database.")],
    nodes: Annotated[
        int, typer.Option(min=1000, help="Approximate number of nodes; there are three times as many relationships.")
    ] = 50_000,
    json_: JsonOption = False,
) -> None:
    """Load a synthetic graph into an empty database, by ingest and by plain statements, walk it, and delete it."""
    require_library("neo4j", "neo4j")
    from graphs.neo4j.store import Neo4jGraph
    from kgrag.dev.benchmarks.neo4j_bulk_load import (
        clear_database,
        elements_per_second,
        load_with_store,
        load_with_unwind_merge,
        synthetic_documents,
    )

    if "://" not in store:
        raise UsageError(f"Expected a server's database such as neo4j://user@host:7687/neo4j, found {store}.")
    opened_store = open_store(store, create=True)
    graph = opened_store.graph_store
    assert isinstance(graph, Neo4jGraph)
    if graph.counts()["documents"] or graph.sources():
        raise UsageError(
            f"Expected an empty database, found documents in {store}, which this command would delete: choose another."
        )
    try:
        console.print_notice(f"Loading {4 * nodes:,} nodes and relationships with plain statements …")
        load_with_unwind_merge(graph, nodes // WARMUP_DIVISOR, 3 * nodes // WARMUP_DIVISOR)
        by_statements = load_with_unwind_merge(graph, nodes, 3 * nodes)
        documents = synthetic_documents(nodes)
        console.print_notice(f"Writing {len(documents):,} documents of the same size, twice …")
        load_with_store(graph, documents[: len(documents) // WARMUP_DIVISOR])
        first_load = load_with_store(graph, documents[len(documents) // WARMUP_DIVISOR :])
        second_load = load_with_store(graph, documents)
        start = time.perf_counter()
        graph.refresh_display_names()
        naming_seconds = time.perf_counter() - start
        console.print_notice("Walking the graph …")
        report: dict[str, float] = {
            "plain nodes": by_statements.nodes,
            "plain relationships": by_statements.relationships,
            "plain s": by_statements.seconds,
            "nodes": first_load.nodes,
            "relationships": first_load.relationships,
            "documents": len(documents),
            "documents in a transaction": graph.passages_per_transaction,
            "s": first_load.seconds,
            "rows/s": elements_per_second(first_load),
            "plain rows/s": elements_per_second(by_statements),
            "ratio": elements_per_second(first_load) / elements_per_second(by_statements),
            "again s": second_load.seconds,
            "again more nodes": second_load.nodes,
            "again more relationships": second_load.relationships,
            "entities named s": naming_seconds,
            **_time_walks(graph),
        }
    finally:
        clear_database(graph)
        graph.close()
    if json_:
        print_json(report)
        return
    rows = [(name, f"{value:,.2f}" if isinstance(value, float) else f"{value:,}") for name, value in report.items()]
    console.print_table(rows, right=(1,))


def _time_walks(graph: Neo4jGraph) -> dict[str, float]:
    """Return median milliseconds of two steps in one statement, and of retrieval walks on the server and locally."""
    import numpy as np

    from graphs.neo4j.walk import Neo4jTransitions, time_walks, write_transitions
    from graphs.walk.adjacency import build_adjacency
    from graphs.walk.pagerank import PersonalizedPageRank, SeedWeights
    from graphs.walk.transitions import LocalTransitions
    from kgrag.dev.benchmarks.neo4j_bulk_load import time_expansions

    rng = np.random.default_rng(1)
    passages = list(graph.passages())
    names = sorted({mention.entity_id for mention in graph.mentions()})
    figures = {
        "two steps from five names, ms": median(
            time_expansions(graph, [str(name) for name in rng.choice(names, 5 * WALK_COUNT)])
        )
    }
    ties = build_adjacency(passages, graph.mentions(), graph.document_names()).edges
    start = time.perf_counter()
    write_transitions(graph, [passage.id for passage in passages], ties)
    figures |= {"ties": ties.nnz, "ties written s": time.perf_counter() - start}
    local, server = (
        PersonalizedPageRank(LocalTransitions.from_edges(ties)),
        PersonalizedPageRank(Neo4jTransitions(graph, *ties.shape)),
    )
    seeds = [
        [SeedWeights({int(r): 1.0}, {}) for r in rng.integers(0, len(passages), 4)] for _ in range(WALK_COUNT // 4)
    ]
    times = time_walks(local, server, seeds)
    return figures | {f"four walks of retrieval, {where}, ms": value for where, value in times.items()}
