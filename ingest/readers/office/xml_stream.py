"""Parse large XML as a stream of elements, without entities and without a tree."""

from __future__ import annotations

from collections.abc import Mapping
from typing import IO, Protocol
from xml.parsers import expat

from kgrag.errors import ReadError


class ElementHandler(Protocol):
    """Receiver of the elements of a stream; names have no namespace."""

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        """Begin an element."""

    def end(self, name: str) -> None:
        """End an element."""

    def data(self, text: str) -> None:
        """Receive a piece of text."""


def parse_stream(stream: IO[bytes], handler: ElementHandler) -> None:
    """Give each element of a stream to a handler.

    Raises:
        ReadError: the stream is no XML, or declares entities.
    """
    parser = expat.ParserCreate()
    parser.buffer_text = True

    def start(name: str, attributes: dict[str, str]) -> None:
        handler.start(name.rpartition(":")[2], attributes)

    def end(name: str) -> None:
        handler.end(name.rpartition(":")[2])

    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = start, end, handler.data
    parser.EntityDeclHandler = _refuse_entity
    try:
        parser.ParseFile(stream)
    except expat.ExpatError as error:
        raise ReadError("expected XML, found a damaged part: open it in its program and save it again") from error


def _refuse_entity(*_: object) -> None:
    raise ReadError("expected XML without entities, found declared ones: save it again from its program")
