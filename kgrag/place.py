"""Where a store is: a folder, or a database of a Neo4j server."""

from __future__ import annotations

import getpass
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from kgrag.config import home
from kgrag.errors import UsageError

SCHEMES = ("neo4j", "neo4j+s", "neo4j+ssc", "bolt", "bolt+s", "bolt+ssc")
PORT = 7687
PASSWORD = "KGRAG_NEO4J_PASSWORD"
EXAMPLE = "neo4j://user@host:7687/database"


@dataclass(frozen=True)
class Server:
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
        return home() / "servers" / re.sub(r"[^\w.-]", "_", f"{self.host}-{self.port}-{self.database}")

    def password(self) -> str:
        """From ``KGRAG_NEO4J_PASSWORD``, or asked for where somebody can answer; it is never shown.

        Raises:
            UsageError: there is neither.
        """
        if PASSWORD in os.environ:
            return os.environ[PASSWORD]
        if not sys.stdin.isatty():
            raise UsageError(f"Expected the password of {self} in {PASSWORD}, found none: set it.")
        return getpass.getpass(f"Password of {self}: ")

    def __str__(self) -> str:
        return self.uri.replace("://", f"://{self.user}@") + f"/{self.database}"


Place = Path | Server


def place(text: str) -> Place:
    """What ``--store`` names.

    Raises:
        UsageError: it looks like a server's address and is none, or holds a password.
    """
    if "://" not in text:
        return Path(text)
    try:
        parts = urlsplit(text)
        port = parts.port or PORT
    except ValueError as error:
        raise UsageError(f"Expected a server's address such as {EXAMPLE}; this one is wrong ({error}).") from error
    if parts.password is not None:
        raise UsageError(
            "A password does not belong in an address, where the shell's history and others on this machine see it: "
            "set KGRAG_NEO4J_PASSWORD, or leave it out and be asked."
        )
    database = parts.path.strip("/")
    if parts.scheme not in SCHEMES or not parts.hostname or "/" in database or parts.query or parts.fragment:
        raise UsageError(f"Expected a folder, or a server's address such as {EXAMPLE} ({', '.join(SCHEMES)}): {text}")
    return Server(parts.scheme, unquote(parts.username or "neo4j"), parts.hostname, port, database or "neo4j")
