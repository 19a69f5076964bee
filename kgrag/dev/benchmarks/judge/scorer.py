"""Measures of a claim judge on human labels: balanced accuracy, ranking, calibration, speed, and baselines."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from kgrag.dev.benchmarks.judge.datasets import JudgedClaim, JudgedClaims
from kgrag.judge.tokenization import tokenize_pair
from kgrag.metrics.calibration import auroc, brier_score, expected_calibration_error
from kgrag.protocols import SupportJudge
from kgrag.types import ClaimVerdict, Interval

RESAMPLES = 1000
BATCH_SIZE = 32
Floats = NDArray[np.float64]
Tick = Callable[[], None]
Statistic = Callable[[Floats, NDArray[np.bool_]], float]


def balanced_accuracy(support: Floats, labels: NDArray[np.bool_], threshold: float = 0.5) -> float:
    """Return the mean of the accuracies on supported and on other claims; NaN without claims of either kind."""
    if not labels.any() or labels.all():
        return math.nan
    predicted = support >= threshold
    return float((predicted[labels].mean() + (~predicted[~labels]).mean()) / 2)


def right_over_wrong(support: Floats, labels: NDArray[np.bool_]) -> float:
    """Return the share of answer pairs in which the right answer has more support; ties count half."""
    right, wrong = support[0::2], support[1::2]
    return float(np.mean((right > wrong) + 0.5 * (right == wrong))) if len(right) else math.nan


def run_judge(
    judge: SupportJudge, rows: Sequence[JudgedClaim], tick: Tick = lambda: None
) -> tuple[list[ClaimVerdict], float]:
    """Judge rows, in batches if the judge can; return the verdicts and the seconds."""
    judgements: list[ClaimVerdict] = []
    judge_batch = getattr(judge, "judge_all", None)
    start_time = perf_counter()
    for start in range(0, len(rows), BATCH_SIZE):
        group = [(row.claim, row.evidence) for row in rows[start : start + BATCH_SIZE]]
        judgements += judge_batch(group) if judge_batch else [judge.judge(*pair) for pair in group]
        for _ in group:
            tick()
    return judgements, perf_counter() - start_time


def judge_report(judge: SupportJudge, rows: JudgedClaims, tick: Tick = lambda: None) -> dict[str, int | float]:
    """Return all figures of a judge on rows, flat: each with ``_low`` and ``_high``, its 95 % interval.

    Intervals are bootstrapped over texts. Unscored claims (NaN) are counted and left out. ``overlap_*`` and
    ``length_*`` are the baselines: the share of the claim's words that the evidence has, and the shorter claim. Their
    ``best`` balanced accuracy uses the threshold that is best on these very rows, which is more than any method could
    reach.
    """
    judgements, seconds = run_judge(judge, rows.claims, tick)
    support = np.array([verdict.support for verdict in judgements])
    labels = np.array([row.supported for row in rows.claims])
    groups = np.unique([row.evidence[0] for row in rows.claims], return_inverse=True)[1]
    is_scored = ~np.isnan(support)
    if rows.is_paired:
        is_scored = np.repeat(is_scored[0::2] & is_scored[1::2], 2)
    overlap, length = baseline_scores(rows.claims)
    figures: dict[str, int | float] = {
        "claims": len(judgements),
        "unscored": int((~is_scored).sum()),
        "supported": float(labels.mean()),
        "claims_per_second": len(judgements) / seconds,
    }
    measures: dict[str, Statistic] = {
        "balanced_accuracy": balanced_accuracy,
        "auroc": auroc,
        "brier": brier_score,
        "ece": expected_calibration_error,
    }
    if rows.is_paired:
        measures = {"right_over_wrong": right_over_wrong, **measures}
    for name, measure in measures.items():
        figures |= _with_bounds(
            name, grouped_bootstrap_interval(measure, support[is_scored], labels[is_scored], groups[is_scored])
        )
    baseline_measures: dict[str, Statistic] = {"auroc": auroc, "best_balanced_accuracy": best_balanced_accuracy}
    if rows.is_paired:
        baseline_measures = {"right_over_wrong": right_over_wrong, **baseline_measures}
    for name, values in (("overlap", overlap), ("length", length)):
        for measure_name, measure in baseline_measures.items():
            figures[f"{name}_{measure_name}"] = measure(values[is_scored], labels[is_scored])
    return figures


def baseline_scores(rows: Sequence[JudgedClaim]) -> tuple[Floats, Floats]:
    """Return for each claim the share of its content words in the evidence (0 without any), and its negative length."""
    readings = [tokenize_pair(row.claim, row.evidence) for row in rows]
    shares = [r.coverage(range(len(r.evidence)), weighted=False) for r in readings]
    return np.nan_to_num(np.array(shares)), -np.array([float(len(row.claim)) for row in rows])


def best_balanced_accuracy(values: Floats, labels: NDArray[np.bool_]) -> float:
    """Return the best balanced accuracy of any threshold on these very rows."""
    return max((balanced_accuracy(values, labels, t) for t in np.unique(values)), default=math.nan)


def grouped_bootstrap_interval(
    measure: Statistic, support: Floats, labels: NDArray[np.bool_], groups: NDArray[np.int64]
) -> Interval:
    """Return a measure with its percentile bootstrap interval over texts (Efron 1979).

    Claims about one text are drawn together, in their order, so that a pair stays a pair.
    """
    value = measure(support, labels)
    if math.isnan(value):
        return Interval(math.nan, math.nan, math.nan)
    rng = np.random.default_rng(0)
    order = np.argsort(groups, kind="stable")
    members = np.split(order, np.cumsum(np.unique(groups, return_counts=True)[1])[:-1])
    values = []
    for _ in range(RESAMPLES):
        resample = np.concatenate([members[i] for i in rng.integers(0, len(members), len(members))])
        values.append(measure(support[resample], labels[resample]))
    low, high = np.nanpercentile(values, [2.5, 97.5])
    return Interval(value, float(low), float(high))


def _with_bounds(name: str, measured: Interval) -> dict[str, float]:
    return {name: measured.value, f"{name}_low": measured.low, f"{name}_high": measured.high}
