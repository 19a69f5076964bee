"""Loading a graph into a Neo4j server: our way beside plain statements, in the same run on the same server."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from graphs.neo4j_connection import Connection, Transaction, run
from graphs.neo4j_graph import Neo4jGraph
from graphs.neo4j_write import blocks
from kgrag.protocols import Matrix
from kgrag.types import Document, Extraction, Mention, Passage, Triple

BATCH = 5000
"""Rows of a plain statement."""
NAMES, MENTIONS, FACTS = 3, 11, 5
"""Of each made-up document, besides the passage: names that only it has, mentions, and facts."""
WIDTH = 8
"""Numbers of a vector here: what is compared is the loading of a graph, and plain statements load none."""
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
class Loaded:
    """What a way of loading made, and how long it took."""

    nodes: int
    relationships: int
    seconds: float


def rate(loaded: Loaded) -> float:
    """Nodes and relationships a second."""
    return (loaded.nodes + loaded.relationships) / loaded.seconds


def plain(graph: Connection, nodes: int, relationships: int) -> Loaded:
    """Load a graph by `UNWIND … MERGE` in batches of `BATCH`, its constraint first, and remove it again.

    Args:
        graph: a connection to a database with nothing in it but an empty store.
        nodes: how many.
        relationships: how many, between nodes drawn with seed 0.
    """
    graph.define(_CONSTRAINT)
    chance = np.random.default_rng(0)
    ends = chance.integers(0, nodes, (relationships, 2)).tolist()
    each: tuple[tuple[str, Iterable[dict[str, object]]], ...] = (
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
    for query, rows in each:
        for block in blocks(rows, BATCH):

            def work(tx: Transaction, query: str = query, block: list[dict[str, object]] = block) -> None:
                run(tx, query, rows=block)

            graph.write(work)
    seconds = time.perf_counter() - start
    made = graph._rows("MATCH (n:Plain) WITH count(n) AS nodes OPTIONAL MATCH (:Plain)-[r]->() RETURN nodes, count(r)")
    while graph.write(lambda tx: run(tx, "MATCH (n:Plain) WITH n LIMIT 5000 DETACH DELETE n RETURN count(*)"))[0][0]:
        pass
    graph.define(_DROP)
    return Loaded(int(made[0][0]), int(made[0][1]), seconds)


def ours(graph: Neo4jGraph, documents: Sequence[tuple[Extraction, Matrix]]) -> Loaded:
    """Put documents as an ingest does, some in a transaction; what was there already is not counted."""
    before = graph._rows(_SIZE)[0]
    start = time.perf_counter()
    for block in blocks(documents, graph.group):
        graph.put_all(block)
    seconds = time.perf_counter() - start
    after = graph._rows(_SIZE)[0]
    return Loaded(after[0] - before[0], after[1] - before[1], seconds)


def made_up(nodes: int) -> list[tuple[Extraction, Matrix]]:
    """Documents of one passage that come to about ``nodes`` nodes and three times as many relationships: a fifth of
    the nodes are documents, a fifth passages, the rest things; what a document names besides its own is drawn by
    Zipf's law with exponent 1.3 and seed 0."""
    chance = np.random.default_rng(0)
    count = nodes // (2 + NAMES)
    vectors = chance.standard_normal((count, WIDTH)).astype(np.float32)
    return [(_article(n, count, chance), vectors[n : n + 1]) for n in range(count)]


def _article(number: int, count: int, chance: np.random.Generator) -> Extraction:
    own = [f"thing {number * NAMES + i}" for i in range(NAMES)]
    others = [f"thing {int(n) % (count * NAMES)}" for n in chance.zipf(1.3, MENTIONS - NAMES) - 1]
    told = [*own, *others]
    words = [name.title() for name in told]
    text = " knows ".join(words) + "."
    id = f"d{number:06}"
    document = Document(id, own[0].title(), text, "made-up.jsonl", "en", f"{number:064x}")
    passage = Passage(f"{id}#0001", id, text, 0, len(text))
    places = np.cumsum([0, *(len(word) + len(" knows ") for word in words)])
    mentions = tuple(
        Mention(name, passage.id, int(places[n]), int(places[n]) + len(words[n]), "MISC", words[n])
        for n, name in enumerate(told)
    )
    facts = tuple(
        Triple(own[0], f"p{n % 40}", told[n + 1], passage.id, 0, len(text), 0.5, "pattern") for n in range(FACTS)
    )
    return Extraction(document, (passage,), ((own[0], own[0].title(), "MISC"),), mentions, facts)


def expansions(graph: Connection, seeds: Sequence[str]) -> list[float]:
    """Milliseconds of finding the names two steps away from each five of ``seeds``, the server being asked in one
    statement; the first five are asked twice and counted once."""
    groups = [seeds[n : n + 5] for n in range(0, len(seeds), 5)]
    taken = []
    for group in [groups[0], *groups]:
        start = time.perf_counter()
        graph._rows(_TWO_STEPS, seeds=list(group))
        taken.append(1000 * (time.perf_counter() - start))
    return taken[1:]


def cleared(graph: Connection) -> None:
    """Empty a database of all that is in it, the store's mark too."""
    while graph.write(lambda tx: run(tx, "MATCH (n) WITH n LIMIT 5000 DETACH DELETE n RETURN count(*)"))[0][0]:
        pass
