"""What one transaction writes to Neo4j: documents with all that was read in them, or their going.

Each begins by raising the store's generation, which locks the store's node: writers wait for each other and not for
the embedding or the reading of anyone, none meets another half way, and four of them make the graph that one makes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, TypeVar

import numpy as np

from graphs.neo4j_connection import Transaction, run
from kgrag.errors import StoreError
from kgrag.protocols import Matrix
from kgrag.types import Extraction

ROWS = 5000
"""Rows of one statement."""
Row = TypeVar("Row")
Given = Sequence[tuple[Extraction, Matrix]]
_LOCK = "MATCH (s:Store {id: 'kgrag'}) SET s.generation = s.generation + $by RETURN s.generation"
_DOCUMENTS = "UNWIND $rows AS row CREATE (d:Document) SET d = row"
_PASSAGES = """
UNWIND $rows AS row MATCH (d:Document {id: row.document_id})
CREATE (p:Passage)-[:PART_OF]->(d) SET p = row"""
_ENTITIES = "UNWIND $rows AS id MERGE (e:Entity {id: id}) ON CREATE SET e.name = id, e.type = 'MISC' SET e.stale = true"
_NAMES = """
UNWIND $rows AS row MATCH (d:Document {id: row.document_id}) MATCH (e:Entity {id: row.entity_id})
CREATE (d)-[:NAMES {name: row.name, type: row.type}]->(e)"""
_MENTIONS = """
UNWIND $rows AS row MATCH (p:Passage {id: row.passage_id}) MATCH (e:Entity {id: row.entity_id})
CREATE (p)-[:MENTIONS {start: row.start, end: row.end, type: row.type, surface: row.surface}]->(e)"""
_FACTS = """
UNWIND $rows AS row MATCH (s:Entity {id: row.subject}) MATCH (o:Entity {id: row.object})
CREATE (s)-[f:FACT]->(o) SET f = row.fact"""
_THERE = "UNWIND $ids AS id MATCH (d:Document {id: id}) RETURN d.id"
# a file that loses a document to another is no longer wholly in the store: it must be read again
_LOST = """
UNWIND $rows AS row MATCH (d:Document {id: row.id}) WHERE d.source <> row.source
MATCH (s:Source {id: d.source}) DELETE s"""
_HELD = "UNWIND $ids AS id MATCH (p:Passage)-[:PART_OF]->(:Document {id: id}) RETURN p.id"
_TOUCHED = (
    "UNWIND $ids AS id MATCH (:Document {id: id})-[:NAMES]->(e:Entity) RETURN DISTINCT e.id",
    "UNWIND $passages AS id MATCH (:Passage {id: id})-[:MENTIONS]->(e:Entity) RETURN DISTINCT e.id",
    "UNWIND $passages AS id MATCH (e:Entity)-[f:FACT]-() WHERE f.passage_id = id RETURN DISTINCT e.id",
)
_GONE = (
    "UNWIND $passages AS id MATCH ()-[f:FACT]->() WHERE f.passage_id = id DELETE f",
    "UNWIND $passages AS id MATCH (p:Passage {id: id}) DETACH DELETE p",
    "UNWIND $ids AS id MATCH (d:Document {id: id}) DETACH DELETE d",
)
_ORPHANS = "UNWIND $rows AS id MATCH (e:Entity {id: id}) WHERE NOT (e)--() DELETE e"
_STALE = "UNWIND $rows AS id MATCH (e:Entity {id: id}) SET e.stale = true"
# its file is no longer wholly in the store, so the next ingest must not take it for unchanged
_UNREAD = (
    """MATCH (d:Document {id: $id}) MATCH (p:Problem {source: d.source})
    WHERE COUNT { MATCH (:Document {source: d.source}) } = 1 DELETE p""",
    "MATCH (d:Document {id: $id}) MATCH (s:Source {id: d.source}) DELETE s",
)


def lock(tx: Transaction, *, by: int = 0) -> None:
    """Wait until no other transaction writes, and raise the generation ``by`` so much.

    Raises:
        StoreError: the store is gone.
    """
    if not run(tx, _LOCK, by=by):
        raise StoreError(
            "The store is gone from the server (someone emptied the database): run this again to make one."
        )


def put(tx: Transaction, given: Given) -> None:
    """Add documents, or replace those of the same ids."""
    lock(tx, by=1)
    latest = {extraction.document.id: (extraction, matrix) for extraction, matrix in given}
    documents = [_document(extraction) for extraction, _ in latest.values()]
    there = [row[0] for row in run(tx, _THERE, ids=list(latest))]
    touched = set[str]()
    if there:
        run(tx, _LOST, rows=documents)
        touched = _remove(tx, there)
    entities: dict[str, None] = {}
    names, mentions, facts = [], [], []
    for extraction, _ in latest.values():
        names += list(_names(extraction))
        mentions += list(_mentions(extraction))
        facts += list(_facts(extraction))
    for row in (*names, *mentions):
        entities[row["entity_id"]] = None
    for row in facts:
        entities |= {row["subject"]: None, row["object"]: None}
    passages = (row for pair in latest.values() for row in _passages(*pair))
    rows: tuple[tuple[str, Iterable[Any]], ...] = (
        (_DOCUMENTS, documents),
        (_PASSAGES, passages),
        (_ENTITIES, entities),
        (_NAMES, names),
        (_MENTIONS, mentions),
        (_FACTS, facts),
    )
    for query, given_rows in rows:
        for block in blocks(given_rows):
            run(tx, query, rows=block)
    _settle(tx, touched.difference(entities))


def forget(tx: Transaction, document_id: str) -> bool:
    """Remove a document and what only it supports; False if there is none of that id."""
    if not run(tx, "MATCH (d:Document {id: $id}) RETURN 1", id=document_id):
        return False
    lock(tx, by=1)
    for query in _UNREAD:
        run(tx, query, id=document_id)
    _settle(tx, _remove(tx, [document_id]))
    return True


def _remove(tx: Transaction, ids: list[str]) -> set[str]:
    """Take documents away but for their entities, and give these."""
    passages = [row[0] for row in run(tx, _HELD, ids=ids)]
    touched = {row[0] for query in _TOUCHED for row in run(tx, query, ids=ids, passages=passages)}
    for query in _GONE:
        run(tx, query, ids=ids, passages=passages)
    return touched


def _settle(tx: Transaction, touched: Iterable[str]) -> None:
    """Entities that lost something: those that nothing speaks of go, the others are to be named anew."""
    for block in blocks(sorted(touched)):
        run(tx, _ORPHANS, rows=block)
        run(tx, _STALE, rows=block)


def _document(extraction: Extraction) -> dict[str, object]:
    document = extraction.document
    fields = {name: getattr(document, name) for name in ("id", "title", "text", "source", "lang", "sha256")}
    entity = extraction.names[0][0] if extraction.names else ""
    return {**fields, "entity_id": entity, "read_by": extraction.read_by}


def _passages(extraction: Extraction, embeddings: Matrix) -> Iterator[dict[str, object]]:
    for passage, vector in zip(extraction.passages, embeddings, strict=True):
        exact = np.asarray(vector, "<f4")
        yield {
            **{name: getattr(passage, name) for name in ("id", "document_id", "start", "end", "text")},
            "embedding": exact.tolist(),  # for the server's own index and for people
            "vector": exact.tobytes(),  # the same, as it is read back: in a hundredth of the time
        }


def _names(extraction: Extraction) -> Iterator[dict[str, Any]]:
    seen: dict[tuple[str, str], str] = {}
    for entity, name, kind in extraction.names:
        if (entity, name) not in seen:
            seen[entity, name] = kind
            yield {"document_id": extraction.document.id, "entity_id": entity, "name": name, "type": kind}


def _mentions(extraction: Extraction) -> Iterator[dict[str, Any]]:
    seen: set[tuple[object, ...]] = set()
    for m in extraction.mentions:
        mark = m.passage_id, m.start, m.end, m.entity_id
        if mark not in seen:
            seen.add(mark)
            yield {name: getattr(m, name) for name in ("entity_id", "passage_id", "start", "end", "type", "surface")}


def _facts(extraction: Extraction) -> Iterator[dict[str, Any]]:
    seen: set[tuple[object, ...]] = set()
    for t in extraction.triples:
        mark = t.passage_id, t.start, t.end, t.subject, t.predicate, t.object
        if mark not in seen:
            seen.add(mark)
            parts = ("predicate", "passage_id", "start", "end", "confidence", "found_by")
            yield {"subject": t.subject, "object": t.object, "fact": {name: getattr(t, name) for name in parts}}


def blocks(rows: Iterable[Row], size: int = ROWS) -> Iterator[list[Row]]:
    """Lists of at most ``size``."""
    rest = iter(rows)
    while block := list(islice(rest, size)):
        yield block
