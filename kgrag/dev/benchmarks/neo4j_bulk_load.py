"""Bulk load into a Neo4j server: the store compared with plain statements, in one run on one server."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from graphs.neo4j.connection import Connection, Transaction, run_query
from graphs.neo4j.store import Neo4jGraph
from graphs.neo4j.write import split_blocks
from kgrag.protocols import Matrix
from kgrag.types import Document, Extraction, Mention, Passage, Triple

BATCH_SIZE = 5000
"""Rows of a plain statement."""
OWN_NAMES, MENTIONS_PER_DOCUMENT, FACTS_PER_DOCUMENT = 3, 11, 5
"""For each synthetic document: names that only it has, mentions in its passage, and facts."""
VECTOR_SIZE = 8
"""Numbers of a vector: the benchmark compares the load of a graph, and plain statements load no vectors."""
_CONSTRAINT = "CREATE CONSTRAINT plain_id IF NOT EXISTS FOR (n:Plain) REQUIRE n.id IS UNIQUE"
_NODES = "UNWIND $rows AS row MERGE (n:Plain {id: row.id}) SET n.name = row.name"
_RELATIONS = """
UNWIND $rows AS row MATCH (s:Plain {id: row.subject}) MATCH (o:Plain {id: row.object})
MERGE (s)-[:REL {predicate: row.predicate, passage_id: row.passage_id, start: row.start, end: row.end}]->(o)"""
_TWO_STEPS = """
UNWIND $seeds AS id MATCH (e:Entity {id: id})<-[:MENTIONS]-(:Passage)-[:MENTIONS]->(o:Entity)
RETURN o.id, count(*) AS ways ORDER BY ways DESC LIMIT 50"""
_DROP = "DROP CONSTRAINT plain_id IF EXISTS"
_SIZE = "MATCH (n) WITH count(n) AS nodes OPTIONAL MATCH ()-[r]->() RETURN nodes, count(r)"


@dataclass(frozen=True)
class LoadResult:
    """The nodes and relationships that a load made, and its duration."""

    nodes: int
    relationships: int
    seconds: float


def elements_per_second(loaded: LoadResult) -> float:
    """Return nodes and relationships a second."""
    return (loaded.nodes + loaded.relationships) / loaded.seconds


def load_with_unwind_merge(graph: Connection, nodes: int, relationships: int) -> LoadResult:
    """Load a graph by `UNWIND … MERGE` in batches of `BATCH_SIZE`, its constraint first, and delete it again.

    Args:
        graph: a connection to a database with nothing in it but an empty store.
        nodes: how many.
        relationships: how many, between nodes drawn with seed 0.
    """
    graph.define_schema(_CONSTRAINT)
    rng = np.random.default_rng(0)
    ends = rng.integers(0, nodes, (relationships, 2)).tolist()
    statements: tuple[tuple[str, Iterable[dict[str, object]]], ...] = (
        (_NODES, ({"id": f"n{n}", "name": f"Name {n}"} for n in range(nodes))),
        (
            _RELATIONS,
            (
                {"subject": f"n{a}", "object": f"n{b}", "predicate": f"p{n % 40}", "passage_id": f"d{n // 10}#0001"}
                | {"start": n % 300, "end": n % 300 + 40}
                for n, (a, b) in enumerate(ends)
            ),
        ),
    )
    start = time.perf_counter()
    for query, rows in statements:
        for block in split_blocks(rows, BATCH_SIZE):

            def run_block(tx: Transaction, query: str = query, block: list[dict[str, object]] = block) -> None:
                run_query(tx, query, rows=block)

            graph.execute_write(run_block)
    seconds = time.perf_counter() - start
    counts = graph._query(
        "MATCH (n:Plain) WITH count(n) AS nodes OPTIONAL MATCH (:Plain)-[r]->() RETURN nodes, count(r)"
    )
    while graph.execute_write(
        lambda tx: run_query(tx, "MATCH (n:Plain) WITH n LIMIT 5000 DETACH DELETE n RETURN count(*)")
    )[0][0]:
        pass
    graph.define_schema(_DROP)
    return LoadResult(int(counts[0][0]), int(counts[0][1]), seconds)


def load_with_store(graph: Neo4jGraph, documents: Sequence[tuple[Extraction, Matrix]]) -> LoadResult:
    """Put documents as an ingest does, several in a transaction; count only new nodes and relationships."""
    before = graph._query(_SIZE)[0]
    start = time.perf_counter()
    for block in split_blocks(documents, graph.passages_per_transaction):
        graph.put_many(block)
    seconds = time.perf_counter() - start
    after = graph._query(_SIZE)[0]
    return LoadResult(after[0] - before[0], after[1] - before[1], seconds)


def synthetic_documents(nodes: int) -> list[tuple[Extraction, Matrix]]:
    """Make documents of one passage with about ``nodes`` nodes and three times as many relationships.

    A fifth of the nodes are documents, a fifth passages, the rest entities. A document also mentions names of other
    documents, drawn by Zipf's law with exponent 1.3 and seed 0.
    """
    rng = np.random.default_rng(0)
    count = nodes // (2 + OWN_NAMES)
    vectors = rng.standard_normal((count, VECTOR_SIZE)).astype(np.float32)
    return [(_synthetic_extraction(n, count, rng), vectors[n : n + 1]) for n in range(count)]


def _synthetic_extraction(number: int, count: int, rng: np.random.Generator) -> Extraction:
    own_names = [f"thing {number * OWN_NAMES + i}" for i in range(OWN_NAMES)]
    other_names = [
        f"thing {int(n) % (count * OWN_NAMES)}" for n in rng.zipf(1.3, MENTIONS_PER_DOCUMENT - OWN_NAMES) - 1
    ]
    mentioned_names = [*own_names, *other_names]
    words = [name.title() for name in mentioned_names]
    text = " knows ".join(words) + "."
    id = f"d{number:06}"
    document = Document(id, own_names[0].title(), text, "made-up.jsonl", "en", f"{number:064x}")
    passage = Passage(f"{id}#0001", id, text, 0, len(text))
    word_starts = np.cumsum([0, *(len(word) + len(" knows ") for word in words)])
    mentions = tuple(
        Mention(name, passage.id, int(word_starts[n]), int(word_starts[n]) + len(words[n]), "MISC", words[n])
        for n, name in enumerate(mentioned_names)
    )
    facts = tuple(
        Triple(own_names[0], f"p{n % 40}", mentioned_names[n + 1], passage.id, 0, len(text), 0.5, "pattern")
        for n in range(FACTS_PER_DOCUMENT)
    )
    return Extraction(document, (passage,), ((own_names[0], own_names[0].title(), "MISC"),), mentions, facts)


def time_expansions(graph: Connection, seeds: Sequence[str]) -> list[float]:
    """Return the milliseconds to find the names two steps from each five of ``seeds``, one statement each.

    The first five run twice and count once.
    """
    groups = [seeds[n : n + 5] for n in range(0, len(seeds), 5)]
    milliseconds = []
    for group in [groups[0], *groups]:
        start = time.perf_counter()
        graph._query(_TWO_STEPS, seeds=list(group))
        milliseconds.append(1000 * (time.perf_counter() - start))
    return milliseconds[1:]


def clear_database(graph: Connection) -> None:
    """Delete everything in a database, the store's own marker included."""
    while graph.execute_write(lambda tx: run_query(tx, "MATCH (n) WITH n LIMIT 5000 DETACH DELETE n RETURN count(*)"))[
        0
    ][0]:
        pass
