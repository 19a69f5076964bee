"""Load test questions from JSON Lines files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path

from kgrag.errors import ReadError, UsageError
from kgrag.storage.checksums import file_sha256
from kgrag.storage.text_files import open_text_file
from kgrag.text import detect_language
from kgrag.types import Question


def load_questions(path: Path, limit: int | None = None, *, worded: bool = True) -> list[Question]:
    """Load questions from a JSON Lines file (jsonl or jsonl.gz).

    A row is ``{"_id", "text", "answers", "gold", "lang"?, "type"? | "hops"?}``. Without ``hops``, a question has as
    many steps as gold documents.

    Args:
        path: the file.
        limit: maximum number of questions; None for all.
        worded: reject rows whose ``text`` is white space.

    Raises:
        UsageError: the file does not exist.
        ReadError: a line is not a valid row; the message has its number.
    """
    if not path.is_file():
        raise UsageError(f"Expected a file of questions at {path} and found none: check the path.")
    questions: list[Question] = []
    try:
        with open_text_file(path) as lines:
            for number, line in enumerate(lines, 1):
                if limit is not None and len(questions) >= limit:
                    break
                if line.strip():
                    question = _question(path, number, line)
                    if worded and not question.text.strip():
                        raise ReadError(
                            f'{path}, line {number}: expected a question in "text", found white space; fix that line.'
                        )
                    questions.append(question)
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise ReadError(f"{path} could not be read to its end ({error}).") from error
    if not questions:
        raise ReadError(f"{path} holds no questions: expected JSON lines with _id, text, answers and gold.")
    return questions


def check_unique_ids(questions: Sequence[Question]) -> None:
    """Raise UsageError unless each question has an id of its own: results and TREC runs name questions by id alone."""
    seen_ids: set[str] = set()
    for question in questions:
        if question.id in seen_ids:
            raise UsageError(
                f"Expected each question to have an _id of its own, found {question.id!r} twice: "
                "number the questions, as results and TREC runs identify them by their ids alone."
            )
        seen_ids.add(question.id)


def fingerprint(path: Path) -> str:
    """Return the first 12 hex digits of a file's sha256, which identify a question set.

    Raises:
        OSError: the file cannot be read.
    """
    return file_sha256(path)[:12]


def _question(path: Path, number: int, line: str) -> Question:
    try:
        row = json.loads(line)
        if not isinstance(row["text"], str):
            raise TypeError(f"text is {row['text']!r}")
        for name in ("answers", "gold"):
            _check_texts(row, name)
        kind = row.get("type") or (f"{row['hops']} hops" if "hops" in row else "")
        return Question(
            id=_identifier(row.get("_id", number)),
            text=row["text"],
            answers=tuple(map(str, row.get("answers", ()))),
            gold=tuple(map(str, row.get("gold", ()))),
            lang=str(row.get("lang") or detect_language(row["text"])),
            type=str(kind),
            hops=int(row.get("hops") or len(row.get("decomposition", ())) or len(row.get("gold", ()))),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ReadError(
            f'{path}, line {number}: expected a JSON object with "_id", "text", "answers" and "gold" '
            f"({type(error).__name__}: {error}); fix that line."
        ) from error


def _identifier(value: object) -> str:
    """Return an ``_id`` as text; raise TypeError for any other value than a text or a whole number."""
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        raise TypeError(f"_id is {value!r}")
    return str(value)


def _check_texts(row: dict[str, object], name: str) -> None:
    """Raise TypeError unless the value of a key is a list of texts or numbers, or missing under any like name."""
    values = row.get(name, [])
    if not isinstance(values, list):
        raise TypeError("answers and gold are lists")
    for value in values:
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise TypeError(f"{name} has {value!r}")
    if name not in row and (misspelt := get_close_matches(name, row, 1, cutoff=0.75)):
        raise TypeError(f"{misspelt[0]!r} is no key: rename it to {name!r}")
