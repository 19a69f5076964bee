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

from graphs.neo4j import schema
from graphs.neo4j.schema import (
    CREATE_STORE_NODE,
    FIND_ANY_NODE,
    FIND_STORE_NODE,
    INCREMENT_VERSION,
    SCHEMA,
    VECTOR_INDEX,
)
from kgrag.errors import StoreError
from kgrag.location import Neo4jLocation

RETRY_TIMEOUT_SECONDS = 30.0
"""Seconds during which a transaction that could succeed is tried again."""
Result = TypeVar("Result")
ResultRow = tuple[Any, ...]
Transaction = neo4j.ManagedTransaction


class Connection:
    """An open store on a server, made if the database is empty and ``create``.

    Raises:
        StoreError: there is no server, it refuses the password, has no such database, or the database holds something
            else, another version's store, or nothing (without ``create``).
    """

    def __init__(
        self,
        server: Neo4jLocation,
        password: str,
        *,
        create: bool = True,
        timeout_seconds: float = RETRY_TIMEOUT_SECONDS,
    ) -> None:
        self.server = server
        self._has_vector_index = False
        self._driver = neo4j.GraphDatabase.driver(
            server.uri,
            auth=(server.user, password),
            max_transaction_retry_time=timeout_seconds,
            connection_acquisition_timeout=timeout_seconds,
            connection_timeout=min(timeout_seconds, 10.0),
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
        with self._translate_errors():
            self._driver.verify_connectivity()  # at once: what is read below would be tried again and again
        store_rows = self._query(FIND_STORE_NODE)
        if not store_rows:
            if self._query(FIND_ANY_NODE):
                raise StoreError(
                    f"{self.server} holds data that are not a kgrag store: name another server, or empty the database."
                )
            if not create:
                raise StoreError(
                    f"Expected a store in {self.server} and found an empty database: make one with "
                    f"`kgrag ingest PATH --store {self.server}`."
                )
        elif (version := int(store_rows[0][0])) != schema.SCHEMA_VERSION:
            if (
                not all(older in schema.MIGRATIONS for older in range(version, schema.SCHEMA_VERSION))
                or version > schema.SCHEMA_VERSION
            ):
                raise StoreError(
                    f"{self.server} is a store of version {version} and this program reads version {schema.SCHEMA_VERSION}: "
                    "use the program that wrote it, or ingest your files again into an empty database."
                )
            self._migrate(version)
        if create or store_rows:
            self._create_schema(already_exists=bool(store_rows))

    def _create_schema(self, *, already_exists: bool) -> None:
        """Constraints and indexes, then the mark: a store whose making was cut short is made again."""
        if already_exists and self._query("SHOW CONSTRAINTS YIELD name WHERE name = 'kgrag_source' RETURN name"):
            return
        self.define_schema(*SCHEMA)
        self.execute_write(
            lambda tx: run_query(tx, CREATE_STORE_NODE, version=schema.SCHEMA_VERSION, made=secrets.token_hex(8))
        )

    def _migrate(self, version: int) -> None:
        """Bring an older store up to date, a version at a time; cut short, or done by two at once, it comes to the same."""
        for older in range(version, schema.SCHEMA_VERSION):
            migration = schema.MIGRATIONS[older]
            self.define_schema(*migration.definitions)
            for change in migration.changes:
                while self.execute_write(lambda tx, change=change: run_query(tx, change))[0][0]:  # type: ignore[misc]
                    pass
            self.execute_write(lambda tx, old_version=older: run_query(tx, INCREMENT_VERSION, version=old_version))  # type: ignore[misc]

    def index_vectors(self, dimensions: int) -> None:
        """Have the server index the vectors of passages, once they are known to have so many numbers."""
        if self._has_vector_index or not dimensions:
            return
        self.define_schema(VECTOR_INDEX.format(dimensions=dimensions))
        self._has_vector_index = True

    def define_schema(self, *statements: str) -> None:
        """Make indexes and constraints that are not there; definitions and data do not mix in one transaction."""
        with self._translate_errors(), self._session() as session:
            for statement in statements:
                _define_if_absent(session, statement)
            session.run("CALL db.awaitIndexes(300)").consume()

    def _session(self) -> neo4j.Session:
        return self._driver.session(database=self.server.database)

    def _query(self, query: str, **values: object) -> list[ResultRow]:
        """The rows of one reading query, in a transaction of its own."""
        with self._translate_errors(), self._session() as session:
            return session.execute_read(lambda tx: run_query(tx, query, **values))

    def execute_write(self, transaction_function: Callable[[Transaction], Result]) -> Result:
        """What ``work`` does in one transaction: all of it or nothing, and again if it could not be finished.

        It may be done twice, where the line was cut before the server's answer: ``work`` must bear that.
        """
        with self._translate_errors(), self._session() as session:
            try:
                return session.execute_write(transaction_function)
            except wrong.IncompleteCommit:  # the driver cannot know whether it was done, and gives up
                return session.execute_write(transaction_function)

    @contextmanager
    def _translate_errors(self) -> Iterator[None]:
        try:
            yield
        except (wrong.Neo4jError, wrong.DriverError) as error:
            raise StoreError(explain_error(error, self.server)) from error

    def close(self) -> None:
        """Let the server go; the object cannot be used afterwards."""
        self._driver.close()


def _define_if_absent(session: neo4j.Session, statement: str) -> None:
    """Make an index or a constraint that is not there: two that make it at once are not told apart by IF NOT EXISTS."""
    try:
        session.run(_as_literal(statement)).consume()
    except wrong.ClientError as error:
        if "AlreadyExists" not in (error.code or ""):
            raise


def run_query(tx: Transaction, query: str, **values: object) -> list[ResultRow]:
    """The rows of one query in a transaction."""
    return [tuple(record.values()) for record in tx.run(_as_literal(query), dict(values))]


def _as_literal(query: str) -> Any:
    return query  # the driver's types ask for a literal, to keep users' words out: ours go in as parameters alone


def explain_error(error: Exception, server: Neo4jLocation) -> str:
    """What happened, and what to do, in one sentence or two."""
    code = getattr(error, "code", None) or ""
    message = (getattr(error, "message", None) or str(error)).strip().splitlines()[0][:300] if str(error) else code
    if isinstance(error, wrong.AuthError):
        return f"{server} refused the password of {server.user}: set KGRAG_NEO4J_PASSWORD to the right one. ({message})"
    for part, text in _MESSAGES_BY_CODE.items():
        if part in code:
            return text.format(server=server, said=message)
    if isinstance(error, wrong.ServiceUnavailable | wrong.SessionExpired):
        return (
            f"No answer from {server}: see that the server runs and that the address is right (`make neo4j` starts one "
            "here), then run this again; what was acknowledged is kept."
        )
    return f"{server} could not do that: {message} ({code or type(error).__name__})"


_MESSAGES_BY_CODE: Mapping[str, str] = {
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
