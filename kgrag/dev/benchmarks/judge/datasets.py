"""Labelled claims with evidence, and questions with a right and a wrong answer, to measure a judge on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from kgrag.errors import ReadError, UsageError
from kgrag.judge.tokenization import question_answer_to_claim
from kgrag.storage.text_files import open_text_file

HALUEVAL_KEYS = ("knowledge", "question", "right_answer", "hallucinated_answer")


class JudgedClaim(NamedTuple):
    """A claim, its evidence, and whether the evidence supports it."""

    claim: str
    evidence: tuple[str, ...]
    supported: bool


class JudgedClaims(NamedTuple):
    """The ``claims`` of a file, and whether they are pairs of a right and a wrong answer to one question.

    In a pair the right answer comes first.
    """

    claims: tuple[JudgedClaim, ...]
    is_paired: bool


def load_claims(path: Path, limit: int | None = None) -> JudgedClaims:
    """Load claims from JSON lines, gzip or plain.

    A row is ``{"evidence", "claim", "supported"}`` (``evidence`` a text or a list of texts), or HaluEval's
    ``{"knowledge", "question", "right_answer", "hallucinated_answer"}``, which gives two claims.

    Raises:
        UsageError: there is no such file.
        ReadError: a line is neither, or lacks text; the message contains its number.
    """
    if not path.is_file():
        raise UsageError(f"Expected a file of claims at {path}, found none: check the path.")
    claims: list[JudgedClaim] = []
    pairings: set[bool] = set()
    try:
        with open_text_file(path) as lines:
            for line in nonblank_lines(lines, limit):
                rows = list(_parse_claims(path, *line))
                pairings.add(len(rows) == 2)
                if len(pairings) > 1:
                    raise ReadError(
                        f"{path}, line {line[0]}: expected rows of one format, found the other: split the file."
                    )
                claims += rows
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise ReadError(f"{path} cannot be read to its end ({error}): download or write it again.") from error
    if not claims:
        raise ReadError(
            f"Expected JSON lines with evidence, claim and supported in {path}, found none: pass another file."
        )
    return JudgedClaims(tuple(claims), True in pairings)


def nonblank_lines(lines: Iterator[str], limit: int | None) -> Iterator[tuple[int, str]]:
    """Yield (number, line) of the first ``limit`` lines that are not blank."""
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
        raise ReadError(f"{location}: expected a JSON object, found other text ({error}): fix that line.") from error
    if not isinstance(row, dict):
        raise ReadError(f"{location}: expected a JSON object, found {type(row).__name__}: fix that line.")
    if "right_answer" in row or "knowledge" in row:
        fields = [_require_text(location, row, name) for name in HALUEVAL_KEYS]
        for answer, supported in ((fields[2], True), (fields[3], False)):
            yield JudgedClaim(question_answer_to_claim(fields[1], answer), (fields[0],), supported)
        return
    claim = _require_text(location, row, "claim")
    raw_evidence = row.get("evidence")
    texts = tuple(raw_evidence) if isinstance(raw_evidence, list) else (_require_text(location, row, "evidence"),)
    if not texts or not all(isinstance(text, str) and text.strip() for text in texts):
        raise ReadError(f"{location}: expected a text, or some, as evidence, found an empty one: fix that line.")
    label = row.get("supported")
    if label not in (True, False):
        raise ReadError(f'{location}: expected true or false as "supported", found {label!r}: fix that line.')
    yield JudgedClaim(claim, texts, bool(label))


def _require_text(location: str, row: dict[str, object], name: str) -> str:
    value = row.get(name)
    if not isinstance(value, str):
        raise ReadError(
            f'{location}: expected a JSON object with "evidence", "claim" and "supported" (or HaluEval\'s keys), '
            f'found no text as "{name}": fix that line.'
        )
    if not value.strip():
        raise ReadError(f'{location}: expected a text as "{name}", found an empty one: fix that line.')
    return value
