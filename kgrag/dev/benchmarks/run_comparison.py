"""Comparison of two rankings of the same questions: each measure of both, and the paired difference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, TypedDict

from kgrag.dev.benchmarks.trec_runs import Ranking, Run, coverage, ranked_documents
from kgrag.metrics.intervals import IntervalJson, bootstrap_interval, interval_json
from kgrag.metrics.ranking import ranking_measures
from kgrag.metrics.significance import DifferenceJson, difference_json, paired_permutation_test
from kgrag.question_sets import check_unique_ids
from kgrag.types import Question

MAX_EXTREMES = 10
"""Questions listed because the two runs differ most on them."""
MeasureValues = dict[str, list[float]]
"""Measure -> its value for each question."""
RunFigures = dict[str, Any]
"""Measure -> `IntervalJson`; and further keys that each user documents."""


class ExtremeQuestion(TypedDict):
    """A question with recall@5 and mean reciprocal rank ("mrr") of two runs."""

    id: str
    text: str
    a: dict[str, float]
    b: dict[str, float]


class RunComparison(TypedDict):
    """Two runs on the same questions.

    ``a`` and ``b`` have the measures, and "unknown" and "missing" of `Coverage`. ``difference`` is ``a - b``.
    ``unscored`` counts questions without gold. ``extremes`` are up to `MAX_EXTREMES` questions, by greatest difference
    of recall@5, then of the reciprocal rank.
    """

    a: RunFigures
    b: RunFigures
    difference: dict[str, DifferenceJson]
    questions: int
    unscored: int
    extremes: list[ExtremeQuestion]


def score_rankings(questions: Sequence[Question], rankings: Sequence[Ranking]) -> MeasureValues:
    """Return measure -> its value for each question: NaN without gold, 0 for an empty ranking."""
    question_measures = [
        ranking_measures(ranked_documents(r), q.gold) for q, r in zip(questions, rankings, strict=True)
    ]
    return {name: [values[name] for values in question_measures] for name in ranking_measures([], [])}


def with_intervals(values: MeasureValues) -> dict[str, IntervalJson]:
    """Return measure -> {"value", "low", "high"}, JSON-ready."""
    return {name: interval_json(bootstrap_interval(each)) for name, each in values.items()}


def paired_differences(ours: MeasureValues, others: MeasureValues) -> dict[str, DifferenceJson]:
    """Return measure -> {"value", "low", "high", "p"} of ``ours - others``, JSON-ready.

    See `paired_permutation_test`.
    """
    return {name: difference_json(paired_permutation_test(ours[name], others[name])) for name in ours}


def score_against_baseline(
    questions: Sequence[Question], our_rankings: Sequence[Ranking], baseline_rankings: Sequence[Ranking]
) -> RunFigures:
    """Return another system's measures, and under "difference" the paired differences ``ours - theirs``; JSON-ready."""
    values = score_rankings(questions, baseline_rankings)
    return {**with_intervals(values), "difference": paired_differences(score_rankings(questions, our_rankings), values)}


def compare_runs(a: Run, b: Run, questions: Sequence[Question]) -> RunComparison:
    """Compare two runs: measures of both, paired differences, and the questions that differ most.

    A question that a run lacks counts as a recall of 0, and is counted in ``missing``.

    Raises:
        UsageError: two questions have the same id.
    """
    check_unique_ids(questions)
    sides = {name: [run.get(q.id, ()) for q in questions] for name, run in (("a", a), ("b", b))}
    values = {name: score_rankings(questions, rankings) for name, rankings in sides.items()}
    return {
        "a": {**with_intervals(values["a"]), **asdict(coverage(a, questions))},
        "b": {**with_intervals(values["b"]), **asdict(coverage(b, questions))},
        "difference": paired_differences(values["a"], values["b"]),
        "questions": len(questions),
        "unscored": sum(not q.gold for q in questions),
        "extremes": _largest_differences(questions, values),
    }


def _largest_differences(questions: Sequence[Question], values: dict[str, MeasureValues]) -> list[ExtremeQuestion]:
    def distance(number: int) -> tuple[float, float]:
        recall, rank = (values["a"][m][number] - values["b"][m][number] for m in ("recall@5", "mrr"))
        return abs(recall), abs(rank)

    differing = [number for number, q in enumerate(questions) if q.gold and any(distance(number))]

    def values_of(side: str, number: int) -> dict[str, float]:
        return {measure: values[side][measure][number] for measure in ("recall@5", "mrr")}

    return [
        {
            "id": questions[number].id,
            "text": questions[number].text,
            "a": values_of("a", number),
            "b": values_of("b", number),
        }
        for number in sorted(differing, key=distance, reverse=True)[:MAX_EXTREMES]
    ]
