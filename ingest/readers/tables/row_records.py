"""Build documents from rows of tables and JSON: id, title, text, and the other fields as metadata."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ingest.readers.content import ReadProblem, make_document
from ingest.readers.metadata import normalize_metadata
from ingest.readers.read_log import ReadLog, SeenIds
from kgrag.errors import ReadError
from kgrag.types import Document

_CONTROL_CHARS = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_TEXT_FIELDS = frozenset(("_id", "title", "text"))


def parse_row(
    row: object, source: str, line: int | None, default_id: str, seen_ids: SeenIds, log: ReadLog
) -> Document | ReadProblem:
    """Return the document of a row, or the problem with it.

    Args:
        row: an object with ``text``, and possibly ``_id`` and ``title``. Other keys become metadata, except nested
            objects and keys that begin with an underscore.
        source: id of the file.
        line: line of the row, from 1; None if it is not known.
        default_id: id of a row without ``_id``.
        seen_ids: ids of the rows before it; the row's own is added.
        log: notes about the file.
    """
    if not isinstance(row, dict):
        return ReadProblem(source, line, f"expected an object with a text, found {json_type_name(row)}: fix the row")
    row_id, title, text = row.get("_id"), row.get("title"), row.get("text")
    if isinstance(row_id, (bool, list, dict)):
        return ReadProblem(
            source, line, f"expected _id to be a string or a number, found {json_type_name(row_id)}: fix the row"
        )
    if not isinstance(text, str) or not text.strip():
        found_type = "none" if text is None or isinstance(text, str) else json_type_name(text)
        return ReadProblem(source, line, f"expected a text, found {found_type}: add one, or leave the row out")
    document_id = default_id if row_id is None or row_id == "" else str(row_id)
    if _CONTROL_CHARS.search(document_id):
        return ReadProblem(
            source, line, f"expected a plain _id, found control characters in {document_id!r}: choose another"
        )
    if not seen_ids.add(document_id):
        return ReadProblem(source, line, f"expected each _id once, found {document_id!r} again: the first one is kept")
    title = title if isinstance(title, str) else "" if title is None else str(title)
    try:
        text, title = log.clean(text), log.clean(title)
    except ReadError as error:
        return ReadProblem(source, line, str(error))
    return make_document(document_id, " ".join(title.split()), text, source, metadata=own_fields(row))


def own_fields(row: Mapping[object, object]) -> dict[str, str | int | float | tuple[str, ...]]:
    """Return the metadata of a row: its fields other than ``_id``, ``title`` and ``text``."""
    if len(row) <= len(_TEXT_FIELDS) and _TEXT_FIELDS.issuperset(map(str, row)):
        return {}
    return normalize_metadata(
        {key: value for key, value in row.items() if key not in _TEXT_FIELDS and not str(key).startswith("_")}
    )


def json_type_name(value: object) -> str:
    """Return the name of a JSON value's type for messages: "a list"."""
    names = {dict: "an object", list: "a list", str: "a string", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")
