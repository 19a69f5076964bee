"""What is learned from: a question as the product asks it with what is to be said, and which of two things to prefer.

A set of either is a file of JSON lines, so that a person can read it, mend it, and train on it again.
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


@dataclass(frozen=True)
class Example:
    """``answer`` is what is to be said to ``messages`` (instruction, then evidence and question, as `kgrag.prompts` has them).

    ``kind``: ``one-hop``, ``two-hop``, ``comparison``, ``unanswerable``, or ``given`` for a question that was not made
    here. ``held``: set aside to measure on, never trained on. Examples with the same evidence in the same order begin
    with the same text, and training computes that beginning once.
    """

    id: str
    messages: Messages
    answer: str
    kind: str = "given"
    lang: str = "en"
    held: bool = False


@dataclass(frozen=True)
class Preference:
    """``chosen`` is to become likelier than ``rejected`` as what is said to ``messages``; ``why`` in half a sentence."""

    id: str
    messages: Messages
    chosen: str
    rejected: str
    why: str = ""
    lang: str = "en"
    held: bool = False


ExampleRow = TypeVar("ExampleRow", Example, Preference)


def save_rows(rows: Iterable[ExampleRow], path: Path) -> None:
    """Write examples or preferences, whole or not at all."""
    with atomic_write(path) as temporary:
        temporary.write_text("".join(json.dumps(asdict(row), ensure_ascii=False) + "\n" for row in rows), "utf-8")


def load_rows(path: Path, row_type: type[ExampleRow]) -> list[ExampleRow]:
    """The rows of a file that `save` wrote, in its order.

    Raises:
        ReadError: there is no such file, or a line of it is no such row; the message has its number.
    """
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ReadError(f"{path} cannot be read ({error}): name a file of JSON lines.") from error
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
            f"{where}: expected an object with some of {', '.join(names)}, found another ({error})."
        ) from error
    _check_row(row, where)
    return row


def _check_row(row: Example | Preference, where: str) -> None:
    texts: Sequence[str] = [row.answer] if isinstance(row, Example) else [row.chosen, row.rejected]
    if not isinstance(row.messages, list) or not all(
        isinstance(m, dict) and {"role", "content"} <= m.keys() and all(isinstance(v, str) for v in m.values())
        for m in row.messages
    ):
        raise ReadError(f"{where}: expected messages with a role and a content each.")
    if not row.messages or not all(isinstance(text, str) and text.strip() for text in texts):
        raise ReadError(f"{where}: expected a question and something to say to it, found none.")
