"""The default store: one SQLite file, one transaction a document, nothing kept twice.

Passages, mentions and triples are spans of a document's text, so the text stands once; everything a document
brought hangs on its row and goes with it. Entities are not rows: an entity is whatever the remaining documents
name, so forgetting a document leaves exactly the store that never knew it.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Container, Iterable, Iterator, Mapping

import numpy as np

from graphs.display_names import document_name_forms, resolve_display_names
from graphs.sqlite.connection import BUSY_TIMEOUT_SECONDS, Database
from graphs.sqlite.schema import APPLICATION_ID, SCHEMA, VERSION
from kgrag.errors import StoreError
from kgrag.protocols import Matrix, SourceRecord
from kgrag.types import Document, DocumentHeader, Entity, Extraction, Mention, Passage, Triple

MAX_SINGLE_LOOKUPS = 500
"""Entities up to which they are looked up one by one."""
_JSON_VALUES = "(SELECT value FROM json_each(?))"
"""As many ids as one likes, as one parameter."""
__all__ = ["APPLICATION_ID", "BUSY_TIMEOUT_SECONDS", "SCHEMA", "VERSION", "SQLiteGraph"]


class SQLiteGraph(Database):
    """A `Graph` in the file ``path``; see `kgrag.protocols.Graph` for what each method promises.

    Raises:
        StoreError: the file is no store, is damaged, or was written by another version; on a write, the disk is
            full or another process holds the store.
    """

    passages_per_transaction = 1

    # --- writing -------------------------------------------------------------------------------------------------

    def put(self, extraction: Extraction, embeddings: Matrix) -> None:
        """Add a document, or replace the one of the same id, in one transaction."""
        self.put_many([(extraction, embeddings)])

    def put_many(self, documents: Iterable[tuple[Extraction, Matrix]]) -> None:
        """`put` several, all in one transaction: all of them, or none."""
        with self._transaction() as db:
            for extraction, embeddings in documents:
                self._put(db, extraction, embeddings)

    def _put(self, db: sqlite3.Connection, extraction: Extraction, embeddings: Matrix) -> None:
        document = extraction.document
        entity = extraction.names[0][0] if extraction.names else ""
        # a file that loses a document to another is no longer wholly in the store: it must be read again
        delete_former_source = (
            "DELETE FROM sources WHERE id = (SELECT source FROM documents WHERE id = ? AND source != ?)"
        )
        db.execute(delete_former_source, (document.id, document.source))
        db.execute("DELETE FROM documents WHERE id = ?", (document.id,))
        db.execute(
            "INSERT INTO documents VALUES(?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(getattr(document, f) for f in ("id", "title", "text", "source", "lang", "sha256")),
                entity,
                extraction.extractor,
            ),
        )
        db.executemany(
            "INSERT INTO passages VALUES(?, ?, ?, ?, ?)",
            [
                (p.id, document.id, p.start, p.end, np.asarray(vector, "<f4").tobytes())
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
        """Remove a document with its passages, vectors, names, mentions and triples, in one transaction."""
        if self.document(document_id) is None:
            return False
        with self._transaction() as db:
            # its file is no longer wholly in the store, so the next ingest must not take it for unchanged
            source_query = "(SELECT source FROM documents WHERE id = ?)"
            db.execute(f"DELETE FROM sources WHERE id = {source_query}", (document_id,))
            is_only_document = f"(SELECT count(*) FROM documents WHERE source = {source_query}) = 1"
            db.execute(
                f"DELETE FROM problems WHERE source = {source_query} AND {is_only_document}", (document_id, document_id)
            )
            db.execute("DELETE FROM documents WHERE id = ?", (document_id,))
        return True

    def refresh_display_names(self) -> None:
        """Nothing: a file keeps nothing twice."""

    def set_meta(self, key: str, value: str) -> None:
        """Keep a fact about the store itself (such as its embedder)."""
        with self._transaction(bump=False) as db:
            db.execute("INSERT OR REPLACE INTO meta VALUES(?, ?)", (key, value))

    def mark_sources_read(self, records: Iterable[SourceRecord]) -> None:
        """Note that files were read to their ends, with what could not be read in them."""
        with self._transaction(bump=False) as db:
            for source, sha256, problems in records:
                db.execute("INSERT OR REPLACE INTO sources VALUES(?, ?)", (source, sha256))
                db.execute("DELETE FROM problems WHERE source = ?", (source,))
                db.executemany("INSERT INTO problems VALUES(?, ?, ?)", [(source, *p) for p in problems])

    def forget_source(self, source: str) -> None:
        """Unlearn that a file was read, and what could not be read in it."""
        with self._transaction(bump=False) as db:
            db.execute("DELETE FROM sources WHERE id = ?", (source,))
            db.execute("DELETE FROM problems WHERE source = ?", (source,))

    def replace_embeddings(self, embedder: str, vectors: Iterable[tuple[str, Matrix]]) -> None:
        """Replace the vector of every passage by another embedder's, and note that one, in one transaction.

        Args:
            embedder: its name, as `meta` has it.
            vectors: passage id -> its vector, of every passage.

        Raises:
            StoreError: some passage got none; nothing was changed.
        """
        with self._transaction() as db:
            update_query = "UPDATE passages SET embedding = ? WHERE id = ?"
            updated_count = sum(
                db.execute(update_query, (np.asarray(v, "<f4").tobytes(), i)).rowcount for i, v in vectors
            )
            if updated_count != self.passage_count():
                raise StoreError(
                    f"{updated_count:,} of {self.passage_count():,} passages got a vector, so none did: run it again."
                )
            db.execute("INSERT OR REPLACE INTO meta VALUES('embedder', ?)", (embedder,))

    # --- reading -------------------------------------------------------------------------------------------------

    @property
    def generation(self) -> int:
        """How many transactions have changed the content."""
        return int(self.meta("generation") or 0)

    def meta(self, key: str) -> str | None:
        """A fact about the store itself, or None."""
        row = next(self._query("SELECT value FROM meta WHERE key = ?", key), None)
        return None if row is None else str(row[0])

    def settings(self) -> Mapping[str, str]:
        """All that `set_meta` kept."""
        return dict(self._query("SELECT key, value FROM meta WHERE key NOT IN ('made', 'generation') ORDER BY key"))

    def sources(self) -> Mapping[str, str]:
        """Files that were read to their end: id -> sha256 of the bytes."""
        return dict(self._query("SELECT id, sha256 FROM sources"))

    def document_ids_by_source(self, sources: Iterable[str]) -> dict[str, list[str]]:
        """file -> ids of the documents that came from it, ordered; of every file that is named."""
        ids_by_source: dict[str, list[str]] = {source: [] for source in sources}
        query = f"SELECT source, id FROM documents WHERE source IN {_JSON_VALUES} ORDER BY id"
        for source, document in self._query(query, json.dumps(list(ids_by_source))):
            ids_by_source[source].append(document)
        return ids_by_source

    def problems(self) -> list[tuple[str, int | None, str]]:
        """What could not be read: (source, line or None, why)."""
        return [(s, n, m) for s, n, m in self._query("SELECT * FROM problems ORDER BY source, line")]

    def counts(self) -> dict[str, int]:
        """How many rows of each kind there are; ``entities`` counts distinct ones."""
        tables = {t: next(self._query(f"SELECT count(*) FROM {t}"))[0] for t in ("documents", "passages", "mentions")}
        entities = "SELECT count(*) FROM (SELECT entity_id FROM mentions UNION SELECT entity_id FROM names)"
        triples = "SELECT count(*), coalesce(sum(predicate != 'mentions'), 0) FROM triples"
        total, typed = next(self._query(triples))
        return {**tables, "entities": next(self._query(entities))[0], "triples": total, "typed triples": typed}

    def documents(self) -> Iterator[Document]:
        """All documents, ordered by id."""
        for row in self._query("SELECT id, title, text, source, lang, sha256 FROM documents ORDER BY id"):
            yield Document(*row)

    def document(self, document_id: str) -> Document | None:
        """One document, or None."""
        query = "SELECT id, title, text, source, lang, sha256 FROM documents WHERE id = ?"
        row = next(self._query(query, document_id), None)
        return None if row is None else Document(*row)

    def document_headers(self, document_ids: Iterable[str]) -> dict[str, DocumentHeader]:
        """document id -> what stands above its text; of those that are not there, nothing."""
        query = f"SELECT id, entity_id, title, source FROM documents WHERE id IN {_JSON_VALUES}"
        return {row[0]: DocumentHeader(*row[1:]) for row in self._query(query, json.dumps(list(document_ids)))}

    def document_hashes(self) -> Mapping[str, str]:
        """document id -> sha256 of title and text."""
        return dict(self._query("SELECT id, sha256 FROM documents"))

    def extractors(self) -> Mapping[str, str]:
        """document id -> who looked for its facts: ``rules``, ``llm`` or ``both``."""
        return dict(self._query("SELECT id, read_by FROM documents"))

    def titles(self) -> Mapping[str, tuple[str, str]]:
        """document id -> (entity id of its title, title)."""
        return {i: (e, t) for i, e, t in self._query("SELECT id, entity_id, title FROM documents")}

    def sources_by_document(self) -> Mapping[str, str]:
        """document id -> the file it came from."""
        return dict(self._query("SELECT id, source FROM documents"))

    def passages(self) -> Iterator[Passage]:
        """All passages, ordered by id."""
        texts: dict[str, str] = {}
        for passage_id, document_id, start, end in self._query(
            "SELECT id, document_id, start, end FROM passages ORDER BY id"
        ):
            if document_id not in texts:
                row = next(self._query("SELECT text FROM documents WHERE id = ?", document_id))
                texts = {document_id: row[0]}
            yield Passage(passage_id, document_id, texts[document_id][start:end], start, end)

    def passage_count(self) -> int:
        """How many passages there are."""
        return int(next(self._query("SELECT count(*) FROM passages"))[0])

    def document_names(self) -> dict[str, list[str]]:
        """document id -> the names it goes by, its title first."""
        return document_name_forms(self.titles(), self.names())

    def passage_keys(self) -> list[tuple[str, str]]:
        """(passage id, document id) of every passage, in the order of `passages`."""
        # from the index alone: the table itself has the vectors, gigabytes of them
        query = "SELECT id, document_id FROM passages INDEXED BY passages_document ORDER BY id"
        return [(p, d) for p, d in self._query(query)]

    def passages_by_id(self, passage_ids: Iterable[str]) -> dict[str, Passage]:
        """passage id -> passage; of those that are not there, nothing."""
        query = f"SELECT id, document_id, start, end FROM passages WHERE id IN {_JSON_VALUES}"
        rows = list(self._query(query, json.dumps(list(passage_ids))))
        query = f"SELECT id, text FROM documents WHERE id IN {_JSON_VALUES}"
        texts = dict(self._query(query, json.dumps([*{row[1] for row in rows}])))
        return {i: Passage(i, of, texts[of][start:end], start, end) for i, of, start, end in rows}

    def passages_of_document(self, document_id: str) -> list[Passage]:
        """The passages of one document, in order."""
        ids = [row[0] for row in self._query("SELECT id FROM passages WHERE document_id = ? ORDER BY id", document_id)]
        passages = self.passages_by_id(ids)
        return [passages[i] for i in ids if i in passages]

    def triples_in(self, passage_ids: Iterable[str]) -> list[Triple]:
        """The triples that some passages state, ordered by passage and offset."""
        query = "SELECT subject, predicate, object, passage_id, start, end, confidence, found_by FROM triples"
        order = f" WHERE passage_id IN {_JSON_VALUES} ORDER BY passage_id, start, end, subject, predicate, object"
        return [Triple(*row) for row in self._query(query + order, json.dumps(list(passage_ids)))]

    def embeddings(self) -> Matrix:
        """(passages, dimensions) float32, in the order of `passages`."""
        with self.snapshot():
            blob_length = next(self._query("SELECT length(embedding) FROM passages LIMIT 1"), (0,))[0]
            # filled row by row: a list of them and their joining would take as much again, twice
            vectors = np.zeros((self.passage_count(), blob_length // 4), np.float32)
            for row, (blob,) in enumerate(self._query("SELECT embedding FROM passages ORDER BY id")):
                vectors[row] = np.frombuffer(blob, "<f4")
        return vectors

    def mentions(self) -> Iterator[Mention]:
        """All mentions, ordered by passage and offset."""
        query = "SELECT entity_id, passage_id, start, end, type, surface FROM mentions"
        for row in self._query(query + " ORDER BY passage_id, start, end, entity_id"):
            yield Mention(*row)

    def triples(self) -> Iterator[Triple]:
        """All triples, ordered by passage and offset."""
        query = "SELECT subject, predicate, object, passage_id, start, end, confidence, found_by FROM triples"
        for row in self._query(query + " ORDER BY passage_id, start, end, subject, predicate, object"):
            yield Triple(*row)

    def names(self) -> Iterator[tuple[str, str, str, str]]:
        """All declared names, as (document id, entity id, name, type)."""
        yield from self._query("SELECT document_id, entity_id, name, type FROM names ORDER BY 1, 2, 3")

    def mention_counts(self, *entities: str) -> tuple[int, int]:
        """How often entities are named, and in how many documents."""
        query = "SELECT count(*), count(DISTINCT document_id) FROM mentions JOIN passages ON id = passage_id"
        times, documents = next(
            self._query(f"{query} WHERE entity_id IN ({', '.join('?' * len(entities))})", *entities)
        )
        return times, documents

    def entity_type_counts(self) -> Iterator[tuple[str, str, int]]:
        """(entity id, type, how often it is mentioned so) of every entity that is mentioned, ordered."""
        yield from self._query("SELECT entity_id, type, count(*) FROM mentions GROUP BY 1, 2 ORDER BY 1, 2")

    def entities_by_surface_form(self, name: str) -> list[str]:
        """The entities that are mentioned under just this spelling, small and capital letters alike; the commonest first.

        Reads all mentions: for where other ways find nothing.
        """
        query = "SELECT entity_id FROM mentions WHERE surface = ? COLLATE NOCASE GROUP BY 1 ORDER BY -count(*), 1"
        return [row[0] for row in self._query(query, name)]

    def entities(self, entity_ids: Container[str] | None = None) -> Iterator[Entity]:
        """All entities, or those ``among`` some ids, ordered by id; see `graphs.display_names`."""
        looked_up_ids = (
            tuple(entity_ids)
            if isinstance(entity_ids, set | frozenset) and len(entity_ids) <= MAX_SINGLE_LOOKUPS
            else ()
        )
        # of a few, only their own rows: the names of a large store take seconds to be sorted
        where = f" WHERE entity_id IN ({', '.join('?' * len(looked_up_ids))})" if looked_up_ids else ""
        is_own_name = "(SELECT entity_id FROM documents WHERE id = document_id) = entity_id"
        names = self._query(f"SELECT entity_id, name, type, {is_own_name} FROM names{where}", *looked_up_ids)
        query = f"SELECT entity_id, surface, type, count(*) FROM mentions{where} GROUP BY 1, 2, 3"
        yield from resolve_display_names(names, self._query(query, *looked_up_ids), entity_ids)
