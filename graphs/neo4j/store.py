"""Store the graph in a Neo4j database, on a server that several processes share.

`docs/guide/neo4j.md` describes the data model.
"""

from __future__ import annotations

from collections.abc import Iterable

from graphs.neo4j import write
from graphs.neo4j.connection import Transaction, run_query
from graphs.neo4j.read import ROWS_PER_BLOCK, Neo4jReader, entities_from_rows, spelling_queries
from graphs.neo4j.sources import SourceRenaming
from kgrag.protocols import Matrix, SourceRecord
from kgrag.types import Extraction


class Neo4jGraph(Neo4jReader, SourceRenaming):
    """A `kgrag.protocols.GraphStore` in a Neo4j database."""

    passages_per_transaction = 256

    def put(self, extraction: Extraction, embeddings: Matrix) -> None:
        """Add a document, or replace the one with the same id, in one transaction."""
        self.put_many([(extraction, embeddings)])

    def put_many(self, documents: Iterable[tuple[Extraction, Matrix]]) -> None:
        """Put several documents in one transaction: all of them or none."""
        batch = list(documents)
        self.index_vectors(next((matrix.shape[1] for _, matrix in batch if len(matrix)), 0))
        self.execute_write(lambda tx: write.put_documents(tx, batch))

    def forget(self, document_id: str) -> bool:
        """Delete a document and all data that only it supports; return False if the id is unknown."""
        was_removed = False

        def remove(tx: Transaction) -> None:
            nonlocal was_removed  # a repeated transaction finds nothing to remove
            was_removed = write.remove_document(tx, document_id) or was_removed

        self.execute_write(remove)
        return was_removed

    def refresh_display_names(self) -> None:
        """Update `name`, `type` and `aliases` of changed entities, for clients that query the server.

        This program does not read them. After an interruption the next call updates the rest.
        """
        while self.execute_write(self._refresh_block):
            pass

    def _refresh_block(self, tx: Transaction) -> int:
        write.lock_store(tx)
        ids = [
            row[0] for row in run_query(tx, f"MATCH (e:Entity) WHERE e.stale = true RETURN e.id LIMIT {ROWS_PER_BLOCK}")
        ]
        names, mentions = (run_query(tx, query, ids=ids) for query in spelling_queries(by_ids=True))
        entities_by_id = {entity.id: entity for entity in entities_from_rows(names, mentions)}
        rows = [
            {
                "id": i,
                "name": entities_by_id[i].name,
                "type": entities_by_id[i].type,
                "aliases": list(entities_by_id[i].aliases),
            }
            if i in entities_by_id
            else {"id": i, "name": i, "type": "MISC", "aliases": []}
            for i in ids
        ]
        query = "UNWIND $rows AS row MATCH (e:Entity {id: row.id}) SET e += row REMOVE e.stale"
        run_query(tx, query, rows=rows)
        return len(ids)

    def set_meta(self, key: str, value: str) -> None:
        """Store a value about the store itself (such as its embedder)."""
        self.execute_write(
            lambda tx: run_query(tx, "MERGE (s:Setting {key: $key}) SET s.value = $value", key=key, value=value)
        )

    def replace_embeddings(self, embedder: str, vectors: Iterable[tuple[str, Matrix]], generation: int) -> None:
        """Replace the vectors of all passages and record their embedder, in one transaction."""
        rows = list(vectors)  # a transaction may be repeated
        self.execute_write(lambda tx: write.replace_vectors(tx, embedder, rows, generation))
        self.index_vectors(len(rows[0][1]) if rows else 0)

    def mark_sources_read(self, records: Iterable[SourceRecord]) -> None:
        """Record that files were read completely, and replace their recorded problems."""
        source_records = list(records)
        rows = [{"id": source, "sha256": sha256} for source, sha256, _ in source_records]
        problem_rows = [
            {"source": s, "line": line, "message": message}
            for s, _, problems in source_records
            for line, message in problems
        ]

        def write_records(tx: Transaction) -> None:
            run_query(tx, "UNWIND $rows AS row MERGE (s:Source {id: row.id}) SET s.sha256 = row.sha256", rows=rows)
            run_query(tx, "UNWIND $rows AS row MATCH (p:Problem {source: row.id}) DELETE p", rows=rows)
            run_query(tx, "UNWIND $rows AS row CREATE (p:Problem) SET p = row", rows=problem_rows)

        self.execute_write(write_records)

    def forget_source(self, source: str) -> None:
        """Delete a source and its recorded problems."""

        def delete_source(tx: Transaction) -> None:
            run_query(tx, "MATCH (s:Source {id: $id}) DELETE s", id=source)
            run_query(tx, "MATCH (p:Problem {source: $id}) DELETE p", id=source)

        self.execute_write(delete_source)
