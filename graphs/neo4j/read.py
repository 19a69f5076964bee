"""Read a store in a Neo4j database, with the same results as `graphs.sqlite.store`.

Rows are sorted here because the server orders strings differently; large results are read in blocks. A server has no
snapshots: callers that read much compare the generation before and after.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping
from contextlib import contextmanager

import numpy as np

from graphs.display_names import document_name_forms, resolve_display_names
from graphs.neo4j.connection import Connection, ResultRow
from kgrag.errors import StoreError
from kgrag.protocols import Matrix
from kgrag.serialize import unpack_metadata
from kgrag.tree import unpack_tree
from kgrag.types import Document, DocumentHeader, DocumentProperties, Entity, Mention, Passage, Triple

ROWS_PER_BLOCK = 1000
"""Number of passages read at once."""
_RETURN_DOCUMENT = "RETURN d.id, d.title, d.text, d.source, d.lang, d.sha256, d.tree, d.metadata"
_RETURN_PASSAGE = "RETURN p.id, p.document_id, p.text, p.start, p.end, p.headings, p.page_starts"
_MATCH_PASSAGES = f"UNWIND $ids AS id MATCH (p:Passage {{id: id}}) {_RETURN_PASSAGE}"
_MATCH_TRIPLES = """
UNWIND $ids AS id MATCH (s:Entity)-[f:FACT]->(o:Entity) WHERE f.passage_id = id
RETURN s.id, f.predicate, o.id, f.passage_id, f.start, f.end, f.confidence, f.found_by"""


class Neo4jReader(Connection):
    """The read methods of a `kgrag.protocols.GraphStore` in a Neo4j database."""

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Do nothing: a server has no snapshots."""
        yield

    @property
    def generation(self) -> int:
        """Number of transactions that changed the content; an index records the generation it was built from."""
        rows = self._query("MATCH (s:Store {id: 'kgrag'}) RETURN s.generation")
        if not rows:
            raise StoreError(
                f"The store is gone from {self.server} (its database was emptied): ingest the documents again."
            )
        return int(rows[0][0])

    def meta(self, key: str) -> str | None:
        """Return a value of the store itself, or None; ``made`` is unique to each store."""
        if key in ("made", "generation"):
            rows = self._query(f"MATCH (s:Store {{id: 'kgrag'}}) RETURN s.{key}")
        else:
            rows = self._query("MATCH (s:Setting {key: $key}) RETURN s.value", key=key)
        return str(rows[0][0]) if rows else None

    def settings(self) -> Mapping[str, str]:
        """Return all values that `set_meta` stored."""
        return dict(sorted(self._query_pairs("MATCH (s:Setting) RETURN s.key, s.value")))

    def sources(self) -> Mapping[str, str]:
        """Map each file that was read completely to the sha256 of its bytes."""
        return dict(sorted(self._query_pairs("MATCH (s:Source) RETURN s.id, s.sha256")))

    def document_ids_by_source(self, sources: Iterable[str]) -> dict[str, list[str]]:
        """Map each given file to the ids of its documents, ordered; [] for a file without documents."""
        ids_by_source: dict[str, list[str]] = {source: [] for source in sources}
        query = "UNWIND $ids AS id MATCH (d:Document {source: id}) RETURN d.source, d.id"
        for source, document in sorted(self._query(query, ids=list(ids_by_source))):
            ids_by_source[source].append(document)
        return ids_by_source

    def problems(self) -> list[tuple[str, int | None, str]]:
        """Return the problems of all files as (source, line or None, message)."""
        rows = self._query("MATCH (p:Problem) RETURN p.source, p.line, p.message")
        return sorted(((s, n, m) for s, n, m in rows), key=lambda p: (p[0], p[1] is not None, p[1] or 0, p[2]))

    def counts(self) -> dict[str, int]:
        """Return the numbers of documents, passages, mentions, distinct entities, triples and typed triples."""
        queries = {
            "documents": "MATCH (d:Document) RETURN count(d)",
            "passages": "MATCH (p:Passage) RETURN count(p)",
            "mentions": "MATCH ()-[m:MENTIONS]->() RETURN count(m)",
            "entities": "MATCH (e:Entity) WHERE (e)<-[:MENTIONS|NAMES]-() RETURN count(e)",
            "triples": "MATCH ()-[f:FACT]->() RETURN count(f)",
            "typed triples": "MATCH ()-[f:FACT]->() WHERE f.predicate <> 'mentions' RETURN count(f)",
        }
        return {name: int(self._query(query)[0][0]) for name, query in queries.items()}

    def documents(self) -> Iterator[Document]:
        """Yield all documents, ordered by id."""
        ids = sorted(row[0] for row in self._query("MATCH (d:Document) RETURN d.id"))
        for rows in self._query_blocks(f"UNWIND $ids AS id MATCH (d:Document {{id: id}}) {_RETURN_DOCUMENT}", ids):
            yield from map(_document_from_row, sorted(rows, key=lambda row: str(row[0])))

    def document(self, document_id: str) -> Document | None:
        """Return one document, or None."""
        rows = self._query(f"MATCH (d:Document {{id: $id}}) {_RETURN_DOCUMENT}", id=document_id)
        return _document_from_row(rows[0]) if rows else None

    def document_headers(self, document_ids: Iterable[str]) -> dict[str, DocumentHeader]:
        """Map document ids to the entity, title and source of each document; unknown ids are left out."""
        query = "UNWIND $ids AS id MATCH (d:Document {id: id}) RETURN d.id, d.entity_id, d.title, d.source"
        return {row[0]: DocumentHeader(*row[1:]) for row in self._query(query, ids=list(document_ids))}

    def document_properties(self) -> Iterator[DocumentProperties]:
        """Yield the identity and the metadata of all documents, ordered by id."""
        rows = self._query("MATCH (d:Document) RETURN d.id, d.title, d.source, d.lang, d.metadata")
        for document_id, title, source, lang, metadata in sorted(rows, key=lambda row: str(row[0])):
            yield DocumentProperties(document_id, title, source, lang, unpack_metadata(metadata))

    def document_hashes(self) -> Mapping[str, str]:
        """Map each document id to the sha256 of title and text, to recognise unchanged documents."""
        return dict(self._query_pairs("MATCH (d:Document) RETURN d.id, d.sha256"))

    def extractors(self) -> Mapping[str, str]:
        """Map each document id to the extractor of its facts: ``rules``, ``llm`` or ``both``."""
        return dict(self._query_pairs("MATCH (d:Document) RETURN d.id, d.read_by"))

    def titles(self) -> Mapping[str, tuple[str, str]]:
        """Map each document id to (entity id of its title, title)."""
        rows = self._query("MATCH (d:Document) RETURN d.id, d.entity_id, d.title")
        return {i: (e, t) for i, e, t in sorted(rows)}

    def sources_by_document(self) -> Mapping[str, str]:
        """Map each document id to the file it came from."""
        return dict(self._query_pairs("MATCH (d:Document) RETURN d.id, d.source"))

    def passage_keys(self) -> list[tuple[str, str]]:
        """Return (passage id, document id) of every passage, in the order of `passages`."""
        return sorted(self._query_pairs("MATCH (p:Passage) RETURN p.id, p.document_id"))

    def passage_count(self) -> int:
        """Return the number of passages."""
        return int(self._query("MATCH (p:Passage) RETURN count(p)")[0][0])

    def document_names(self) -> dict[str, list[str]]:
        """Map each document id to the names of its subject, the title first."""
        return document_name_forms(self.titles(), self.names())

    def passages(self) -> Iterator[Passage]:
        """Yield all passages, ordered by id: the position is the row number in every index."""
        for rows in self._query_blocks(_MATCH_PASSAGES, self._passage_ids()):
            yield from map(_passage_from_row, sorted(rows, key=lambda row: str(row[0])))

    def passages_by_id(self, passage_ids: Iterable[str]) -> dict[str, Passage]:
        """Map passage ids to passages; unknown ids are left out."""
        blocks = self._query_blocks(_MATCH_PASSAGES, list(passage_ids))
        return {row[0]: _passage_from_row(row) for rows in blocks for row in rows}

    def passages_of_document(self, document_id: str) -> list[Passage]:
        """Return the passages of one document, in order."""
        query = f"MATCH (p:Passage)-[:PART_OF]->(:Document {{id: $id}}) {_RETURN_PASSAGE}"
        rows = self._query(query, id=document_id)
        return [_passage_from_row(row) for row in sorted(rows, key=lambda row: str(row[0]))]

    def embeddings(self) -> Matrix:
        """Return the float32 matrix (passages, dimensions), in the order of `passages`."""
        ids = self._passage_ids()
        vectors = np.zeros((len(ids), 0), np.float32)
        row = 0
        for block_rows in self._query_blocks("UNWIND $ids AS id MATCH (p:Passage {id: id}) RETURN p.id, p.vector", ids):
            for _, data in sorted(block_rows):
                vector = np.frombuffer(data, "<f4")
                if not row:
                    vectors = np.zeros((len(ids), len(vector)), np.float32)
                vectors[row] = vector
                row += 1
        return vectors[:row]

    def mentions(self) -> Iterator[Mention]:
        """Yield all mentions, ordered by passage, offset and entity."""
        query = "UNWIND $ids AS id MATCH (p:Passage {id: id})-[m:MENTIONS]->(e:Entity) "
        for rows in self._query_blocks(
            query + "RETURN p.id, m.start, m.end, e.id, m.type, m.surface", self._passage_ids()
        ):
            for passage, start, end, entity, kind, surface in sorted(rows):
                yield Mention(entity, passage, start, end, kind, surface)

    def triples(self) -> Iterator[Triple]:
        """Yield all triples, ordered by passage and offset."""
        for rows in self._query_blocks(_MATCH_TRIPLES, self._passage_ids()):
            yield from _sorted_triples(rows)

    def triples_in(self, passage_ids: Iterable[str]) -> list[Triple]:
        """Return the triples that the given passages state, ordered by passage and offset."""
        ids = sorted(set(passage_ids))
        return [triple for rows in self._query_blocks(_MATCH_TRIPLES, ids) for triple in _sorted_triples(rows)]

    def names(self) -> Iterator[tuple[str, str, str, str]]:
        """Yield all declared names as (document id, entity id, name, type), ordered."""
        rows = self._query("MATCH (d:Document)-[n:NAMES]->(e:Entity) RETURN d.id, e.id, n.name, n.type")
        yield from ((d, e, n, t) for d, e, n, t in sorted(rows))

    def mention_counts(self, *entities: str) -> tuple[int, int]:
        """Return how many mentions the given entities have together, and in how many documents."""
        query = "UNWIND $ids AS id MATCH (p:Passage)-[:MENTIONS]->(:Entity {id: id}) "
        times, documents = self._query(query + "RETURN count(*), count(DISTINCT p.document_id)", ids=[*set(entities)])[
            0
        ]
        return times, documents

    def entity_type_counts(self) -> Iterator[tuple[str, str, int]]:
        """Yield (entity id, type, number of mentions with that type) of every mentioned entity, ordered."""
        rows = self._query("MATCH ()-[m:MENTIONS]->(e:Entity) RETURN e.id, m.type, count(*)")
        yield from ((e, t, n) for e, t, n in sorted(rows))

    def entities_by_surface_form(self, name: str) -> list[str]:
        """Return the entities mentioned with exactly this spelling, ignoring case; the most frequent first.

        Reads all mentions: use it where other lookups return nothing.
        """
        query = "MATCH ()-[m:MENTIONS]->(e:Entity) WHERE toLower(m.surface) = toLower($name) RETURN e.id, count(*)"
        return [row[0] for row in sorted(self._query(query, name=name), key=lambda row: (-row[1], row[0]))]

    def entities(self, entity_ids: Container[str] | None = None) -> Iterator[Entity]:
        """Yield all entities, ordered by id; only those in ``entity_ids``, if given."""
        is_small_set = isinstance(entity_ids, set | frozenset)
        ids = list(entity_ids) if isinstance(entity_ids, set | frozenset) else []
        names, mentions = (self._query(query, ids=ids) for query in spelling_queries(by_ids=is_small_set))
        yield from entities_from_rows(names, mentions, entity_ids)

    def _query_pairs(self, query: str) -> list[tuple[str, str]]:
        return [(first, second) for first, second in self._query(query)]

    def _passage_ids(self) -> list[str]:
        return sorted(row[0] for row in self._query("MATCH (p:Passage) RETURN p.id"))

    def _query_blocks(self, query: str, ids: list[str]) -> Iterator[list[ResultRow]]:
        for start in range(0, len(ids), ROWS_PER_BLOCK):
            yield self._query(query, ids=ids[start : start + ROWS_PER_BLOCK])


def spelling_queries(*, by_ids: bool) -> tuple[str, str]:
    """Return the queries for the arguments of `entities_from_rows`: for the entities ``$ids`` or for all."""
    match_clause = "UNWIND $ids AS id MATCH (e:Entity {id: id})" if by_ids else "MATCH (e:Entity)"
    return (
        f"{match_clause} MATCH (d:Document)-[n:NAMES]->(e) RETURN e.id, n.name, n.type, d.entity_id = e.id",
        f"{match_clause} MATCH ()-[m:MENTIONS]->(e) RETURN e.id, m.surface, m.type, count(*)",
    )


def entities_from_rows(
    names: list[ResultRow], mentions: list[ResultRow], entity_ids: Container[str] | None = None
) -> Iterator[Entity]:
    """Yield the entities with their display names, from the rows of `spelling_queries`."""
    return resolve_display_names(
        ((e, n, t, own) for e, n, t, own in names), ((e, s, t, c) for e, s, t, c in mentions), entity_ids
    )


def _sorted_triples(rows: Iterable[ResultRow]) -> Iterator[Triple]:
    triples = (Triple(*row) for row in rows)
    yield from sorted(triples, key=lambda t: (t.passage_id, t.start, t.end, t.subject, t.predicate, t.object))


def _document_from_row(row: ResultRow) -> Document:
    document_id, title, text, source, lang, sha256, tree, metadata = row  # the last two are null in earlier stores
    return Document(document_id, title, text, source, lang, sha256, unpack_tree(tree), unpack_metadata(metadata))


def _passage_from_row(row: ResultRow) -> Passage:
    passage_id, document_id, text, start, end, headings, page_starts = row
    flat = page_starts or ()
    pages = tuple(zip(flat[::2], flat[1::2], strict=True))
    return Passage(passage_id, document_id, text, start, end, tuple(headings or ()), pages)
