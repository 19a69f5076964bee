"""Rankings as TREC runs, to compare with other systems and other versions.

A line is ``question Q0 document rank score tag``, its columns divided by white space (the input of trec_eval, NIST).
The format has no quoting: white space and ``%`` in an id are written as ``%XX``, as in a URL.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote

import numpy as np

from kgrag.errors import ReadError, UsageError
from kgrag.storage.atomic import atomic_write
from kgrag.types import Question

Ranking = Sequence[tuple[str, float]]
"""Documents, each once, and their scores, best first."""
Run = Mapping[str, Ranking]
"""Question id -> its ranking."""
MAX_RUN_DOCUMENTS = 100
"""Documents of a question that are written."""
_EMPTY = "%"


@dataclass(frozen=True)
class Coverage:
    """Counts of the mismatch between a run and a question set.

    ``unknown``: questions of the run that are not in the set. ``missing``: questions with gold that the run lacks.
    """

    unknown: int
    missing: int


def write_run(path: Path, run: Run, tag: str) -> None:
    """Write the first `MAX_RUN_DOCUMENTS` documents of every ranking, whole or not at all.

    Readers order by score alone, in single precision, so a score that does not fall is lowered by the least step.

    Args:
        path: of the run file.
        run: the rankings.
        tag: the name of the system; white space in it becomes ``-``.
    """
    lines = []
    name = _encode(re.sub(r"\s+", "-", tag))
    for question, ranking in run.items():
        floor = np.float32(np.inf)
        for rank, (document, score) in enumerate(ranking[:MAX_RUN_DOCUMENTS], 1):
            floor = min(np.float32(score), np.nextafter(floor, np.float32(-np.inf)))
            lines.append(f"{_encode(question)} Q0 {_encode(document)} {rank} {floor} {name}\n")
    with atomic_write(path) as temporary:
        temporary.write_text("".join(lines), "utf-8", newline="\n")


def read_run(path: Path) -> dict[str, list[tuple[str, float]]]:
    """Read the rankings of a run, by falling score.

    As in trec_eval, the rank column and the order of the lines are ignored; equal scores go by document id, last first.

    Raises:
        UsageError: there is no such file.
        ReadError: a line has another format; the message contains its number.
    """
    if not path.is_file():
        raise UsageError(f"Expected a TREC run at {path}, found none: check the path.")
    scores: dict[str, dict[str, float]] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="\n") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    question, document, score = _parse_run_line(path, number, line)
                    ranking = scores.setdefault(question, {})
                    if document in ranking:
                        raise ReadError(
                            f"{path}, line {number}: expected each document once a question, found {document!r} "
                            f"twice for {question!r}: delete one of the lines."
                        )
                    ranking[document] = score
    except (OSError, UnicodeDecodeError) as error:
        raise ReadError(f"{path} cannot be read to its end ({error}): download or write it again.") from error
    if not scores:
        raise ReadError(
            f"Expected lines of `question Q0 document rank score tag` in {path}, found none: name another file."
        )
    return {
        question: sorted(sorted(ranking.items(), reverse=True), key=lambda item: -item[1])
        for question, ranking in scores.items()
    }


def _parse_run_line(path: Path, number: int, line: str) -> tuple[str, str, float]:
    columns = line.split()
    try:
        question, _, document, _, score, _ = columns
        value = float(score)
    except ValueError:
        value = math.nan
    if len(columns) != 6 or not math.isfinite(value):
        raise ReadError(
            f"{path}, line {number}: expected `question Q0 document rank score tag` with a number as score, "
            f"found {line.strip()[:80]!r}: fix that line."
        )
    return _decode(question), _decode(document), value


def ranked_documents(ranking: Ranking) -> list[str]:
    """Return the documents of a ranking, best first."""
    return [document for document, _ in ranking]


def coverage(run: Run, questions: Sequence[Question]) -> Coverage:
    """Count the questions that only the run or only the question set has."""
    question_ids = {question.id for question in questions}
    missing = sum(bool(question.gold) and not run.get(question.id) for question in questions)
    return Coverage(sum(question not in question_ids for question in run), missing)


def slug(name: str) -> str:
    """Return a row's name as a file name and tag: ``RRF of both`` -> ``rrf-of-both``."""
    return re.sub(r"[^\w+]+", "-", name.lower()).strip("-")


def _encode(identifier: str) -> str:
    return "".join(quote(c, safe="") if c.isspace() or c == "%" else c for c in identifier) or _EMPTY


def _decode(column: str) -> str:
    return "" if column == _EMPTY else unquote(column)
