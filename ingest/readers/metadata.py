"""Metadata of documents: the front matter of text files, and values normalised to dates, tags and strings."""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Mapping, Sequence

from ingest.readers.encodings.decoding import remove_control_chars
from kgrag.types import MetadataValue

MAX_VALUE_CHARS = 2000
"""Maximum length of a text in metadata; a longer one is content, not a property, and is left out."""
MAX_VALUES = 1000
"""Maximum number of values of a field; further ones are left out."""

_FRONT_MATTER = re.compile(r"\A---[ \t]*\n(?![ \t]*\n)(.*?\n)(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)
_LIST_FIELDS = frozenset(("tags", "keywords", "categories"))
_FIELD_NAMES = {"date": "created", "keywords": "tags", "categories": "tags", "authors": "author", "lang": "language"}


def parse_front_matter(text: str) -> tuple[str, dict[str, MetadataValue], str]:
    """Return the title, the metadata, and the rest of a text that begins with YAML between lines of ``---``.

    A text without front matter, or with one that is no YAML mapping, is returned unchanged. A line of ``---`` above a
    blank line is a rule.
    """
    match = _FRONT_MATTER.match(text)
    if not match:
        return "", {}, text
    import yaml

    try:
        fields = yaml.safe_load(match.group(1))
    except (yaml.YAMLError, ValueError, RecursionError):
        return "", {}, text
    if not isinstance(fields, dict):
        return "", {}, text
    title = fields.pop("title", "")
    return (
        title.strip() if isinstance(title, str) else str(title or ""),
        normalize_metadata(fields),
        text[match.end() :],
    )


def normalize_metadata(fields: Mapping[object, object]) -> dict[str, MetadataValue]:
    """Return fields under their usual names with strings, numbers, ISO dates, or tuples of strings as values.

    ``date`` becomes ``created``; ``keywords`` and ``categories`` become ``tags``, joined with it. Empty values, nested
    objects, numbers that are not finite and texts beyond `MAX_VALUE_CHARS` are left out.
    """
    metadata: dict[str, MetadataValue] = {}
    for key, value in fields.items():
        name = _clean(str(key)).lower()
        normalized = _normalize_value(value, is_list=name in _LIST_FIELDS)
        name = _FIELD_NAMES.get(name, name)
        if normalized is None or normalized in ("", ()) or not name or len(name) > MAX_VALUE_CHARS:
            continue
        previous = metadata.get(name)
        if isinstance(previous, tuple) and isinstance(normalized, tuple):
            normalized = tuple(dict.fromkeys((*previous, *normalized)))
        metadata[name] = normalized
    return metadata


def _clean(text: str) -> str:
    return " ".join(remove_control_chars(text)[0].split())


def _normalize_value(value: object, *, is_list: bool) -> MetadataValue | None:
    if isinstance(value, (datetime.datetime, datetime.date)):
        return value.isoformat()
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, (int, float)):
        is_wide = isinstance(value, int) and not -(2**63) <= value < 2**63  # no store holds it as a number
        return (str(value),) if is_list else str(value) if is_wide else value
    if isinstance(value, str):
        parts = re.split(r"[,;，；、]", value) if is_list else [value]
        texts = _texts(parts)
        return texts if is_list else texts[0] if texts else None
    if isinstance(value, (list, tuple)):
        return _texts([part for part in value if isinstance(part, (str, int, float, datetime.date))])
    return None


def _texts(parts: Sequence[object]) -> tuple[str, ...]:
    texts = (_clean(str(part)) for part in parts[:MAX_VALUES])
    return tuple(text for text in texts if text and len(text) <= MAX_VALUE_CHARS)
