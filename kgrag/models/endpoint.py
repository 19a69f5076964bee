"""Addresses of language model servers: ``http://host:port/v1#name``."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

from kgrag.errors import ModelError

EXAMPLE_ADDRESS = "http://127.0.0.1:8000/v1#NAME"


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """An OpenAI-compatible server and one of its models.

    ``url`` ends where the API's paths begin (``/v1``); ``model`` is "" if the server has only one.
    """

    url: str
    model: str

    def __str__(self) -> str:
        return f"{self.url}#{self.model}" if self.model else self.url

    @property
    def is_local(self) -> bool:
        """Whether the server runs on this machine, so that no question or passage leaves it."""
        host = urlsplit(self.url).hostname or ""
        try:
            return ip_address(host).is_loopback
        except ValueError:
            return host == "localhost"


def is_address(name: str) -> bool:
    """Whether a model's name is a server's address."""
    return name.casefold().startswith(("http://", "https://"))


def parse_address(name: str) -> ServerAddress:
    """Parse a server's address.

    Raises:
        ModelError: the name is not an address, or contains a key or a password.
    """
    try:
        parts = urlsplit(name)
        _ = parts.port
    except ValueError as error:
        raise ModelError(
            f"Expected a server's address such as {EXAMPLE_ADDRESS}, found a malformed one ({error})."
        ) from error
    if parts.username is not None or parts.password is not None or parts.query:
        raise ModelError(
            "A key does not belong in an address, because the shell's history and other users of this machine can see it: "
            "remove it and set KGRAG_API_KEY."
        )
    if not parts.hostname:
        raise ModelError(f"Expected a server's address such as {EXAMPLE_ADDRESS}, found no host in {name!r}.")
    return ServerAddress(f"{parts.scheme.casefold()}://{parts.netloc}{parts.path.rstrip('/')}", parts.fragment)
