"""A connection to a Neo4j database: opened and checked, read and written by managed transactions.

What the server and the driver say of a failure becomes a `StoreError` that says what to do about it.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

import neo4j
from neo4j import exceptions as wrong

from graphs import neo4j_schema
from graphs.neo4j_schema import FIND, MARK, OTHERS, RAISE, SCHEMA, VECTORS
from kgrag.errors import StoreError
from kgrag.place import Server

WAIT = 30.0
"""Seconds during which a transaction that could succeed is tried again."""
Result = TypeVar("Result")
Row = tuple[Any, ...]
Transaction = neo4j.ManagedTransaction


class Connection:
    """An open store on a server, made if the database is empty and ``create``.

    Raises:
        StoreError: there is no server, it refuses the password, has no such database, or the database holds something
            else, another version's store, or nothing (without ``create``).
    """

    def __init__(self, server: Server, password: str, *, create: bool = True, wait: float = WAIT) -> None:
        self.server = server
        self._indexed = False
        self._driver = neo4j.GraphDatabase.driver(
            server.uri,
            auth=(server.user, password),
            max_transaction_retry_time=wait,
            connection_acquisition_timeout=wait,
            connection_timeout=min(wait, 10.0),
            notifications_min_severity="OFF",
            user_agent="kgrag",
        )
        try:
            self._open(create)
        except BaseException:
            self._driver.close()
            raise

    def _open(self, create: bool) -> None:
        """Nothing is changed in a database with content before it is known to be a store of ours."""
        with self._told():
            self._driver.verify_connectivity()  # at once: what is read below would be tried again and again
        found = self._rows(FIND)
        if not found:
            if self._rows(OTHERS):
                raise StoreError(
                    f"{self.server} holds data that are not a kgrag store: name another server, or empty the database."
                )
            if not create:
                raise StoreError(
                    f"Expected a store in {self.server} and found an empty database: make one with "
                    f"`kgrag ingest PATH --store {self.server}`."
                )
        elif (version := int(found[0][0])) != neo4j_schema.VERSION:
            if (
                not all(older in neo4j_schema.STEPS for older in range(version, neo4j_schema.VERSION))
                or version > neo4j_schema.VERSION
            ):
                raise StoreError(
                    f"{self.server} is a store of version {version} and this program reads version {neo4j_schema.VERSION}: "
                    "use the program that wrote it, or ingest your files again into an empty database."
                )
            self._migrate(version)
        if create or found:
            self._make(known=bool(found))

    def _make(self, *, known: bool) -> None:
        """Constraints and indexes, then the mark: a store whose making was cut short is made again."""
        if known and self._rows("SHOW CONSTRAINTS YIELD name WHERE name = 'kgrag_source' RETURN name"):
            return
        self.define(*SCHEMA)
        self.write(lambda tx: run(tx, MARK, version=neo4j_schema.VERSION, made=secrets.token_hex(8)))

    def _migrate(self, version: int) -> None:
        """Bring an older store up to date, a version at a time; cut short, or done by two at once, it comes to the same."""
        for older in range(version, neo4j_schema.VERSION):
            step = neo4j_schema.STEPS[older]
            self.define(*step.definitions)
            for change in step.changes:
                while self.write(lambda tx, change=change: run(tx, change))[0][0]:  # type: ignore[misc]
                    pass
            self.write(lambda tx, older=older: run(tx, RAISE, version=older))  # type: ignore[misc]

    def index_vectors(self, dimensions: int) -> None:
        """Have the server index the vectors of passages, once they are known to have so many numbers."""
        if self._indexed or not dimensions:
            return
        self.define(VECTORS.format(dimensions=dimensions))
        self._indexed = True

    def define(self, *statements: str) -> None:
        """Make indexes and constraints that are not there; definitions and data do not mix in one transaction."""
        with self._told(), self._session() as session:
            for statement in statements:
                _define(session, statement)
            session.run("CALL db.awaitIndexes(300)").consume()

    def _session(self) -> neo4j.Session:
        return self._driver.session(database=self.server.database)

    def _rows(self, query: str, **values: object) -> list[Row]:
        """The rows of one reading query, in a transaction of its own."""
        with self._told(), self._session() as session:
            return session.execute_read(lambda tx: run(tx, query, **values))

    def write(self, work: Callable[[Transaction], Result]) -> Result:
        """What ``work`` does in one transaction: all of it or nothing, and again if it could not be finished.

        It may be done twice, where the line was cut before the server's answer: ``work`` must bear that.
        """
        with self._told(), self._session() as session:
            try:
                return session.execute_write(work)
            except wrong.IncompleteCommit:  # the driver cannot know whether it was done, and gives up
                return session.execute_write(work)

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (wrong.Neo4jError, wrong.DriverError) as error:
            raise StoreError(explain(error, self.server)) from error

    def close(self) -> None:
        """Let the server go; the object cannot be used afterwards."""
        self._driver.close()


def _define(session: neo4j.Session, statement: str) -> None:
    """Make an index or a constraint that is not there: two that make it at once are not told apart by IF NOT EXISTS."""
    try:
        session.run(_literal(statement)).consume()
    except wrong.ClientError as error:
        if "AlreadyExists" not in (error.code or ""):
            raise


def run(tx: Transaction, query: str, **values: object) -> list[Row]:
    """The rows of one query in a transaction."""
    return [tuple(record.values()) for record in tx.run(_literal(query), dict(values))]


def _literal(query: str) -> Any:
    return query  # the driver's types ask for a literal, to keep users' words out: ours go in as parameters alone


def explain(error: Exception, server: Server) -> str:
    """What happened, and what to do, in one sentence or two."""
    code = getattr(error, "code", None) or ""
    said = (getattr(error, "message", None) or str(error)).strip().splitlines()[0][:300] if str(error) else code
    if isinstance(error, wrong.AuthError):
        return f"{server} refused the password of {server.user}: set KGRAG_NEO4J_PASSWORD to the right one. ({said})"
    for part, text in _CODES.items():
        if part in code:
            return text.format(server=server, said=said)
    if isinstance(error, wrong.ServiceUnavailable | wrong.SessionExpired):
        return (
            f"No answer from {server}: see that the server runs and that the address is right (`make neo4j` starts one "
            "here), then run this again; what was acknowledged is kept."
        )
    return f"{server} could not do that: {said} ({code or type(error).__name__})"


_CODES: Mapping[str, str] = {
    "DatabaseNotFound": "{server} has no such database: name another (the Community edition has the one called neo4j).",
    "DatabaseUnavailable": "{server}: the database is not available now; start it, or wait, then run this again.",
    "WriteOnReadOnly": "{server} is read-only: make it writable, or name another; what was acknowledged is kept.",
    "ForbiddenOnReadOnly": "{server} is read-only: make it writable, or name another; what was acknowledged is kept.",
    "Forbidden": "{server} does not allow that to this user: ask who runs it for the right to read and write. ({said})",
    "OutOfMemory": "{server} ran out of memory for one transaction: raise dbms.memory.transaction.total.max there, or "
    "ingest smaller files; nothing of this document was kept, all before it was.",
    "TransactionMemoryLimit": "{server} ran out of memory for one transaction: raise db.memory.transaction.max there, or "
    "ingest smaller files; nothing of this document was kept, all before it was.",
    "MemoryPool": "{server} ran out of memory for one transaction: raise dbms.memory.transaction.total.max there, or "
    "ingest smaller files; nothing of this document was kept, all before it was.",
}
