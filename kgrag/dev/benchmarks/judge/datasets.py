"""Rows that a judge is measured on: claims with evidence and what people said of them, and questions with two answers."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from kgrag.errors import ReadError, UsageError
from kgrag.judge.tokenization import question_answer_to_claim

HALUEVAL_KEYS = ("knowledge", "question", "right_answer", "hallucinated_answer")


class JudgedClaim(NamedTuple):
    """A claim about texts, and whether they bear it out."""

    claim: str
    evidence: tuple[str, ...]
    supported: bool


class JudgedClaims(NamedTuple):
    """Of a file: ``rows``, and whether they come in pairs of a right and a wrong answer to one question, in this order."""

    claims: tuple[JudgedClaim, ...]
    is_paired: bool


def load_claims(path: Path, limit: int | None = None) -> JudgedClaims:
    """Rows ``{"evidence", "claim", "supported"}`` (``evidence`` a text or a list of texts), or HaluEval's ``{"knowledge",
    "question", "right_answer", "hallucinated_answer"}``, of which each gives two; JSON lines, gzip or plain.

    Raises:
        UsageError: there is no such file.
        ReadError: a line is neither, or is empty of what it should say; the message has its number.
    """
    if not path.is_file():
        raise UsageError(f"Expected a file of claims at {path} and found none: check the path.")
    claims: list[JudgedClaim] = []
    pairings: set[bool] = set()
    opened = gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8")  # noqa: SIM115 (the with below closes it)
    try:
        with opened as lines:
            for line in nonblank_lines(lines, limit):
                rows = list(_parse_claims(path, *line))
                pairings.add(len(rows) == 2)
                if len(pairings) > 1:
                    raise ReadError(
                        f"{path}, line {line[0]}: expected rows of one kind, found the other: split the file."
                    )
                claims += rows
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise ReadError(f"{path} could not be read to its end ({error}).") from error
    if not claims:
        raise ReadError(f"{path} holds no claims: expected JSON lines with evidence, claim and supported.")
    return JudgedClaims(tuple(claims), True in pairings)


def nonblank_lines(lines: Iterator[str], limit: int | None) -> Iterator[tuple[int, str]]:
    """(number, line) of the first ``limit`` lines that are not blank."""
    count = 0
    for number, line in enumerate(lines, 1):
        if line.strip():
            if limit is not None and count >= limit:
                return
            count += 1
            yield number, line


def _parse_claims(path: Path, number: int, line: str) -> Iterator[JudgedClaim]:
    location = f"{path}, line {number}"
    try:
        row = json.loads(line)
    except ValueError as error:
        raise ReadError(f"{location}: expected a JSON object, found other text ({error}); mend that line.") from error
    if not isinstance(row, dict):
        raise ReadError(f"{location}: expected a JSON object, found {type(row).__name__}; mend that line.")
    if "right_answer" in row or "knowledge" in row:
        fields = [_require_text(location, row, name) for name in HALUEVAL_KEYS]
        for answer, supported in ((fields[2], True), (fields[3], False)):
            yield JudgedClaim(question_answer_to_claim(fields[1], answer), (fields[0],), supported)
        return
    claim = _require_text(location, row, "claim")
    raw_evidence = row.get("evidence")
    texts = tuple(raw_evidence) if isinstance(raw_evidence, list) else (_require_text(location, row, "evidence"),)
    if not texts or not all(isinstance(text, str) and text.strip() for text in texts):
        raise ReadError(f"{location}: expected a text, or some, as evidence, found an empty one; mend that line.")
    label = row.get("supported")
    if label not in (True, False):
        raise ReadError(f'{location}: expected true or false as "supported", found {label!r}; mend that line.')
    yield JudgedClaim(claim, texts, bool(label))


def _require_text(location: str, row: dict[str, object], name: str) -> str:
    value = row.get(name)
    if not isinstance(value, str):
        raise ReadError(
            f'{location}: expected a JSON object with "evidence", "claim" and "supported" (or HaluEval\'s keys), '
            f'found no text as "{name}"; mend that line.'
        )
    if not value.strip():
        raise ReadError(f'{location}: expected a text as "{name}", found an empty one; mend that line.')
    return value
