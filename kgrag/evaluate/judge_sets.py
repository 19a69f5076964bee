"""Rows that a judge is measured on: claims with evidence and what people said of them, and questions with two answers."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from kgrag.errors import ReadError, UsageError
from kgrag.judge.reading import stated

CHOICE = ("knowledge", "question", "right_answer", "hallucinated_answer")


class Row(NamedTuple):
    """A claim about texts, and whether they bear it out."""

    claim: str
    evidence: tuple[str, ...]
    supported: bool


class Rows(NamedTuple):
    """Of a file: ``rows``, and whether they come in pairs of a right and a wrong answer to one question, in this order."""

    rows: tuple[Row, ...]
    paired: bool


def load_rows(path: Path, limit: int | None = None) -> Rows:
    """Rows ``{"evidence", "claim", "supported"}`` (``evidence`` a text or a list of texts), or HaluEval's ``{"knowledge",
    "question", "right_answer", "hallucinated_answer"}``, of which each gives two; JSON lines, gzip or plain.

    Raises:
        UsageError: there is no such file.
        ReadError: a line is neither, or is empty of what it should say; the message has its number.
    """
    if not path.is_file():
        raise UsageError(f"Expected a file of claims at {path} and found none: check the path.")
    found: list[Row] = []
    kinds: set[bool] = set()
    opened = gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8")  # noqa: SIM115 (the with below closes it)
    try:
        with opened as lines:
            for line in filled(lines, limit):
                rows = list(_rows(path, *line))
                kinds.add(len(rows) == 2)
                if len(kinds) > 1:
                    raise ReadError(
                        f"{path}, line {line[0]}: expected rows of one kind, found the other: split the file."
                    )
                found += rows
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise ReadError(f"{path} could not be read to its end ({error}).") from error
    if not found:
        raise ReadError(f"{path} holds no claims: expected JSON lines with evidence, claim and supported.")
    return Rows(tuple(found), True in kinds)


def filled(lines: Iterator[str], limit: int | None) -> Iterator[tuple[int, str]]:
    """(number, line) of the first ``limit`` lines that are not blank."""
    count = 0
    for number, line in enumerate(lines, 1):
        if line.strip():
            if limit is not None and count >= limit:
                return
            count += 1
            yield number, line


def _rows(path: Path, number: int, line: str) -> Iterator[Row]:
    place = f"{path}, line {number}"
    try:
        row = json.loads(line)
    except ValueError as error:
        raise ReadError(f"{place}: expected a JSON object, found other text ({error}); mend that line.") from error
    if not isinstance(row, dict):
        raise ReadError(f"{place}: expected a JSON object, found {type(row).__name__}; mend that line.")
    if "right_answer" in row or "knowledge" in row:
        said = [_text(place, row, name) for name in CHOICE]
        for answer, supported in ((said[2], True), (said[3], False)):
            yield Row(stated(said[1], answer), (said[0],), supported)
        return
    claim = _text(place, row, "claim")
    given = row.get("evidence")
    texts = tuple(given) if isinstance(given, list) else (_text(place, row, "evidence"),)
    if not texts or not all(isinstance(text, str) and text.strip() for text in texts):
        raise ReadError(f"{place}: expected a text, or some, as evidence, found an empty one; mend that line.")
    truth = row.get("supported")
    if truth not in (True, False):
        raise ReadError(f'{place}: expected true or false as "supported", found {truth!r}; mend that line.')
    yield Row(claim, texts, bool(truth))


def _text(place: str, row: dict[str, object], name: str) -> str:
    value = row.get(name)
    if not isinstance(value, str):
        raise ReadError(
            f'{place}: expected a JSON object with "evidence", "claim" and "supported" (or HaluEval\'s keys), '
            f'found no text as "{name}"; mend that line.'
        )
    if not value.strip():
        raise ReadError(f'{place}: expected a text as "{name}", found an empty one; mend that line.')
    return value
