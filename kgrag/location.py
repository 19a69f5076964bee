"""Location of a store: a folder, or a database of a Neo4j server."""

from __future__ import annotations

import getpass
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from kgrag.errors import UsageError
from kgrag.storage.paths import model_home

SCHEMES = ("neo4j", "neo4j+s", "neo4j+ssc", "bolt", "bolt+s", "bolt+ssc")
DEFAULT_PORT = 7687
PASSWORD_VARIABLE = "KGRAG_NEO4J_PASSWORD"
EXAMPLE_ADDRESS = "neo4j://user@host:7687/database"


@dataclass(frozen=True)
class Neo4jLocation:
    """Address of a Neo4j database, without its password, which is never part of an address."""

    scheme: str
    user: str
    host: str
    port: int
    database: str

    @property
    def uri(self) -> str:
        """Return the address for the Neo4j driver."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"

    @property
    def folder(self) -> Path:
        """Return the local folder for data derived from the database and for its ``kgrag.toml``."""
        return model_home() / "servers" / re.sub(r"[^\w.-]", "_", f"{self.host}-{self.port}-{self.database}")

    def password(self) -> str:
        """Return the password from ``KGRAG_NEO4J_PASSWORD``, or ask for it on a terminal; it is never printed.

        Raises:
            UsageError: the variable is not set and there is no terminal.
        """
        if PASSWORD_VARIABLE in os.environ:
            return os.environ[PASSWORD_VARIABLE]
        if not sys.stdin.isatty():
            raise UsageError(f"Expected the password of {self} in {PASSWORD_VARIABLE}, found none: set it.")
        return getpass.getpass(f"Password of {self}: ")

    def __str__(self) -> str:
        return self.uri.replace("://", f"://{self.user}@") + f"/{self.database}"


StoreLocation = Path | Neo4jLocation


def parse_location(text: str) -> StoreLocation:
    """Parse the value of ``--store``.

    Raises:
        UsageError: the text looks like a server address but is not valid, or contains a password.
    """
    if "://" not in text:
        return Path(text)
    try:
        parts = urlsplit(text)
        port = parts.port or DEFAULT_PORT
    except ValueError as error:
        raise UsageError(
            f"Expected a server's address such as {EXAMPLE_ADDRESS}; this one is wrong ({error})."
        ) from error
    if parts.password is not None:
        raise UsageError(
            "A password does not belong in an address, where the shell's history and others on this machine see it: "
            "set KGRAG_NEO4J_PASSWORD, or leave it out and enter it when asked."
        )
    database = parts.path.strip("/")
    if parts.scheme not in SCHEMES or not parts.hostname or "/" in database or parts.query or parts.fragment:
        raise UsageError(
            f"Expected a folder, or a server's address such as {EXAMPLE_ADDRESS} ({', '.join(SCHEMES)}): {text}"
        )
    return Neo4jLocation(parts.scheme, unquote(parts.username or "neo4j"), parts.hostname, port, database or "neo4j")
