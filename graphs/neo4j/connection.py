"""Connect to a Neo4j database, check it, and run managed transactions.

Errors of the server and the driver are raised as a `StoreError` that says how to fix them.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

import neo4j
from neo4j import exceptions

from graphs.neo4j import schema
from graphs.neo4j.schema import (
    CREATE_STORE_NODE,
    FIND_ANY_NODE,
    FIND_STORE_NODE,
    INCREMENT_VERSION,
    INDEXED_DIMENSIONS,
    SCHEMA,
    VECTOR_INDEX,
)
from kgrag.errors import StoreError
from kgrag.location import Neo4jLocation

RETRY_TIMEOUT_SECONDS = 30.0
"""Seconds during which a transaction is retried after a transient error."""
Result = TypeVar("Result")
ResultRow = tuple[Any, ...]
Transaction = neo4j.ManagedTransaction


class Connection:
    """An open store on a server; created if the database is empty and ``create`` is set.

    Raises:
        StoreError: there is no server, it refuses the password, or it has no such database; or the database holds other
            data, a store of another version, or nothing (without ``create``).
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
        self._indexed_dimensions = 0
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
        """Check that the database is a kgrag store before any change to its content."""
        with self._translate_errors():
            self._driver.verify_connectivity()  # fails at once: the queries below would be retried
        store_rows = self._query(FIND_STORE_NODE)
        if not store_rows:
            if self._query(FIND_ANY_NODE):
                raise StoreError(
                    f"{self.server} is not a kgrag store but holds data: name another server, or empty the database."
                )
            if not create:
                raise StoreError(
                    f"Expected a store in {self.server}, found an empty database: create one with "
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
        """Create constraints and indexes, then the store node; an interrupted creation is repeated."""
        if already_exists and self._query("SHOW CONSTRAINTS YIELD name WHERE name = 'kgrag_source' RETURN name"):
            return
        self.define_schema(*SCHEMA)
        self.execute_write(
            lambda tx: run_query(tx, CREATE_STORE_NODE, version=schema.SCHEMA_VERSION, made=secrets.token_hex(8))
        )

    def _migrate(self, version: int) -> None:
        """Migrate an older store one version at a time; may be interrupted or run by two processes at once."""
        for older in range(version, schema.SCHEMA_VERSION):
            migration = schema.MIGRATIONS[older]
            self.define_schema(*migration.definitions)
            for change in migration.changes:
                while self.execute_write(lambda tx, change=change: run_query(tx, change))[0][0]:  # type: ignore[misc]
                    pass
            self.execute_write(lambda tx, old_version=older: run_query(tx, INCREMENT_VERSION, version=old_version))  # type: ignore[misc]

    def index_vectors(self, dimensions: int) -> None:
        """Create the server's vector index of passages, once the number of dimensions is known, or for another number."""
        if dimensions in (0, self._indexed_dimensions):
            return
        indexed = self._query(INDEXED_DIMENSIONS)
        if indexed and indexed[0][0] != dimensions:
            self.define_schema("DROP INDEX kgrag_vectors IF EXISTS")
        self.define_schema(VECTOR_INDEX.format(dimensions=dimensions))
        self._indexed_dimensions = dimensions

    def define_schema(self, *statements: str) -> None:
        """Create missing indexes and constraints; Neo4j does not mix definitions and data in one transaction."""
        with self._translate_errors(), self._session() as session:
            for statement in statements:
                _define_if_absent(session, statement)
            session.run("CALL db.awaitIndexes(300)").consume()

    def _session(self) -> neo4j.Session:
        return self._driver.session(database=self.server.database)

    def _query(self, query: str, **values: object) -> list[ResultRow]:
        """Return the rows of one read query, in its own transaction."""
        with self._translate_errors(), self._session() as session:
            return session.execute_read(lambda tx: run_query(tx, query, **values))

    def execute_write(self, transaction_function: Callable[[Transaction], Result]) -> Result:
        """Run ``transaction_function`` in one transaction and return its result; retry transient errors.

        The function may run twice, if the connection is lost before the server acknowledges the commit. It must be
        idempotent.
        """
        with self._translate_errors(), self._session() as session:
            try:
                return session.execute_write(transaction_function)
            except exceptions.IncompleteCommit:
                # the driver cannot tell whether the commit succeeded and does not retry
                return session.execute_write(transaction_function)

    @contextmanager
    def _translate_errors(self) -> Iterator[None]:
        try:
            yield
        except (exceptions.Neo4jError, exceptions.DriverError) as error:
            raise StoreError(explain_error(error, self.server)) from error

    def close(self) -> None:
        """Close the connection; the object cannot be used afterwards."""
        self._driver.close()


def _define_if_absent(session: neo4j.Session, statement: str) -> None:
    """Create an index or a constraint if it is missing.

    IF NOT EXISTS alone fails when two processes create it at once.
    """
    try:
        session.run(_as_literal(statement)).consume()
    except exceptions.ClientError as error:
        if "AlreadyExists" not in (error.code or ""):
            raise


def run_query(tx: Transaction, query: str, **values: object) -> list[ResultRow]:
    """Return the rows of one query in a transaction."""
    return [tuple(record.values()) for record in tx.run(_as_literal(query), dict(values))]


def _as_literal(query: str) -> Any:
    return query  # the driver's types require a literal, against injection: this module passes user text as parameters


def explain_error(error: Exception, server: Neo4jLocation) -> str:
    """Return one or two sentences on an error and how to fix it."""
    code = getattr(error, "code", None) or ""
    message = (getattr(error, "message", None) or str(error)).strip().splitlines()[0][:300] if str(error) else code
    if isinstance(error, exceptions.AuthError):
        return f"{server} refused the password of {server.user}: set KGRAG_NEO4J_PASSWORD to the right one. ({message})"
    for part, text in _MESSAGES_BY_CODE.items():
        if part in code:
            return text.format(server=server, message=message)
    if isinstance(error, exceptions.ServiceUnavailable | exceptions.SessionExpired):
        return (
            f"No answer from {server}: check that the server runs and that the address is right (`make neo4j` starts "
            "one here), then run this again; acknowledged changes are kept."
        )
    return f"{server} could not do that: {message} ({code or type(error).__name__})"


_MESSAGES_BY_CODE: Mapping[str, str] = {
    "DatabaseNotFound": "{server} has no such database: name another (the Community edition has the one called neo4j).",
    "DatabaseUnavailable": "{server}: the database is not available; start it, or wait, then run this again.",
    "WriteOnReadOnly": "{server} is read-only: make it writable, or name another; acknowledged changes are kept.",
    "ForbiddenOnReadOnly": "{server} is read-only: make it writable, or name another; acknowledged changes are kept.",
    "Forbidden": "{server} does not allow that to this user: ask its administrator for read and write access. ({message})",
    "OutOfMemory": "{server} ran out of memory for one transaction: raise dbms.memory.transaction.total.max there, or "
    "ingest smaller files; this document was not saved, all earlier ones were.",
    "TransactionMemoryLimit": "{server} ran out of memory for one transaction: raise db.memory.transaction.max there, or "
    "ingest smaller files; this document was not saved, all earlier ones were.",
    "MemoryPool": "{server} ran out of memory for one transaction: raise dbms.memory.transaction.total.max there, or "
    "ingest smaller files; this document was not saved, all earlier ones were.",
}
