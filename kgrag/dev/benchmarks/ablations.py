"""Rows of the retrieval table: a ranking of every question by each baseline, ablation and ranker.

The shipped ranker was trained on these very questions, so no row uses it. Rankers are trained on other questions of
all sets (cross-validated), or on the other sets only (left out).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from kgrag.dev.benchmarks.baselines import fuse_scores
from kgrag.dev.benchmarks.trec_runs import Ranking
from kgrag.dev.training.ranker.cross_validation import FOLDS, cross_validate, leave_one_set_out, rank_documents
from kgrag.dev.training.ranker.examples import RankingExample
from kgrag.errors import UsageError
from kgrag.retrieve.candidates import COMPONENTS
from kgrag.types import Question

Tick = Callable[[], None]
ALL_PARTS = "all"
BASELINES = ("BM25", "dense", "RRF of both")
WALK_ALONE = "walk alone"
UNTRAINED = "without the ranker"
_WALK_SCORES = "walk names+3"
_LEFT_OUT_SUFFIX = ", left out"


@dataclass(frozen=True)
class SetCandidates:
    """A question set: its ``questions`` with gold, and candidates in the order of the questions.

    ``baseline_examples``: the results of the baselines over the whole store. ``examples_by_ablation``: ``"all"`` and
    ``"without …"`` for each of `COMPONENTS` -> candidates with features.
    """

    questions: list[Question]
    baseline_examples: list[RankingExample]
    examples_by_ablation: dict[str, list[RankingExample]]


def ablations() -> dict[str, frozenset[str]]:
    """Return label -> the `COMPONENTS` that it may use."""
    return {ALL_PARTS: frozenset(COMPONENTS)} | {
        f"without {part}": frozenset(COMPONENTS) - {part} for part in COMPONENTS
    }


def reference_row(row: str) -> str | None:
    """Return the row to compare another with: all components, trained in the same way; None for `ALL_PARTS` itself."""
    if row == ALL_PARTS:
        return None
    return (
        ALL_PARTS + _LEFT_OUT_SUFFIX
        if row.endswith(_LEFT_OUT_SUFFIX) and row != ALL_PARTS + _LEFT_OUT_SUFFIX
        else ALL_PARTS
    )


def row_names() -> list[str]:
    """Return every row that `build_rows` may make."""
    return [
        *BASELINES,
        WALK_ALONE,
        UNTRAINED,
        *(label + end for label in ablations() for end in ("", _LEFT_OUT_SUFFIX)),
    ]


def count_trainings(sets: int) -> int:
    """Return how often `build_rows` calls ``tick``."""
    return len(ablations()) * (FOLDS + (sets if sets > 1 else 0))


def check_enough_questions(name: str, questions: Sequence[Question]) -> None:
    """Raise UsageError if a set has too few questions with gold to train on some and measure on others."""
    scored_count = sum(bool(question.gold) for question in questions)
    if scored_count < FOLDS:
        raise UsageError(
            f"Expected {FOLDS} or more questions with gold documents in {name}, to train on some and measure on "
            f"others, found {scored_count}: pass a greater --limit, or leave the set out."
        )


def build_rows(sets: dict[str, SetCandidates], tick: Tick = lambda: None) -> dict[str, dict[str, list[Ranking]]]:
    """Return set -> row -> a ranking for each question.

    With one set only, the rows that leave a set out are missing: there is nothing else to train on.

    Args:
        sets: of `FOLDS` questions or more each.
        tick: called after each of `count_trainings` trainings.

    Raises:
        UsageError: a set is too small.
    """
    for name, candidates in sets.items():
        check_enough_questions(name, candidates.questions)
    rankings_by_set: dict[str, dict[str, list[Ranking]]] = {}
    for name, candidates in sets.items():
        rankings_by_set[name] = {
            row: [rank_documents(e, e.retriever_scores[row]) for e in candidates.baseline_examples] for row in BASELINES
        }
        rankings_by_set[name][WALK_ALONE] = [
            rank_documents(e, e.retriever_scores[_WALK_SCORES]) for e in candidates.examples_by_ablation[ALL_PARTS]
        ]
        rankings_by_set[name][UNTRAINED] = [
            rank_without_training(e) for e in candidates.examples_by_ablation[ALL_PARTS]
        ]
    for label in ablations():
        group = {name: gathered.examples_by_ablation[label] for name, gathered in sets.items()}
        for name, rankings in cross_validate(group, tick).items():
            rankings_by_set[name][label] = rankings
        if len(group) > 1:
            for name, rankings in leave_one_set_out(group, tick).items():
                rankings_by_set[name][label + _LEFT_OUT_SUFFIX] = rankings
    return rankings_by_set


def rank_without_training(example: RankingExample) -> Ranking:
    """Rank documents by reciprocal rank fusion of words, vectors and every walk: the best order without training.

    The fusion of words and vectors, which the example carries too, would count both twice.
    """
    single = [scores.astype(np.float64) for name, scores in example.retriever_scores.items() if name != "RRF"]
    scores = fuse_scores(single)
    return rank_documents(example, np.where(np.isfinite(scores), scores, np.nan))
