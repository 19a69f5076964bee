"""`kgrag bench server`: what a Neo4j server takes to load a graph and to walk it, beside plain statements and this machine."""

from __future__ import annotations

import time
from statistics import median
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from kgrag import console
from kgrag.commands.options import Json, need, open_app, print_json
from kgrag.errors import UsageError

if TYPE_CHECKING:
    from graphs.neo4j_graph import Neo4jGraph

WARM = 10
"""A tenth of the rows is loaded before anything is timed: a server that has just started is several times slower."""
WALKS = 20


def bench_server(
    store: Annotated[str, typer.Option("--store", "-s", help="An empty database: neo4j://user@host:port/database.")],
    nodes: Annotated[
        int, typer.Option(min=1000, help="About how many nodes; three times as many relationships.")
    ] = 50_000,
    json_: Json = False,
) -> None:
    """Load a made-up graph into an empty database, as an ingest does and by plain statements, walk it, and empty it again."""
    need("neo4j", "neo4j")
    from graphs.neo4j_graph import Neo4jGraph
    from kgrag.evaluate.load import cleared, made_up, ours, plain, rate

    if "://" not in store:
        raise UsageError(f"Expected a server's database such as neo4j://user@host:7687/neo4j, found {store}.")
    opened = open_app(store, create=True)
    graph = opened.graph
    assert isinstance(graph, Neo4jGraph)
    if graph.counts()["documents"] or graph.sources():
        raise UsageError(f"{store} holds documents, and this would empty it: name a database without.")
    try:
        console.notice(f"Loading {4 * nodes:,} nodes and relationships by plain statements …")
        plain(graph, nodes // WARM, 3 * nodes // WARM)
        by_statements = plain(graph, nodes, 3 * nodes)
        documents = made_up(nodes)
        console.notice(f"Putting {len(documents):,} documents that come to as many, twice …")
        ours(graph, documents[: len(documents) // WARM])
        first = ours(graph, documents[len(documents) // WARM :])
        again = ours(graph, documents)
        start = time.perf_counter()
        graph.settle()
        settled = time.perf_counter() - start
        console.notice("Walking it …")
        report: dict[str, Any] = {
            "plain nodes": by_statements.nodes,
            "plain relationships": by_statements.relationships,
            "plain s": by_statements.seconds,
            "nodes": first.nodes,
            "relationships": first.relationships,
            "documents": len(documents),
            "documents in a transaction": graph.group,
            "s": first.seconds,
            "rows/s": rate(first),
            "plain rows/s": rate(by_statements),
            "ratio": rate(first) / rate(by_statements),
            "again s": again.seconds,
            "again more nodes": again.nodes,
            "again more relationships": again.relationships,
            "entities named s": settled,
            **_walks(graph),
        }
    finally:
        cleared(graph)
        graph.close()
    if json_:
        print_json(report)
        return
    rows = [(name, f"{value:,.2f}" if isinstance(value, float) else f"{value:,}") for name, value in report.items()]
    console.table(rows, right=(1,))


def _walks(graph: Neo4jGraph) -> dict[str, float]:
    """Milliseconds at the median: two steps in one statement, and the walks of retrieval here and there."""
    from graphs.adjacency import build
    from graphs.neo4j_walk import ServerWays, tie, timed
    from graphs.walk import Seeds, Walker
    from graphs.ways import LocalWays
    from kgrag.evaluate.load import expansions

    chance = np.random.default_rng(1)
    passages = list(graph.passages())
    names = sorted({mention.entity_id for mention in graph.mentions()})
    found = {
        "two steps from five names, ms": median(
            expansions(graph, [str(name) for name in chance.choice(names, 5 * WALKS)])
        )
    }
    ties = build(passages, graph.mentions(), graph.document_names()).ties
    start = time.perf_counter()
    tie(graph, [passage.id for passage in passages], ties)
    found |= {"ties": ties.nnz, "ties written s": time.perf_counter() - start}
    local, server = Walker(LocalWays.of(ties)), Walker(ServerWays(graph, *ties.shape))
    seeds = [[Seeds({int(r): 1.0}, {}) for r in chance.integers(0, len(passages), 4)] for _ in range(WALKS // 4)]
    times = timed(local, server, seeds)
    return found | {f"four walks of retrieval, {where}, ms": value for where, value in times.items()}
