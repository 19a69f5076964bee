"""Test questions from a file of JSON lines."""

from __future__ import annotations

import gzip
import hashlib
import json
from pathlib import Path

from kgrag.errors import ReadError, UsageError
from kgrag.text import detect_language
from kgrag.types import Question


def load_questions(path: Path, limit: int | None = None, *, worded: bool = True) -> list[Question]:
    """Questions from rows ``{"_id", "text", "answers", "gold", "lang"?, "type"? | "hops"?}`` (jsonl or jsonl.gz).

    Without ``hops`` a question takes as many steps as it has gold documents. ``worded``: one whose ``text`` is white space is
    no such row, as it cannot be asked.

    Raises:
        UsageError: there is no such file.
        ReadError: a line is no such row; the message has its number.
    """
    if not path.is_file():
        raise UsageError(f"Expected a file of questions at {path} and found none: check the path.")
    questions: list[Question] = []
    opened = gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8")  # noqa: SIM115 (the with below closes it)
    try:
        with opened as lines:
            for number, line in enumerate(lines, 1):
                if limit is not None and len(questions) >= limit:
                    break
                if line.strip():
                    question = _question(path, number, line)
                    if worded and not question.text.strip():
                        raise ReadError(
                            f'{path}, line {number}: expected a question in "text", found white space; mend that line.'
                        )
                    questions.append(question)
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise ReadError(f"{path} could not be read to its end ({error}).") from error
    if not questions:
        raise ReadError(f"{path} holds no questions: expected JSON lines with _id, text, answers and gold.")
    return questions


def fingerprint(path: Path) -> str:
    """The first 12 hexadecimal digits of the sha256 of a file of questions: whether two files are one.

    Raises:
        OSError: the file cannot be read.
    """
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]


def _question(path: Path, number: int, line: str) -> Question:
    try:
        row = json.loads(line)
        text = str(row["text"])
        if not all(isinstance(row.get(name, []), list) for name in ("answers", "gold")):
            raise TypeError("answers and gold are lists")
        kind = row.get("type") or (f"{row['hops']} hops" if "hops" in row else "")
        return Question(
            id=str(row.get("_id", number)),
            text=text,
            answers=tuple(map(str, row.get("answers", ()))),
            gold=tuple(map(str, row.get("gold", ()))),
            lang=str(row.get("lang") or detect_language(text)),
            type=str(kind),
            hops=int(row.get("hops") or len(row.get("decomposition", ())) or len(row.get("gold", ()))),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ReadError(
            f'{path}, line {number}: expected a JSON object with "_id", "text", "answers" and "gold" '
            f"({type(error).__name__}: {error}); mend that line."
        ) from error
