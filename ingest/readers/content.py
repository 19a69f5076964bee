"""The results of readers: the content of a document, parts of a container, and problems."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from kgrag.serialize import pack_metadata
from kgrag.text import detect_language
from kgrag.tree import NO_TREE, DocumentTree, tree_json
from kgrag.types import Document, MetadataValue


@dataclass(frozen=True, slots=True)
class ReadProblem:
    """A file or row that could not be read, and the reason in one sentence.

    ``line`` counts from 1; it is None if the problem concerns the whole file.
    """

    source_id: str
    line: int | None
    message: str

    def __str__(self) -> str:
        location = self.source_id if self.line is None else f"{self.source_id}:{self.line}"
        return f"{location}: {self.message}"


@dataclass(frozen=True, slots=True)
class Content:
    """The content that a reader finds in one document.

    Attributes:
        text: The text; offsets of ``tree`` refer to it.
        tree: Blocks, links and places on pages.
        title: The document's own title; "" if it has none.
        metadata: Properties that the document states of itself: ``author``, ``created``, ``modified`` (ISO 8601 dates),
            ``tags``, ``language``, or its own fields.
        problems: Sentences about parts that could not be read; the rest was.
    """

    text: str
    tree: DocumentTree = NO_TREE
    title: str = ""
    metadata: Mapping[str, MetadataValue] = field(default_factory=dict)
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Part:
    """A document inside a container, such as a message of a mailbox or a file of an archive.

    Attributes:
        name: Its name inside the container, for example ``docs/intro.md``; its extension decides how bytes are read.
        content: Its content, or its bytes.
    """

    name: str
    content: Content | bytes


def make_document(
    document_id: str,
    title: str,
    text: str,
    source: str,
    tree: DocumentTree = NO_TREE,
    metadata: Mapping[str, MetadataValue] | None = None,
) -> Document:
    """Build a document: detect its language, and compute its sha256 (hex) of title, NUL, text, tree and metadata."""
    metadata = metadata or {}
    digest = hashlib.sha256(f"{title}\0{text}".encode())
    if tree or metadata:
        digest.update(tree_json(tree))
        digest.update(pack_metadata(metadata).encode())
    return Document(document_id, title, text, source, detect_language(text), digest.hexdigest(), tree, metadata)
