"""A store in a Neo4j database: what `graphs.sqlite` promises, on a server that many people share.

`docs/neo4j.md` has the data model.
"""

from __future__ import annotations

from collections.abc import Iterable

from graphs import neo4j_write
from graphs.neo4j_connection import Transaction, run
from graphs.neo4j_read import BLOCK, Neo4jReader, named, spellings
from kgrag.protocols import Ending, Matrix
from kgrag.types import Extraction


class Neo4jGraph(Neo4jReader):
    """A `Graph` in a database of a server; see `kgrag.protocols.Graph` for what each method promises."""

    group = 256

    def put(self, extraction: Extraction, embeddings: Matrix) -> None:
        """Add a document, or replace the one of the same id, in one transaction."""
        self.put_all([(extraction, embeddings)])

    def put_all(self, documents: Iterable[tuple[Extraction, Matrix]]) -> None:
        """`put` several, all in one transaction: all of them, or none."""
        given = list(documents)
        self.index_vectors(next((matrix.shape[1] for _, matrix in given if len(matrix)), 0))
        self.write(lambda tx: neo4j_write.put(tx, given))

    def forget(self, document_id: str) -> bool:
        """Remove a document and all that only it supports, in one transaction."""
        found = False

        def work(tx: Transaction) -> None:
            nonlocal found  # done again, after it was done, it finds nothing
            found = neo4j_write.forget(tx, document_id) or found

        self.write(work)
        return found

    def settle(self) -> None:
        """Name anew the entities that were written about: `name`, `type` and `aliases`, for those who look on the server.

        What this program reads does not depend on it. Stopped halfway, the rest is named the next time.
        """
        while self.write(self._settle):
            pass

    def _settle(self, tx: Transaction) -> int:
        neo4j_write.lock(tx)
        ids = [row[0] for row in run(tx, f"MATCH (e:Entity) WHERE e.stale = true RETURN e.id LIMIT {BLOCK}")]
        names, mentions = (run(tx, query, ids=ids) for query in spellings(few=True))
        called = {entity.id: entity for entity in named(names, mentions)}
        rows = [
            {"id": i, "name": called[i].name, "type": called[i].type, "aliases": list(called[i].aliases)}
            if i in called
            else {"id": i, "name": i, "type": "MISC", "aliases": []}
            for i in ids
        ]
        query = "UNWIND $rows AS row MATCH (e:Entity {id: row.id}) SET e += row REMOVE e.stale"
        run(tx, query, rows=rows)
        return len(ids)

    def set_meta(self, key: str, value: str) -> None:
        """Keep a fact about the store itself (such as its embedder)."""
        self.write(lambda tx: run(tx, "MERGE (s:Setting {key: $key}) SET s.value = $value", key=key, value=value))

    def finish_sources(self, endings: Iterable[Ending]) -> None:
        """Note that files were read to their ends, with what could not be read in them."""
        read = list(endings)
        rows = [{"id": source, "sha256": sha256} for source, sha256, _ in read]
        wrong = [{"source": s, "line": line, "message": message} for s, _, found in read for line, message in found]

        def work(tx: Transaction) -> None:
            run(tx, "UNWIND $rows AS row MERGE (s:Source {id: row.id}) SET s.sha256 = row.sha256", rows=rows)
            run(tx, "UNWIND $rows AS row MATCH (p:Problem {source: row.id}) DELETE p", rows=rows)
            run(tx, "UNWIND $rows AS row CREATE (p:Problem) SET p = row", rows=wrong)

        self.write(work)

    def drop_source(self, source: str) -> None:
        """Unlearn that a file was read, and what could not be read in it."""

        def work(tx: Transaction) -> None:
            run(tx, "MATCH (s:Source {id: $id}) DELETE s", id=source)
            run(tx, "MATCH (p:Problem {source: $id}) DELETE p", id=source)

        self.write(work)
