"""Read sidecars: ``report.pdf.meta.json`` beside ``report.pdf`` states the title and own fields of that file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ingest.readers.content import make_document
from ingest.readers.metadata import normalize_metadata
from kgrag.errors import ReadError
from kgrag.storage.text_files import read_text_file
from kgrag.types import Document, MetadataValue

SIDECAR_SUFFIX = ".meta.json"
MAX_SIDECAR_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Sidecar:
    """Title and own fields of a file.

    Attributes:
        title: Title of the document; "" if it has none.
        metadata: Own fields.
    """

    title: str = ""
    metadata: Mapping[str, MetadataValue] = field(default_factory=dict)

    def apply(self, document: Document, source_id: str) -> Document:
        """Return a document of the file with the sidecar's title and fields.

        For a file that is one document, the sidecar has precedence over what the document states of itself. For a row
        or a part of a container, the row's or part's own fields have precedence, and its title stays.
        """
        is_whole = document.id == source_id
        first, second = (document.metadata, self.metadata) if is_whole else (self.metadata, document.metadata)
        title = (self.title if is_whole else "") or document.title
        metadata = {**first, **second}
        if title == document.title and metadata == dict(document.metadata):
            return document
        return make_document(document.id, title, document.text, document.source, document.tree, metadata)


def is_sidecar(name: str) -> bool:
    """Whether a file name is one of a sidecar, which is not a document itself."""
    return name.lower().endswith(SIDECAR_SUFFIX)


def sidecar_path(path: Path) -> Path:
    """Return the path of a file's sidecar, which need not exist."""
    return path.with_name(path.name + SIDECAR_SUFFIX)


def read_sidecar(path: Path) -> Sidecar | None:
    """Return the sidecar of the file ``path``; None if it has none.

    Raises:
        ReadError: the sidecar is not a JSON object, is too large, or cannot be read.
    """
    file = sidecar_path(path)
    if not file.is_file():
        return None
    try:
        if file.stat().st_size > MAX_SIDECAR_BYTES:
            raise ReadError(f"expected at most {MAX_SIDECAR_BYTES >> 20} MB in {file.name}, found more: shorten it")
        fields = json.loads(read_text_file(file))
    except OSError as error:
        raise ReadError(f"expected to read {file.name}, found {error.strerror}: check its permissions") from error
    except (ValueError, RecursionError) as error:
        raise ReadError(f"expected a JSON object in {file.name}, found an error ({error}): fix or delete it") from error
    if not isinstance(fields, dict):
        raise ReadError(f"expected a JSON object in {file.name}, found another value: write {{...}} with your fields")
    title = fields.pop("title", "")
    return Sidecar(" ".join(title.split()) if isinstance(title, str) else "", normalize_metadata(fields))
