"""Training data: examples (a prompt and its answer) and preferences (a prompt, a chosen and a rejected answer).

Both are stored as JSON lines, so that a user can read, fix and train on them again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TypeVar

from kgrag.errors import ReadError
from kgrag.protocols import Messages
from kgrag.storage.atomic import atomic_write
from kgrag.storage.text_files import read_text_file


@dataclass(frozen=True)
class Example:
    """A prompt (instruction, then evidence and question, as in `kgrag.prompts`) and its answer.

    ``kind``: ``one-hop``, ``two-hop``, ``comparison``, ``unanswerable``, or ``given`` for user questions. ``held``:
    held out for evaluation, never trained on. Examples with the same evidence in the same order share a prefix, which
    training computes once.
    """

    id: str
    messages: Messages
    answer: str
    kind: str = "given"
    lang: str = "en"
    held: bool = False


@dataclass(frozen=True)
class Preference:
    """A prompt with a ``chosen`` answer that shall become likelier than the ``rejected`` one; ``why`` is a clause."""

    id: str
    messages: Messages
    chosen: str
    rejected: str
    why: str = ""
    lang: str = "en"
    held: bool = False


ExampleRow = TypeVar("ExampleRow", Example, Preference)


def save_rows(rows: Iterable[ExampleRow], path: Path) -> None:
    """Write examples or preferences, completely or not at all."""
    with atomic_write(path) as temporary:
        temporary.write_text("".join(json.dumps(asdict(row), ensure_ascii=False) + "\n" for row in rows), "utf-8")


def load_rows(path: Path, row_type: type[ExampleRow]) -> list[ExampleRow]:
    """Load the rows of a file that `save_rows` wrote, in its order.

    Raises:
        ReadError: the file cannot be read, or a line is not such a row; the message has its number.
    """
    try:
        lines = read_text_file(path).splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ReadError(f"{path} cannot be read ({error}): choose a file of JSON lines.") from error
    return [
        _parse_row(line, row_type, f"{path}, line {number}") for number, line in enumerate(lines, 1) if line.strip()
    ]


def _parse_row(line: str, row_type: type[ExampleRow], where: str) -> ExampleRow:
    names = [field.name for field in fields(row_type)]
    try:
        fields_by_name = json.loads(line)
        row = row_type(**fields_by_name)
    except (ValueError, TypeError) as error:
        raise ReadError(
            f"{where}: expected an object with some of {', '.join(names)}, found another value ({error}): fix that line."
        ) from error
    _check_row(row, where)
    return row


def _check_row(row: Example | Preference, where: str) -> None:
    texts: Sequence[str] = [row.answer] if isinstance(row, Example) else [row.chosen, row.rejected]
    if not isinstance(row.messages, list) or not all(
        isinstance(m, dict) and {"role", "content"} <= m.keys() and all(isinstance(v, str) for v in m.values())
        for m in row.messages
    ):
        raise ReadError(f"{where}: expected messages with a role and a content each, found others: fix that line.")
    if not row.messages or not all(isinstance(text, str) and text.strip() for text in texts):
        raise ReadError(f"{where}: expected a prompt and a non-empty answer, found none: fix or delete that line.")
