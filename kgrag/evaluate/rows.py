"""The rows of the table: a ranking of every question by each way of finding and ordering documents.

The shipped ranker was trained on these very questions, so no row uses it: rankers are trained anew, on other questions
of all sets (cross-validated) or on other sets only (left out).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from kgrag.errors import UsageError
from kgrag.evaluate.examples import Example
from kgrag.evaluate.ranking import FOLDS, cross_validated, left_out, ranked
from kgrag.evaluate.trec import Ranking
from kgrag.evaluate.whole import fused
from kgrag.retrieve.candidates import PARTS
from kgrag.types import Question

Tick = Callable[[], None]
ALL = "all"
BASELINES = ("BM25", "dense", "RRF of both")
WALK = "walk alone"
UNTRAINED = "without the ranker"
_WALK = "walk names+3"
_LEFT_OUT = ", left out"


@dataclass(frozen=True)
class Gathered:
    """One set: its ``questions`` with gold, and examples in their order.

    ``whole``: what the baselines find in the whole store. ``parts``: ``"all"`` and ``"without …"`` for each of
    `PARTS` -> candidates with features.
    """

    questions: list[Question]
    whole: list[Example]
    parts: dict[str, list[Example]]


def ablations() -> dict[str, frozenset[str]]:
    """What is gathered: label -> the `PARTS` it may use."""
    return {ALL: frozenset(PARTS)} | {f"without {part}": frozenset(PARTS) - {part} for part in PARTS}


def reference(row: str) -> str | None:
    """The row that another is compared with: all parts, trained in the same way; None for `ALL` itself."""
    if row == ALL:
        return None
    return ALL + _LEFT_OUT if row.endswith(_LEFT_OUT) and row != ALL + _LEFT_OUT else ALL


def row_names() -> list[str]:
    """Every row that `rows` may make."""
    return [*BASELINES, WALK, UNTRAINED, *(label + end for label in ablations() for end in ("", _LEFT_OUT))]


def trainings(sets: int) -> int:
    """How often `rows` ticks."""
    return len(ablations()) * (FOLDS + (sets if sets > 1 else 0))


def enough(name: str, questions: Sequence[Question]) -> None:
    """Raises UsageError if a set has too few questions with gold to train on some and measure on others."""
    found = sum(bool(question.gold) for question in questions)
    if found < FOLDS:
        raise UsageError(
            f"Expected {FOLDS} or more questions with gold documents in {name}, to train on some and measure on "
            f"others, found {found}: give more with a greater --limit, or leave the set out."
        )


def rows(sets: dict[str, Gathered], tick: Tick = lambda: None) -> dict[str, dict[str, list[Ranking]]]:
    """Set -> row -> a ranking for each question.

    With one set only there is nothing else to train on, and the rows that leave a set out are not there.

    Args:
        sets: of `FOLDS` questions or more each.
        tick: called after each of `trainings` trainings.

    Raises:
        UsageError: a set is too small.
    """
    for name, gathered in sets.items():
        enough(name, gathered.questions)
    made: dict[str, dict[str, list[Ranking]]] = {}
    for name, gathered in sets.items():
        made[name] = {row: [ranked(e, e.alone[row]) for e in gathered.whole] for row in BASELINES}
        made[name][WALK] = [ranked(e, e.alone[_WALK]) for e in gathered.parts[ALL]]
        made[name][UNTRAINED] = [untrained(e) for e in gathered.parts[ALL]]
    for label in ablations():
        group = {name: gathered.parts[label] for name, gathered in sets.items()}
        for name, rankings in cross_validated(group, tick).items():
            made[name][label] = rankings
        if len(group) > 1:
            for name, rankings in left_out(group, tick).items():
                made[name][label + _LEFT_OUT] = rankings
    return made


def untrained(example: Example) -> Ranking:
    """Reciprocal rank fusion of words, vectors and every walk: the best ordering of the candidates that needs no
    training. The fusion of words and vectors, which the example carries too, would count both twice."""
    single = [scores.astype(np.float64) for name, scores in example.alone.items() if name != "RRF"]
    scores = fused(single)
    return ranked(example, np.where(np.isfinite(scores), scores, np.nan))
