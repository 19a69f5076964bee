"""The SQLite file of a store: opened and checked, read by the generation, written by transaction.

What SQLite says of a failure becomes a `StoreError` that says what to do about it.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from graphs.sqlite.schema import check_version, create_tables, is_empty
from kgrag.errors import StoreError

BUSY_TIMEOUT_SECONDS = 30.0
"""Seconds that another process may hold what is needed."""


class Database:
    """An open store in the file ``path``, which is made if it does not exist.

    Raises:
        StoreError: the file is no store, is damaged, or was written by another version; on a write, the disk is
            full or another process holds the store.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(
                path, timeout=BUSY_TIMEOUT_SECONDS, isolation_level=None, check_same_thread=False
            )
        except OSError as error:
            raise StoreError(f"{path.parent} cannot be made ({error.strerror}): name another folder.") from error
        except sqlite3.Error as error:
            raise self._to_store_error(error) from error
        try:
            self._open()
        except BaseException as error:
            self._db.close()
            if isinstance(error, sqlite3.Error):
                raise self._to_store_error(error) from error
            raise

    def _open(self) -> None:
        """Nothing is changed in a file with tables before it is known to be a store of ours."""
        self._db.execute("PRAGMA foreign_keys = ON")
        # not by the file's size: one whose making was cut short has a header and no tables
        empty = is_empty(self._db)
        if not empty:
            check_version(self._db, self.path)
        self._enable_wal()
        # FULL: what was acknowledged survives the machine's death too, not only the process's
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.execute("PRAGMA cache_size = -65536")
        if empty:
            with self._transaction(bump=False) as db:
                create_tables(db)
            check_version(self._db, self.path)

    def _enable_wal(self) -> None:
        """Readers and a writer side by side. Two that turn this on at once refuse each other, and do not wait."""
        deadline = time.monotonic() + BUSY_TIMEOUT_SECONDS
        while True:
            try:
                self._db.execute("PRAGMA journal_mode = WAL")
                return
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > deadline:
                    raise
            time.sleep(0.02)

    def _to_store_error(self, error: sqlite3.Error) -> StoreError:
        text = str(error)
        if "locked" in text or "busy" in text:
            return StoreError(f"{self.path.parent} is in use by another process: wait for it to end, then try again.")
        if "full" in text:
            return StoreError(
                f"The disk that holds {self.path.parent} is full ({text}): free some space and run the command again; "
                "what was acknowledged is kept."
            )
        if "readonly" in text or "unable to open" in text:
            return StoreError(f"{self.path.parent} cannot be written ({text}): check the folder and its permissions.")
        if "not a database" in text or "malformed" in text:
            return StoreError(f"{self.path} is damaged or no database ({text}): remove it and ingest again.")
        return StoreError(f"{self.path} could not be used ({text}): see that its disk is well, then try again.")

    @contextmanager
    def _transaction(self, *, bump: bool = True) -> Iterator[sqlite3.Connection]:
        try:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                if bump:
                    self._db.execute("UPDATE meta SET value = value + 1 WHERE key = 'generation'")
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            raise self._to_store_error(error) from error

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """What is read inside belongs to one generation, whatever others write meanwhile; may stand in another."""
        if self._db.in_transaction:
            yield
            return
        try:
            self._db.execute("BEGIN")
            next(self._query("SELECT 1 FROM meta"), None)  # the first read chooses the generation
            yield
        except sqlite3.Error as error:
            raise self._to_store_error(error) from error
        finally:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")

    def _query(self, query: str, *values: object) -> Iterator[tuple[Any, ...]]:
        try:
            yield from self._db.execute(query, values)
        except sqlite3.Error as error:
            raise self._to_store_error(error) from error

    def close(self) -> None:
        """Close the file; the object cannot be used afterwards."""
        self._db.close()
