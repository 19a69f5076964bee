"""Two rankings of the same questions side by side: each measure of both, and the paired difference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from kgrag.dev.benchmarks.trec_runs import Ranking, Run, coverage, ranked_documents
from kgrag.errors import UsageError
from kgrag.metrics.intervals import bootstrap_interval, paired_permutation_test
from kgrag.metrics.ranking import ranking_measures
from kgrag.types import Question

MAX_EXTREMES = 10
"""Questions that are shown because the two differ most on them."""
MeasureValues = dict[str, list[float]]


def score_rankings(questions: Sequence[Question], rankings: Sequence[Ranking]) -> MeasureValues:
    """Measure -> its value for each question: NaN without gold, 0 where a ranking is empty."""
    question_measures = [
        ranking_measures(ranked_documents(r), q.gold) for q, r in zip(questions, rankings, strict=True)
    ]
    return {name: [values[name] for values in question_measures] for name in ranking_measures([], [])}


def with_intervals(values: MeasureValues) -> dict[str, Any]:
    """Measure -> {"value", "low", "high"}, JSON-ready."""
    return {name: asdict(bootstrap_interval(each)) for name, each in values.items()}


def paired_differences(ours: MeasureValues, others: MeasureValues) -> dict[str, Any]:
    """Measure -> {"value", "low", "high", "p"} of ``ours - others``, JSON-ready; see `paired`."""
    return {name: asdict(paired_permutation_test(ours[name], others[name])) for name in ours}


def score_against_baseline(
    questions: Sequence[Question], our_rankings: Sequence[Ranking], baseline_rankings: Sequence[Ranking]
) -> dict[str, Any]:
    """Another system's measures, and under "difference" what ours are above them, paired; JSON-ready."""
    values = score_rankings(questions, baseline_rankings)
    return with_intervals(values) | {"difference": paired_differences(score_rankings(questions, our_rankings), values)}


def check_unique_ids(questions: Sequence[Question]) -> None:
    """Raises UsageError unless each question has an id of its own: runs name questions by nothing else."""
    seen_ids: set[str] = set()
    for question in questions:
        if question.id in seen_ids:
            raise UsageError(
                f"Expected each question to have an _id of its own, found {question.id!r} twice: "
                "number the questions, as TREC runs name them by their ids alone."
            )
        seen_ids.add(question.id)


def compare_runs(a: Run, b: Run, questions: Sequence[Question]) -> dict[str, Any]:
    """Both runs' measures, the paired difference ``a - b``, and the questions on which they differ most.

    A question that a run passes over counts as a recall of 0, and is counted in ``missing``.

    Returns:
        JSON-ready: "a" and "b" (measures, "unknown", "missing"), "difference", "questions", "unscored", and "extremes":
        up to `EXTREMES` of {"id", "text", "a", "b"}, the values being recall@5, then mean reciprocal rank where that
        is equal, greatest difference first.

    Raises:
        UsageError: two questions have the same id.
    """
    check_unique_ids(questions)
    sides = {name: [run.get(q.id, ()) for q in questions] for name, run in (("a", a), ("b", b))}
    values = {name: score_rankings(questions, rankings) for name, rankings in sides.items()}
    report: dict[str, Any] = {
        name: with_intervals(values[name]) | asdict(coverage(run, questions)) for name, run in (("a", a), ("b", b))
    }
    report["difference"] = paired_differences(values["a"], values["b"])
    report["questions"] = len(questions)
    report["unscored"] = sum(not q.gold for q in questions)
    report["extremes"] = _largest_differences(questions, values)
    return report


def _largest_differences(questions: Sequence[Question], values: dict[str, MeasureValues]) -> list[dict[str, Any]]:
    def apart(number: int) -> tuple[float, float]:
        recall, rank = (values["a"][m][number] - values["b"][m][number] for m in ("recall@5", "mrr"))
        return abs(recall), abs(rank)

    differing = [number for number, q in enumerate(questions) if q.gold and any(apart(number))]
    return [
        {
            "id": questions[number].id,
            "text": questions[number].text,
            **{side: {m: values[side][m][number] for m in ("recall@5", "mrr")} for side in ("a", "b")},
        }
        for number in sorted(differing, key=apart, reverse=True)[:MAX_EXTREMES]
    ]
