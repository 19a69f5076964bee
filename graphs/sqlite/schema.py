"""Create and check the tables of a store, with its application id and version."""

from __future__ import annotations

import secrets
import sqlite3
from pathlib import Path

from kgrag.errors import StoreError

VERSION = 3
APPLICATION_ID = 0x6B677261  # "kgra", so that `file` and kgrag recognise a store
SCHEMA = """
CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE documents(
    id TEXT PRIMARY KEY, title TEXT NOT NULL, text TEXT NOT NULL, source TEXT NOT NULL,
    lang TEXT NOT NULL, sha256 TEXT NOT NULL, entity_id TEXT NOT NULL, read_by TEXT NOT NULL,
    tree BLOB NOT NULL DEFAULT x'', metadata TEXT NOT NULL DEFAULT '{}') WITHOUT ROWID;
CREATE INDEX documents_source ON documents(source);
CREATE TABLE passages(
    id TEXT PRIMARY KEY, document_id TEXT NOT NULL REFERENCES documents(id) ON DELETE CASCADE,
    start INTEGER NOT NULL, end INTEGER NOT NULL, embedding BLOB NOT NULL,
    headings TEXT NOT NULL DEFAULT '[]', page_starts TEXT NOT NULL DEFAULT '[]') WITHOUT ROWID;
CREATE INDEX passages_document ON passages(document_id);
CREATE TABLE names(
    document_id TEXT NOT NULL REFERENCES documents(id) ON DELETE CASCADE,
    entity_id TEXT NOT NULL, name TEXT NOT NULL, type TEXT NOT NULL,
    PRIMARY KEY(document_id, entity_id, name)) WITHOUT ROWID;
CREATE TABLE mentions(
    passage_id TEXT NOT NULL REFERENCES passages(id) ON DELETE CASCADE,
    start INTEGER NOT NULL, end INTEGER NOT NULL, entity_id TEXT NOT NULL, type TEXT NOT NULL, surface TEXT NOT NULL,
    PRIMARY KEY(passage_id, start, end, entity_id)) WITHOUT ROWID;
CREATE TABLE triples(
    passage_id TEXT NOT NULL REFERENCES passages(id) ON DELETE CASCADE,
    start INTEGER NOT NULL, end INTEGER NOT NULL,
    subject TEXT NOT NULL, predicate TEXT NOT NULL, object TEXT NOT NULL, confidence REAL NOT NULL,
    found_by TEXT NOT NULL,
    PRIMARY KEY(passage_id, start, end, subject, predicate, object)) WITHOUT ROWID;
CREATE TABLE sources(id TEXT PRIMARY KEY, sha256 TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE problems(source TEXT NOT NULL, line INTEGER, message TEXT NOT NULL);
INSERT INTO meta VALUES('generation', '0');
"""

_UPGRADES = {
    2: (
        "ALTER TABLE documents ADD COLUMN tree BLOB NOT NULL DEFAULT x''",
        "ALTER TABLE documents ADD COLUMN metadata TEXT NOT NULL DEFAULT '{}'",
        "ALTER TABLE passages ADD COLUMN headings TEXT NOT NULL DEFAULT '[]'",
        "ALTER TABLE passages ADD COLUMN page_starts TEXT NOT NULL DEFAULT '[]'",
    )
}
"""Statements that bring a store of a version to the next one; none of them rewrites a table."""


def is_empty(db: sqlite3.Connection) -> bool:
    """Whether a database has no tables."""
    return not db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]


def create_tables(db: sqlite3.Connection) -> None:
    """Create the tables, in the caller's transaction."""
    if not is_empty(db):
        return  # another process created them
    for statement in SCHEMA.split(";"):
        db.execute(statement)
    # a unique id, so that indices of another store are never used for this one
    db.execute("INSERT INTO meta VALUES('made', ?)", (secrets.token_hex(8),))
    db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    db.execute(f"PRAGMA user_version = {VERSION}")


def needs_upgrade(db: sqlite3.Connection) -> bool:
    """Whether a store is of an earlier version that this program can upgrade."""
    return db.execute("PRAGMA user_version").fetchone()[0] in _UPGRADES


def upgrade_tables(db: sqlite3.Connection) -> None:
    """Bring a store of an earlier version to `VERSION`, in the caller's transaction."""
    version = db.execute("PRAGMA user_version").fetchone()[0]  # again: another process may have upgraded it
    while version in _UPGRADES:
        for statement in _UPGRADES[version]:
            db.execute(statement)
        version += 1
        db.execute(f"PRAGMA user_version = {version}")


def check_version(db: sqlite3.Connection, path: Path) -> None:
    """Raise StoreError if the database at ``path`` is not a store or has another version."""
    application_id = db.execute("PRAGMA application_id").fetchone()[0]
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if application_id != APPLICATION_ID:
        raise StoreError(f"{path} is a database but not a kgrag store: pass another folder with --store.")
    if version != VERSION and version not in _UPGRADES:
        raise StoreError(
            f"{path.parent} is a store of version {version} and this program reads version {VERSION}: "
            "ingest your files again into a new folder."
        )
