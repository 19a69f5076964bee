"""Store the graph in one SQLite file: the default store, with a transaction per document and no duplicated data.

Passages, mentions and triples are spans of a document's text, which is stored once. All data of a document reference
its row and are deleted with it. Entities are not rows: an entity exists while some document names it. Deleting a
document therefore leaves exactly the store that never contained it.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Container, Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from graphs.display_names import document_name_forms, resolve_display_names
from graphs.sqlite.connection import BUSY_TIMEOUT_SECONDS
from graphs.sqlite.schema import APPLICATION_ID, SCHEMA, VERSION
from graphs.sqlite.sources import SourceRenaming
from graphs.vector_replacement import check_generation, check_vector_count
from kgrag.protocols import Matrix, SourceRecord
from kgrag.serialize import pack_metadata, unpack_metadata
from kgrag.tree import pack_tree, unpack_tree
from kgrag.types import Document, DocumentHeader, DocumentProperties, Entity, Extraction, Mention, Passage, Triple

MAX_SINGLE_LOOKUPS = 500
"""Maximum number of entities that a query looks up by id."""
_JSON_VALUES = "(SELECT value FROM json_each(?))"
"""Any number of ids, as one parameter."""
_SELECT_DOCUMENT = "SELECT id, title, text, source, lang, sha256, tree, metadata FROM documents"
_SELECT_PASSAGE = "SELECT id, document_id, start, end, headings, page_starts FROM passages"
__all__ = ["APPLICATION_ID", "BUSY_TIMEOUT_SECONDS", "SCHEMA", "VERSION", "SQLiteGraph"]


class SQLiteGraph(SourceRenaming):
    """A `kgrag.protocols.GraphStore` in the file ``path``.

    Raises:
        StoreError: the file is not a store, is damaged, or has another version; on a write, the disk is full or another
            process holds the lock.
    """

    passages_per_transaction = 1

    # --- writing -------------------------------------------------------------------------------------------------

    def put(self, extraction: Extraction, embeddings: Matrix) -> None:
        """Add a document, or replace the one with the same id, in one transaction."""
        self.put_many([(extraction, embeddings)])

    def put_many(self, documents: Iterable[tuple[Extraction, Matrix]]) -> None:
        """Put several documents in one transaction: all of them or none."""
        with self._transaction() as db:
            for extraction, embeddings in documents:
                self._put(db, extraction, embeddings)

    def _put(self, db: sqlite3.Connection, extraction: Extraction, embeddings: Matrix) -> None:
        document = extraction.document
        entity = extraction.names[0][0] if extraction.names else ""
        # a file that loses a document to another file is no longer complete in the store: it must be read again
        delete_former_source = (
            "DELETE FROM sources WHERE id = (SELECT source FROM documents WHERE id = ? AND source != ?)"
        )
        db.execute(delete_former_source, (document.id, document.source))
        db.execute("DELETE FROM documents WHERE id = ?", (document.id,))
        db.execute(
            "INSERT INTO documents VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(getattr(document, f) for f in ("id", "title", "text", "source", "lang", "sha256")),
                entity,
                extraction.extractor,
                pack_tree(document.tree),
                pack_metadata(document.metadata),
            ),
        )
        db.executemany(
            "INSERT INTO passages VALUES(?, ?, ?, ?, ?, ?, ?)",
            [
                (
                    p.id,
                    document.id,
                    p.start,
                    p.end,
                    np.asarray(vector, "<f4").tobytes(),
                    json.dumps(p.headings, ensure_ascii=False),
                    json.dumps(p.page_starts),
                )
                for p, vector in zip(extraction.passages, embeddings, strict=True)
            ],
        )
        db.executemany("INSERT OR IGNORE INTO names VALUES(?, ?, ?, ?)", [(document.id, *n) for n in extraction.names])
        db.executemany(
            "INSERT OR IGNORE INTO mentions VALUES(?, ?, ?, ?, ?, ?)",
            [(m.passage_id, m.start, m.end, m.entity_id, m.type, m.surface) for m in extraction.mentions],
        )
        db.executemany(
            "INSERT OR IGNORE INTO triples VALUES(?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (t.passage_id, t.start, t.end, t.subject, t.predicate, t.object, t.confidence, t.found_by)
                for t in extraction.triples
            ],
        )

    def forget(self, document_id: str) -> bool:
        """Delete a document and all data that only it supports; return False if the id is unknown."""
        if self.document(document_id) is None:
            return False
        with self._transaction() as db:
            # its file is no longer complete in the store, so the next ingest must not consider it unchanged
            source_query = "(SELECT source FROM documents WHERE id = ?)"
            db.execute(f"DELETE FROM sources WHERE id = {source_query}", (document_id,))
            is_only_document = f"(SELECT count(*) FROM documents WHERE source = {source_query}) = 1"
            db.execute(
                f"DELETE FROM problems WHERE source = {source_query} AND {is_only_document}", (document_id, document_id)
            )
            db.execute("DELETE FROM documents WHERE id = ?", (document_id,))
        return True

    def refresh_display_names(self) -> None:
        """Do nothing: a file has no denormalised display names."""

    def set_meta(self, key: str, value: str) -> None:
        """Store a value about the store itself (such as its embedder)."""
        with self._transaction(bump=False) as db:
            db.execute("INSERT OR REPLACE INTO meta VALUES(?, ?)", (key, value))

    def mark_sources_read(self, records: Iterable[SourceRecord]) -> None:
        """Record that files were read completely, and replace their recorded problems."""
        with self._transaction(bump=False) as db:
            for source, sha256, problems in records:
                db.execute("INSERT OR REPLACE INTO sources VALUES(?, ?)", (source, sha256))
                db.execute("DELETE FROM problems WHERE source = ?", (source,))
                db.executemany("INSERT INTO problems VALUES(?, ?, ?)", [(source, *p) for p in problems])

    def forget_source(self, source: str) -> None:
        """Delete a source and its recorded problems."""
        with self._transaction(bump=False) as db:
            db.execute("DELETE FROM sources WHERE id = ?", (source,))
            db.execute("DELETE FROM problems WHERE source = ?", (source,))

    def replace_embeddings(self, embedder: str, vectors: Iterable[tuple[str, Matrix]], generation: int) -> None:
        """Replace the vectors of all passages and record their embedder, in one transaction."""
        with self._transaction() as db:
            check_generation(self.generation, generation)
            update_query = "UPDATE passages SET embedding = ? WHERE id = ?"
            updated_count = sum(
                db.execute(update_query, (np.asarray(v, "<f4").tobytes(), i)).rowcount for i, v in vectors
            )
            check_vector_count(updated_count, self.passage_count())
            db.execute("INSERT OR REPLACE INTO meta VALUES('embedder', ?)", (embedder,))

    # --- reading -------------------------------------------------------------------------------------------------

    @property
    def generation(self) -> int:
        """Number of transactions that changed the content; an index records the generation it was built from."""
        return int(self.meta("generation") or 0)

    def meta(self, key: str) -> str | None:
        """Return a value of the store itself, or None; ``made`` is unique to each store."""
        row = next(self._query("SELECT value FROM meta WHERE key = ?", key), None)
        return None if row is None else str(row[0])

    def settings(self) -> Mapping[str, str]:
        """Return all values that `set_meta` stored."""
        return dict(self._query("SELECT key, value FROM meta WHERE key NOT IN ('made', 'generation') ORDER BY key"))

    def sources(self) -> Mapping[str, str]:
        """Map each file that was read completely to the sha256 of its bytes."""
        return dict(self._query("SELECT id, sha256 FROM sources"))

    def document_ids_by_source(self, sources: Iterable[str]) -> dict[str, list[str]]:
        """Map each given file to the ids of its documents, ordered; [] for a file without documents."""
        ids_by_source: dict[str, list[str]] = {source: [] for source in sources}
        query = f"SELECT source, id FROM documents WHERE source IN {_JSON_VALUES} ORDER BY id"
        for source, document in self._query(query, json.dumps(list(ids_by_source))):
            ids_by_source[source].append(document)
        return ids_by_source

    def problems(self) -> list[tuple[str, int | None, str]]:
        """Return the problems of all files as (source, line or None, message)."""
        return [(s, n, m) for s, n, m in self._query("SELECT * FROM problems ORDER BY source, line")]

    def counts(self) -> dict[str, int]:
        """Return the numbers of documents, passages, mentions, distinct entities, triples and typed triples."""
        tables = {t: next(self._query(f"SELECT count(*) FROM {t}"))[0] for t in ("documents", "passages", "mentions")}
        entities = "SELECT count(*) FROM (SELECT entity_id FROM mentions UNION SELECT entity_id FROM names)"
        triples = "SELECT count(*), coalesce(sum(predicate != 'mentions'), 0) FROM triples"
        total, typed = next(self._query(triples))
        return {**tables, "entities": next(self._query(entities))[0], "triples": total, "typed triples": typed}

    def documents(self) -> Iterator[Document]:
        """Yield all documents, ordered by id."""
        for row in self._query(f"{_SELECT_DOCUMENT} ORDER BY id"):
            yield _document_from_row(row)

    def document(self, document_id: str) -> Document | None:
        """Return one document, or None."""
        row = next(self._query(f"{_SELECT_DOCUMENT} WHERE id = ?", document_id), None)
        return None if row is None else _document_from_row(row)

    def document_headers(self, document_ids: Iterable[str]) -> dict[str, DocumentHeader]:
        """Map document ids to the entity, title and source of each document; unknown ids are left out."""
        query = f"SELECT id, entity_id, title, source FROM documents WHERE id IN {_JSON_VALUES}"
        return {row[0]: DocumentHeader(*row[1:]) for row in self._query(query, json.dumps(list(document_ids)))}

    def document_properties(self) -> Iterator[DocumentProperties]:
        """Yield the identity and the metadata of all documents, ordered by id."""
        query = "SELECT id, title, source, lang, metadata FROM documents ORDER BY id"
        for document_id, title, source, lang, metadata in self._query(query):
            yield DocumentProperties(document_id, title, source, lang, unpack_metadata(metadata))

    def document_hashes(self) -> Mapping[str, str]:
        """Map each document id to the sha256 of title and text, to recognise unchanged documents."""
        return dict(self._query("SELECT id, sha256 FROM documents"))

    def extractors(self) -> Mapping[str, str]:
        """Map each document id to the extractor of its facts: ``rules``, ``llm`` or ``both``."""
        return dict(self._query("SELECT id, read_by FROM documents"))

    def titles(self) -> Mapping[str, tuple[str, str]]:
        """Map each document id to (entity id of its title, title)."""
        return {i: (e, t) for i, e, t in self._query("SELECT id, entity_id, title FROM documents")}

    def sources_by_document(self) -> Mapping[str, str]:
        """Map each document id to the file it came from."""
        return dict(self._query("SELECT id, source FROM documents"))

    def passages(self) -> Iterator[Passage]:
        """Yield all passages, ordered by id: the position is the row number in every index."""
        texts: dict[str, str] = {}
        for row in self._query(f"{_SELECT_PASSAGE} ORDER BY id"):
            document_id = row[1]
            if document_id not in texts:
                texts = {document_id: next(self._query("SELECT text FROM documents WHERE id = ?", document_id))[0]}
            yield _passage_from_row(row, texts)

    def passage_count(self) -> int:
        """Return the number of passages."""
        return int(next(self._query("SELECT count(*) FROM passages"))[0])

    def document_names(self) -> dict[str, list[str]]:
        """Map each document id to the names of its subject, the title first."""
        return document_name_forms(self.titles(), self.names())

    def passage_keys(self) -> list[tuple[str, str]]:
        """Return (passage id, document id) of every passage, in the order of `passages`."""
        # from the index alone: the table itself has gigabytes of vectors
        query = "SELECT id, document_id FROM passages INDEXED BY passages_document ORDER BY id"
        return [(p, d) for p, d in self._query(query)]

    def passages_by_id(self, passage_ids: Iterable[str]) -> dict[str, Passage]:
        """Map passage ids to passages; unknown ids are left out."""
        query = f"{_SELECT_PASSAGE} WHERE id IN {_JSON_VALUES}"
        rows = list(self._query(query, json.dumps(list(passage_ids))))
        query = f"SELECT id, text FROM documents WHERE id IN {_JSON_VALUES}"
        texts = dict(self._query(query, json.dumps([*{row[1] for row in rows}])))
        return {row[0]: _passage_from_row(row, texts) for row in rows}

    def passages_of_document(self, document_id: str) -> list[Passage]:
        """Return the passages of one document, in order."""
        ids = [row[0] for row in self._query("SELECT id FROM passages WHERE document_id = ? ORDER BY id", document_id)]
        passages = self.passages_by_id(ids)
        return [passages[i] for i in ids if i in passages]

    def triples_in(self, passage_ids: Iterable[str]) -> list[Triple]:
        """Return the triples that the given passages state, ordered by passage and offset."""
        query = "SELECT subject, predicate, object, passage_id, start, end, confidence, found_by FROM triples"
        order = f" WHERE passage_id IN {_JSON_VALUES} ORDER BY passage_id, start, end, subject, predicate, object"
        return [Triple(*row) for row in self._query(query + order, json.dumps(list(passage_ids)))]

    def embeddings(self) -> Matrix:
        """Return the float32 matrix (passages, dimensions), in the order of `passages`."""
        with self.snapshot():
            blob_length = next(self._query("SELECT length(embedding) FROM passages LIMIT 1"), (0,))[0]
            # filled row by row: a list of rows and their concatenation would take the same memory twice more
            vectors = np.zeros((self.passage_count(), blob_length // 4), np.float32)
            for row, (blob,) in enumerate(self._query("SELECT embedding FROM passages ORDER BY id")):
                vectors[row] = np.frombuffer(blob, "<f4")
        return vectors

    def mentions(self) -> Iterator[Mention]:
        """Yield all mentions, ordered by passage, offset and entity."""
        query = "SELECT entity_id, passage_id, start, end, type, surface FROM mentions"
        for row in self._query(query + " ORDER BY passage_id, start, end, entity_id"):
            yield Mention(*row)

    def triples(self) -> Iterator[Triple]:
        """Yield all triples, ordered by passage and offset."""
        query = "SELECT subject, predicate, object, passage_id, start, end, confidence, found_by FROM triples"
        for row in self._query(query + " ORDER BY passage_id, start, end, subject, predicate, object"):
            yield Triple(*row)

    def names(self) -> Iterator[tuple[str, str, str, str]]:
        """Yield all declared names as (document id, entity id, name, type), ordered."""
        yield from self._query("SELECT document_id, entity_id, name, type FROM names ORDER BY 1, 2, 3")

    def mention_counts(self, *entities: str) -> tuple[int, int]:
        """Return how many mentions the given entities have together, and in how many documents."""
        query = "SELECT count(*), count(DISTINCT document_id) FROM mentions JOIN passages ON id = passage_id"
        times, documents = next(
            self._query(f"{query} WHERE entity_id IN ({', '.join('?' * len(entities))})", *entities)
        )
        return times, documents

    def entity_type_counts(self) -> Iterator[tuple[str, str, int]]:
        """Yield (entity id, type, number of mentions with that type) of every mentioned entity, ordered."""
        yield from self._query("SELECT entity_id, type, count(*) FROM mentions GROUP BY 1, 2 ORDER BY 1, 2")

    def entities_by_surface_form(self, name: str) -> list[str]:
        """Return the entities mentioned with exactly this spelling, ignoring case; the most frequent first.

        Reads all mentions: use it where other lookups return nothing.
        """
        query = "SELECT entity_id FROM mentions WHERE surface = ? COLLATE NOCASE GROUP BY 1 ORDER BY -count(*), 1"
        return [row[0] for row in self._query(query, name)]

    def entities(self, entity_ids: Container[str] | None = None) -> Iterator[Entity]:
        """Yield all entities, ordered by id; only those in ``entity_ids``, if given."""
        looked_up_ids = (
            tuple(entity_ids)
            if isinstance(entity_ids, set | frozenset) and len(entity_ids) <= MAX_SINGLE_LOOKUPS
            else ()
        )
        # for a few entities, query only their rows: sorting all names of a large store takes seconds
        where = f" WHERE entity_id IN ({', '.join('?' * len(looked_up_ids))})" if looked_up_ids else ""
        is_own_name = "(SELECT entity_id FROM documents WHERE id = document_id) = entity_id"
        names = self._query(f"SELECT entity_id, name, type, {is_own_name} FROM names{where}", *looked_up_ids)
        query = f"SELECT entity_id, surface, type, count(*) FROM mentions{where} GROUP BY 1, 2, 3"
        yield from resolve_display_names(names, self._query(query, *looked_up_ids), entity_ids)


def _document_from_row(row: tuple[Any, ...]) -> Document:
    document_id, title, text, source, lang, sha256, tree, metadata = row
    return Document(document_id, title, text, source, lang, sha256, unpack_tree(tree), unpack_metadata(metadata))


def _passage_from_row(row: tuple[Any, ...], texts: Mapping[str, str]) -> Passage:
    passage_id, document_id, start, end, headings, page_starts = row
    text = texts[document_id][start:end]
    pages = tuple((offset, page) for offset, page in json.loads(page_starts))
    return Passage(passage_id, document_id, text, start, end, tuple(json.loads(headings)), pages)
