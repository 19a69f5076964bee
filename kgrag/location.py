"""Where a store is: a folder, or a database of a Neo4j server."""

from __future__ import annotations

import getpass
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from kgrag.config import model_home
from kgrag.errors import UsageError

SCHEMES = ("neo4j", "neo4j+s", "neo4j+ssc", "bolt", "bolt+s", "bolt+ssc")
DEFAULT_PORT = 7687
PASSWORD_VARIABLE = "KGRAG_NEO4J_PASSWORD"
EXAMPLE_ADDRESS = "neo4j://user@host:7687/database"


@dataclass(frozen=True)
class Neo4jLocation:
    """A database of a Neo4j server, and as whom it is used. No password: that comes from elsewhere, and is never shown."""

    scheme: str
    user: str
    host: str
    port: int
    database: str

    @property
    def uri(self) -> str:
        """What the driver connects to."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"

    @property
    def folder(self) -> Path:
        """Where this machine keeps what is derived from the database, and its ``kgrag.toml``."""
        return model_home() / "servers" / re.sub(r"[^\w.-]", "_", f"{self.host}-{self.port}-{self.database}")

    def password(self) -> str:
        """From ``KGRAG_NEO4J_PASSWORD``, or asked for where somebody can answer; it is never shown.

        Raises:
            UsageError: there is neither.
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
    """What ``--store`` names.

    Raises:
        UsageError: it looks like a server's address and is none, or holds a password.
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
            "set KGRAG_NEO4J_PASSWORD, or leave it out and be asked."
        )
    database = parts.path.strip("/")
    if parts.scheme not in SCHEMES or not parts.hostname or "/" in database or parts.query or parts.fragment:
        raise UsageError(
            f"Expected a folder, or a server's address such as {EXAMPLE_ADDRESS} ({', '.join(SCHEMES)}): {text}"
        )
    return Neo4jLocation(parts.scheme, unquote(parts.username or "neo4j"), parts.hostname, port, database or "neo4j")
