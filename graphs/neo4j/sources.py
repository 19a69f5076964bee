"""Rename a source in a Neo4j store, with its documents and passages."""

from __future__ import annotations

from collections.abc import Mapping

from graphs.neo4j.connection import Connection, Transaction, run_query
from graphs.neo4j.write import lock_store, split_blocks

_PASSAGES = "UNWIND $ids AS id MATCH (p:Passage)-[:PART_OF]->(:Document {id: id}) RETURN p.id, id"
_RENAME_PASSAGES = (
    "UNWIND $rows AS row MATCH ()-[f:FACT]->() WHERE f.passage_id = row.old SET f.passage_id = row.new",
    "UNWIND $rows AS row MATCH (p:Passage {id: row.old}) SET p.id = row.new, p.document_id = row.document",
)
_RENAME_DOCUMENTS = "UNWIND $rows AS row MATCH (d:Document {id: row.old}) SET d.id = row.new"
_RENAME_SOURCE = (
    "MATCH (d:Document {source: $old}) SET d.source = $new",
    "MATCH (s:Source {id: $new}) DELETE s",
    "MATCH (s:Source {id: $old}) SET s.id = $new",
    "MATCH (p:Problem {source: $new}) DELETE p",
    "MATCH (p:Problem {source: $old}) SET p.source = $new",
)


class SourceRenaming(Connection):
    """The methods of a `kgrag.protocols.SourceLedger` that rename sources."""

    def rename_source(self, old: str, new: str, document_ids: Mapping[str, str]) -> None:
        """Give a source and its documents other ids, in one transaction; nothing else about them changes."""
        changed = {old_id: new_id for old_id, new_id in document_ids.items() if old_id != new_id}

        def rename(tx: Transaction) -> None:
            lock_store(tx, by=1)
            passages = [
                {"old": passage, "new": changed[document] + passage[len(document) :], "document": changed[document]}
                for passage, document in run_query(tx, _PASSAGES, ids=list(changed))
            ]
            for block in split_blocks(passages):
                for query in _RENAME_PASSAGES:
                    run_query(tx, query, rows=block)
            for documents in split_blocks([{"old": o, "new": n} for o, n in changed.items()]):
                run_query(tx, _RENAME_DOCUMENTS, rows=documents)
            for query in _RENAME_SOURCE:
                run_query(tx, query, old=old, new=new)

        self.execute_write(rename)
