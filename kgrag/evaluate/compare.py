"""Two rankings of the same questions side by side: each measure of both, and the paired difference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from kgrag.errors import UsageError
from kgrag.evaluate.metrics import ranking_measures
from kgrag.evaluate.statistics import interval, paired
from kgrag.evaluate.trec import Ranking, Run, coverage, documents
from kgrag.types import Question

EXTREMES = 10
"""Questions that are shown because the two differ most on them."""
Values = dict[str, list[float]]


def measured(questions: Sequence[Question], rankings: Sequence[Ranking]) -> Values:
    """Measure -> its value for each question: NaN without gold, 0 where a ranking is empty."""
    each = [ranking_measures(documents(r), q.gold) for q, r in zip(questions, rankings, strict=True)]
    return {name: [values[name] for values in each] for name in ranking_measures([], [])}


def with_intervals(values: Values) -> dict[str, Any]:
    """Measure -> {"value", "low", "high"}, JSON-ready."""
    return {name: asdict(interval(each)) for name, each in values.items()}


def differences(ours: Values, others: Values) -> dict[str, Any]:
    """Measure -> {"value", "low", "high", "p"} of ``ours - others``, JSON-ready; see `paired`."""
    return {name: asdict(paired(ours[name], others[name])) for name in ours}


def beside(questions: Sequence[Question], ours: Sequence[Ranking], others: Sequence[Ranking]) -> dict[str, Any]:
    """Another system's measures, and under "difference" what ours are above them, paired; JSON-ready."""
    values = measured(questions, others)
    return with_intervals(values) | {"difference": differences(measured(questions, ours), values)}


def unique(questions: Sequence[Question]) -> None:
    """Raises UsageError unless each question has an id of its own: runs name questions by nothing else."""
    seen: set[str] = set()
    for question in questions:
        if question.id in seen:
            raise UsageError(
                f"Expected each question to have an _id of its own, found {question.id!r} twice: "
                "number the questions, as TREC runs name them by their ids alone."
            )
        seen.add(question.id)


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
    unique(questions)
    sides = {name: [run.get(q.id, ()) for q in questions] for name, run in (("a", a), ("b", b))}
    values = {name: measured(questions, rankings) for name, rankings in sides.items()}
    report: dict[str, Any] = {
        name: with_intervals(values[name]) | asdict(coverage(run, questions)) for name, run in (("a", a), ("b", b))
    }
    report["difference"] = differences(values["a"], values["b"])
    report["questions"] = len(questions)
    report["unscored"] = sum(not q.gold for q in questions)
    report["extremes"] = _extremes(questions, values)
    return report


def _extremes(questions: Sequence[Question], values: dict[str, Values]) -> list[dict[str, Any]]:
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
        for number in sorted(differing, key=apart, reverse=True)[:EXTREMES]
    ]
