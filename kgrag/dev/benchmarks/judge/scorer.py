"""What a judge is worth on claims that people judged: balanced accuracy, ranking, calibration, speed, and baselines."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kgrag.dev.benchmarks.judge.datasets import JudgedClaim, JudgedClaims
from kgrag.judge.tokenization import tokenize_pair
from kgrag.protocols import SupportJudge
from kgrag.types import ClaimVerdict, Interval

RESAMPLES = 1000
CALIBRATION_BINS = 10
BATCH_SIZE = 32
Floats = NDArray[np.float64]
Tick = Callable[[], None]
Statistic = Callable[[Floats, NDArray[np.bool_]], float]


def balanced_accuracy(support: Floats, labels: NDArray[np.bool_], threshold: float = 0.5) -> float:
    """The mean of the share of supported claims that are taken for such and of the share of the others that are not."""
    if not labels.any() or labels.all():
        return math.nan
    predicted = support >= threshold
    return float((predicted[labels].mean() + (~predicted[~labels]).mean()) / 2)


def auroc(support: Floats, labels: NDArray[np.bool_]) -> float:
    """The probability that a supported claim has more support than another; ties count half (Hanley and McNeil 1982)."""
    from scipy.stats import rankdata

    yes, no = int(labels.sum()), int((~labels).sum())
    if not yes or not no:
        return math.nan
    return float((rankdata(support)[labels].sum() - yes * (yes + 1) / 2) / (yes * no))


def brier(support: Floats, labels: NDArray[np.bool_]) -> float:
    """The mean squared difference between the probability and what is so (Brier 1950); lower is better."""
    return float(np.mean((support - labels) ** 2)) if len(labels) else math.nan


def expected_calibration_error(support: Floats, labels: NDArray[np.bool_]) -> float:
    """Expected calibration error over `BINS` bins of one width (Guo et al. 2017); lower is better."""
    if not len(labels):
        return math.nan
    bins = np.minimum((support * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    bin_errors = [
        abs(support[bins == b].mean() - labels[bins == b].mean()) * (bins == b).mean() for b in np.unique(bins)
    ]
    return float(sum(bin_errors))


def right_over_wrong(support: Floats, labels: NDArray[np.bool_]) -> float:
    """Of pairs of a right and a wrong answer, the share in which the right one has more support; ties count half."""
    right, wrong = support[0::2], support[1::2]
    return float(np.mean((right > wrong) + 0.5 * (right == wrong))) if len(right) else math.nan


def run_judge(
    judge: SupportJudge, rows: Sequence[JudgedClaim], tick: Tick = lambda: None
) -> tuple[list[ClaimVerdict], float]:
    """What a judge says of rows, and the seconds that it took; several at once where it can."""
    judgements: list[ClaimVerdict] = []
    judge_batch = getattr(judge, "judge_all", None)
    start_time = perf_counter()
    for start in range(0, len(rows), BATCH_SIZE):
        group = [(row.claim, row.evidence) for row in rows[start : start + BATCH_SIZE]]
        judgements += judge_batch(group) if judge_batch else [judge.judge(*pair) for pair in group]
        for _ in group:
            tick()
    return judgements, perf_counter() - start_time


def judge_report(judge: SupportJudge, rows: JudgedClaims, tick: Tick = lambda: None) -> dict[str, Any]:
    """All figures of a judge on rows, flat: each with ``_low`` and ``_high``, its 95 % interval over texts.

    Claims that it did not score (NaN) are counted and left out. ``overlap_*`` and ``length_*`` are the baselines: the
    share of the claim's words that the evidence has, and the shorter claim; their ``best`` balanced accuracy is at the
    threshold that is best on these very rows, which is more than anyone could reach.
    """
    judgements, seconds = run_judge(judge, rows.claims, tick)
    support = np.array([one.support for one in judgements])
    labels = np.array([row.supported for row in rows.claims])
    groups = np.unique([row.evidence[0] for row in rows.claims], return_inverse=True)[1]
    is_scored = ~np.isnan(support)
    if rows.is_paired:
        is_scored = np.repeat(is_scored[0::2] & is_scored[1::2], 2)
    overlap, length = baseline_scores(rows.claims)
    figures: dict[str, Any] = {
        "claims": len(judgements),
        "unscored": int((~is_scored).sum()),
        "supported": float(labels.mean()),
        "claims_per_second": len(judgements) / seconds,
    }
    measures: dict[str, Statistic] = {
        "balanced_accuracy": balanced_accuracy,
        "auroc": auroc,
        "brier": brier,
        "ece": expected_calibration_error,
    }
    if rows.is_paired:
        measures = {"right_over_wrong": right_over_wrong, **measures}
    for name, measure in measures.items():
        figures |= _with_bounds(
            name, grouped_bootstrap_interval(measure, support[is_scored], labels[is_scored], groups[is_scored])
        )
    for name, values in (("overlap", overlap), ("length", length)):
        ranking_measure = {"right_over_wrong": right_over_wrong} if rows.is_paired else {}
        for what, measure in {
            **ranking_measure,
            "auroc": auroc,
            "best_balanced_accuracy": best_balanced_accuracy,
        }.items():
            figures[f"{name}_{what}"] = measure(values[is_scored], labels[is_scored])
    return figures


def baseline_scores(rows: Sequence[JudgedClaim]) -> tuple[Floats, Floats]:
    """Of each claim: the share of its words of content that the evidence has (0 without any), and its length, negative."""
    readings = [tokenize_pair(row.claim, row.evidence) for row in rows]
    shares = [r.coverage(range(len(r.evidence)), weighted=False) for r in readings]
    return np.nan_to_num(np.array(shares)), -np.array([float(len(row.claim)) for row in rows])


def best_balanced_accuracy(values: Floats, labels: NDArray[np.bool_]) -> float:
    """The best that any threshold gives on these very rows."""
    return max((balanced_accuracy(values, labels, t) for t in np.unique(values)), default=math.nan)


def grouped_bootstrap_interval(
    measure: Statistic, support: Floats, labels: NDArray[np.bool_], groups: NDArray[np.int64]
) -> Interval:
    """A measure with its percentile bootstrap interval over texts (Efron 1979): claims about one text go together, as
    they stand (so that a pair stays one)."""
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
