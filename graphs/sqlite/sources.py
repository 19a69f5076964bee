"""Rename a source in an SQLite store, with its documents and passages."""

from __future__ import annotations

from collections.abc import Mapping

from graphs.sqlite.connection import Database

_OF_PASSAGES = "WHERE passage_id IN (SELECT id FROM passages WHERE document_id = :old)"
_RENAME_DOCUMENT = (
    f"UPDATE mentions SET passage_id = :new || substr(passage_id, :after) {_OF_PASSAGES}",
    f"UPDATE triples SET passage_id = :new || substr(passage_id, :after) {_OF_PASSAGES}",
    "UPDATE passages SET id = :new || substr(id, :after), document_id = :new WHERE document_id = :old",
    "UPDATE names SET document_id = :new WHERE document_id = :old",
    "UPDATE documents SET id = :new WHERE id = :old",
)
_RENAME_SOURCE = (
    "UPDATE documents SET source = :new WHERE source = :old",
    "DELETE FROM sources WHERE id = :new",
    "UPDATE sources SET id = :new WHERE id = :old",
    "DELETE FROM problems WHERE source = :new",
    "UPDATE problems SET source = :new WHERE source = :old",
)


class SourceRenaming(Database):
    """The methods of a `kgrag.protocols.SourceLedger` that rename sources."""

    def rename_source(self, old: str, new: str, document_ids: Mapping[str, str]) -> None:
        """Give a source and its documents other ids, in one transaction; nothing else about them changes."""
        with self._transaction() as db:
            db.execute("PRAGMA defer_foreign_keys = ON")  # until the end of this transaction
            for old_id, new_id in document_ids.items():
                if old_id != new_id:
                    for statement in _RENAME_DOCUMENT:
                        db.execute(statement, {"old": old_id, "new": new_id, "after": len(old_id) + 1})
            for statement in _RENAME_SOURCE:
                db.execute(statement, {"old": old, "new": new})
