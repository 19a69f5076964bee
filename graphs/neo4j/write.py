"""Write transactions on Neo4j: add documents with their extracted data, or delete them.

Each transaction first raises the store's generation, which locks the store node. Writers therefore wait for each other,
but not for another process's embedding or extraction. Several writers produce the same graph as one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, TypedDict, TypeVar

import numpy as np

from graphs.neo4j.connection import Transaction, run_query
from graphs.vector_replacement import check_generation, check_vector_count
from kgrag.errors import StoreError
from kgrag.protocols import Matrix
from kgrag.serialize import pack_metadata
from kgrag.tree import pack_tree
from kgrag.types import Extraction

MAX_ROWS_PER_STATEMENT = 5000
"""Maximum number of rows in one statement."""
RowT = TypeVar("RowT")
DocumentBatch = Sequence[tuple[Extraction, Matrix]]
_ADVANCE_GENERATION = "MATCH (s:Store {id: 'kgrag'}) SET s.generation = s.generation + $by RETURN s.generation"
_GENERATION_AND_EMBEDDER = """
MATCH (s:Store {id: 'kgrag'}) OPTIONAL MATCH (e:Setting {key: 'embedder'}) RETURN s.generation, e.value"""
_UPDATE_VECTORS = """
UNWIND $rows AS row MATCH (p:Passage {id: row.id})
SET p.embedding = row.embedding, p.vector = row.vector RETURN count(p)"""
_CREATE_DOCUMENTS = "UNWIND $rows AS row CREATE (d:Document) SET d = row"
_CREATE_PASSAGES = """
UNWIND $rows AS row MATCH (d:Document {id: row.document_id})
CREATE (p:Passage)-[:PART_OF]->(d) SET p = row"""
_MERGE_ENTITIES = (
    "UNWIND $rows AS id MERGE (e:Entity {id: id}) ON CREATE SET e.name = id, e.type = 'MISC' SET e.stale = true"
)
_CREATE_NAMES = """
UNWIND $rows AS row MATCH (d:Document {id: row.document_id}) MATCH (e:Entity {id: row.entity_id})
CREATE (d)-[:NAMES {name: row.name, type: row.type}]->(e)"""
_CREATE_MENTIONS = """
UNWIND $rows AS row MATCH (p:Passage {id: row.passage_id}) MATCH (e:Entity {id: row.entity_id})
CREATE (p)-[:MENTIONS {start: row.start, end: row.end, type: row.type, surface: row.surface}]->(e)"""
_CREATE_FACTS = """
UNWIND $rows AS row MATCH (s:Entity {id: row.subject}) MATCH (o:Entity {id: row.object})
CREATE (s)-[f:FACT]->(o) SET f = row.fact"""
_EXISTING_DOCUMENTS = "UNWIND $ids AS id MATCH (d:Document {id: id}) RETURN d.id"
# a file that loses a document to another file is no longer complete in the store: it must be read again
_FORGET_FORMER_SOURCES = """
UNWIND $rows AS row MATCH (d:Document {id: row.id}) WHERE d.source <> row.source
MATCH (s:Source {id: d.source}) DELETE s"""
_PASSAGES_OF_DOCUMENTS = "UNWIND $ids AS id MATCH (p:Passage)-[:PART_OF]->(:Document {id: id}) RETURN p.id"
_AFFECTED_ENTITIES = (
    "UNWIND $ids AS id MATCH (:Document {id: id})-[:NAMES]->(e:Entity) RETURN DISTINCT e.id",
    "UNWIND $passages AS id MATCH (:Passage {id: id})-[:MENTIONS]->(e:Entity) RETURN DISTINCT e.id",
    "UNWIND $passages AS id MATCH (e:Entity)-[f:FACT]-() WHERE f.passage_id = id RETURN DISTINCT e.id",
)
_DELETE_DOCUMENTS = (
    "UNWIND $passages AS id MATCH ()-[f:FACT]->() WHERE f.passage_id = id DELETE f",
    "UNWIND $passages AS id MATCH (p:Passage {id: id}) DETACH DELETE p",
    "UNWIND $ids AS id MATCH (d:Document {id: id}) DETACH DELETE d",
)
_DELETE_ORPHANS = "UNWIND $rows AS id MATCH (e:Entity {id: id}) WHERE NOT (e)--() DELETE e"
_MARK_STALE = "UNWIND $rows AS id MATCH (e:Entity {id: id}) SET e.stale = true"
# its file is no longer complete in the store, so the next ingest must not consider it unchanged
_FORGET_SOURCE = (
    """MATCH (d:Document {id: $id}) MATCH (p:Problem {source: d.source})
    WHERE COUNT { MATCH (:Document {source: d.source}) } = 1 DELETE p""",
    "MATCH (d:Document {id: $id}) MATCH (s:Source {id: d.source}) DELETE s",
)


class NameRow(TypedDict):
    """A declared name of an entity in a document."""

    document_id: str
    entity_id: str
    name: str
    type: str


class MentionRow(TypedDict):
    """A mention, with the fields of `kgrag.types.Mention`."""

    entity_id: str
    passage_id: str
    start: int
    end: int
    type: str
    surface: str


class FactRow(TypedDict):
    """A fact: the ids of both entities, and the properties of the edge between them."""

    subject: str
    object: str
    fact: dict[str, str | float]


def lock_store(tx: Transaction, *, by: int = 0) -> None:
    """Wait until no other transaction writes, and raise the generation by ``by``.

    Raises:
        StoreError: the database was emptied.
    """
    if not run_query(tx, _ADVANCE_GENERATION, by=by):
        raise StoreError("The store is gone from the server (its database was emptied): run this again to create one.")


def put_documents(tx: Transaction, batch: DocumentBatch) -> None:
    """Add documents, or replace those with the same ids."""
    lock_store(tx, by=1)
    latest = {extraction.document.id: (extraction, matrix) for extraction, matrix in batch}
    documents = [_document_row(extraction) for extraction, _ in latest.values()]
    existing_ids = [row[0] for row in run_query(tx, _EXISTING_DOCUMENTS, ids=list(latest))]
    affected_ids = set[str]()
    if existing_ids:
        run_query(tx, _FORGET_FORMER_SOURCES, rows=documents)
        affected_ids = _remove_documents(tx, existing_ids)
    entities: dict[str, None] = {}
    names, mentions, facts = [], [], []
    for extraction, _ in latest.values():
        names += list(_name_rows(extraction))
        mentions += list(_mention_rows(extraction))
        facts += list(_fact_rows(extraction))
    for row in (*names, *mentions):
        entities[row["entity_id"]] = None
    for fact in facts:
        entities |= {fact["subject"]: None, fact["object"]: None}
    passages = (row for pair in latest.values() for row in _passage_rows(*pair))
    statements: tuple[tuple[str, Iterable[Any]], ...] = (
        (_CREATE_DOCUMENTS, documents),
        (_CREATE_PASSAGES, passages),
        (_MERGE_ENTITIES, entities),
        (_CREATE_NAMES, names),
        (_CREATE_MENTIONS, mentions),
        (_CREATE_FACTS, facts),
    )
    for query, statement_rows in statements:
        for block in split_blocks(statement_rows):
            run_query(tx, query, rows=block)
    _clean_up_entities(tx, affected_ids.difference(entities))


def remove_document(tx: Transaction, document_id: str) -> bool:
    """Delete a document and all data that only it supports; return False if the id is unknown."""
    if not run_query(tx, "MATCH (d:Document {id: $id}) RETURN 1", id=document_id):
        return False
    lock_store(tx, by=1)
    for query in _FORGET_SOURCE:
        run_query(tx, query, id=document_id)
    _clean_up_entities(tx, _remove_documents(tx, [document_id]))
    return True


def replace_vectors(tx: Transaction, embedder: str, vectors: Sequence[tuple[str, Matrix]], generation: int) -> None:
    """Replace the vectors of all passages and record their embedder, if the store is still at ``generation``."""
    lock_store(tx, by=1)
    found = run_query(tx, _GENERATION_AND_EMBEDDER)[0]
    if found == (generation + 2, embedder):
        lock_store(tx, by=-1)  # a repeated transaction, whose first commit succeeded
        return
    check_generation(found[0] - 1, generation)
    updated_count = 0
    for block in split_blocks(vectors):
        rows = [{"id": passage_id, **_vector_fields(vector)} for passage_id, vector in block]
        updated_count += run_query(tx, _UPDATE_VECTORS, rows=rows)[0][0]
    check_vector_count(updated_count, run_query(tx, "MATCH (p:Passage) RETURN count(p)")[0][0])
    run_query(tx, "MERGE (s:Setting {key: 'embedder'}) SET s.value = $value", value=embedder)


def _remove_documents(tx: Transaction, ids: list[str]) -> set[str]:
    """Delete documents without their entities, and return the ids of these entities."""
    passages = [row[0] for row in run_query(tx, _PASSAGES_OF_DOCUMENTS, ids=ids)]
    affected_ids = {row[0] for query in _AFFECTED_ENTITIES for row in run_query(tx, query, ids=ids, passages=passages)}
    for query in _DELETE_DOCUMENTS:
        run_query(tx, query, ids=ids, passages=passages)
    return affected_ids


def _clean_up_entities(tx: Transaction, affected_ids: Iterable[str]) -> None:
    """Delete affected entities that have no documents left, and mark the others for new display names."""
    for block in split_blocks(sorted(affected_ids)):
        run_query(tx, _DELETE_ORPHANS, rows=block)
        run_query(tx, _MARK_STALE, rows=block)


def _document_row(extraction: Extraction) -> dict[str, object]:
    document = extraction.document
    fields = {name: getattr(document, name) for name in ("id", "title", "text", "source", "lang", "sha256")}
    entity = extraction.names[0][0] if extraction.names else ""
    structure = {"tree": pack_tree(document.tree), "metadata": pack_metadata(document.metadata)}
    return {**fields, **structure, "entity_id": entity, "read_by": extraction.extractor}


def _passage_rows(extraction: Extraction, embeddings: Matrix) -> Iterator[dict[str, object]]:
    for passage, vector in zip(extraction.passages, embeddings, strict=True):
        yield {
            **{name: getattr(passage, name) for name in ("id", "document_id", "start", "end", "text")},
            "headings": list(passage.headings),
            "page_starts": [number for pair in passage.page_starts for number in pair],  # no nested lists
            **_vector_fields(vector),
        }


def _vector_fields(vector: Matrix) -> dict[str, object]:
    exact = np.asarray(vector, "<f4")
    return {
        "embedding": exact.tolist(),  # for the server's vector index and for readable queries
        "vector": exact.tobytes(),  # the same values, read back in a hundredth of the time
    }


def _name_rows(extraction: Extraction) -> Iterator[NameRow]:
    seen: dict[tuple[str, str], str] = {}
    for entity, name, kind in extraction.names:
        if (entity, name) not in seen:
            seen[entity, name] = kind
            yield {"document_id": extraction.document.id, "entity_id": entity, "name": name, "type": kind}


def _mention_rows(extraction: Extraction) -> Iterator[MentionRow]:
    seen: set[tuple[object, ...]] = set()
    for m in extraction.mentions:
        identity = m.passage_id, m.start, m.end, m.entity_id
        if identity not in seen:
            seen.add(identity)
            yield {
                "entity_id": m.entity_id,
                "passage_id": m.passage_id,
                "start": m.start,
                "end": m.end,
                "type": m.type,
                "surface": m.surface,
            }


def _fact_rows(extraction: Extraction) -> Iterator[FactRow]:
    seen: set[tuple[object, ...]] = set()
    for t in extraction.triples:
        identity = t.passage_id, t.start, t.end, t.subject, t.predicate, t.object
        if identity not in seen:
            seen.add(identity)
            field_names = ("predicate", "passage_id", "start", "end", "confidence", "found_by")
            yield {"subject": t.subject, "object": t.object, "fact": {name: getattr(t, name) for name in field_names}}


def split_blocks(rows: Iterable[RowT], size: int = MAX_ROWS_PER_STATEMENT) -> Iterator[list[RowT]]:
    """Yield lists of at most ``size`` rows."""
    remaining = iter(rows)
    while block := list(islice(remaining, size)):
        yield block
