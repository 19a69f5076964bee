"""Open and check the SQLite file of a store; read from snapshots and write in transactions.

SQLite errors are raised as a `StoreError` that says how to fix them.
"""

from __future__ import annotations

import sqlite3
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from graphs.sqlite.schema import check_version, create_tables, is_empty, needs_upgrade, upgrade_tables
from kgrag.errors import StoreError

BUSY_TIMEOUT_SECONDS = 30.0
"""Seconds to wait for a lock of another process."""


class _Connection(sqlite3.Connection):
    """A connection that a weak set can hold."""


class Database:
    """An open store in the file ``path``, created if it does not exist.

    Raises:
        StoreError: the file is not a store, is damaged, or has another version; on a write, the disk is full or another
            process holds the lock.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._local = threading.local()
        self._connections: weakref.WeakSet[_Connection] = weakref.WeakSet()
        self._is_closed = False
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._local.db = self._connect()
        except OSError as error:
            raise StoreError(f"{path.parent} cannot be created ({error.strerror}): name another folder.") from error
        except sqlite3.Error as error:
            raise self._to_store_error(error) from error
        try:
            self._open()
        except BaseException as error:
            self._db.close()
            if isinstance(error, sqlite3.Error):
                raise self._to_store_error(error) from error
            raise

    @property
    def _db(self) -> sqlite3.Connection:
        """The connection of this thread: a snapshot of one thread does not hold or end that of another."""
        if not hasattr(self._local, "db"):
            try:
                self._local.db = self._connect()
                self._configure()
            except sqlite3.Error as error:
                raise self._to_store_error(error) from error
        return cast(sqlite3.Connection, self._local.db)

    def _connect(self) -> _Connection:
        if self._is_closed:
            raise StoreError(f"The store {self.path.parent} is closed: open it again.")
        # garbage collection may close the connection of an ended thread in another thread
        connection = sqlite3.connect(
            self.path,
            timeout=BUSY_TIMEOUT_SECONDS,
            isolation_level=None,
            check_same_thread=False,
            factory=_Connection,
        )
        self._connections.add(connection)
        return connection

    def _configure(self) -> None:
        self._db.execute("PRAGMA foreign_keys = ON")
        # FULL: acknowledged transactions survive a crash of the machine, not only of the process
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.execute("PRAGMA cache_size = -65536")

    def _open(self) -> None:
        """Check that the file is a kgrag store before any change to its tables."""
        # not by the file's size: after an interrupted creation it has a header and no tables
        empty = is_empty(self._db)
        if not empty:
            check_version(self._db, self.path)
        self._enable_wal()
        self._configure()
        if not empty and needs_upgrade(self._db):
            with self._transaction(bump=False) as db:
                upgrade_tables(db)
        if empty:
            with self._transaction(bump=False) as db:
                create_tables(db)
            check_version(self._db, self.path)

    def _enable_wal(self) -> None:
        """Enable WAL, so that readers do not block a writer.

        Two processes that enable it at once fail without waiting, so this retries.
        """
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
                "acknowledged changes are kept."
            )
        if "readonly" in text or "unable to open" in text:
            return StoreError(f"{self.path.parent} cannot be written ({text}): check the folder and its permissions.")
        if "not a database" in text or "malformed" in text:
            return StoreError(f"{self.path} is damaged or not a database ({text}): delete it and ingest again.")
        return StoreError(f"{self.path} could not be used ({text}): check its disk, then try again.")

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
        """Read from a single generation inside the context, despite concurrent writes; may be nested."""
        if self._db.in_transaction:
            yield
            return
        try:
            self._db.execute("BEGIN")
            next(self._query("SELECT 1 FROM meta"), None)  # the first read fixes the generation
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
        """Close the connections of all threads; the object cannot be used afterwards."""
        self._is_closed = True
        for connection in list(self._connections):
            connection.close()
