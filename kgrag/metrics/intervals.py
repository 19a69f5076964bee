"""Values with their 95 % intervals: means, rates, corrected rates."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from kgrag.metrics.clusters import group_by_cluster
from kgrag.types import Interval

RESAMPLES = 2000
"""Drawings of a bootstrap, and sign flips of whole clusters."""
ALPHA = 0.05
"""The level of every test; every interval covers 1 - ALPHA."""
UNDEFINED_INTERVAL = Interval(math.nan, math.nan, math.nan)


class IntervalJson(TypedDict):
    """A value and the ends of its interval, as JSON."""

    value: float
    low: float
    high: float


def interval_json(interval: Interval) -> IntervalJson:
    """Return a value with its interval as JSON."""
    return {"value": interval.value, "low": interval.low, "high": interval.high}


def bootstrap_interval(
    values: Sequence[float], statistic: Callable[..., Any] = np.mean, *, confidence: float = 0.95, seed: int = 0
) -> Interval:
    """Return ``statistic`` of the defined values with its percentile bootstrap interval (Efron 1979).

    All three numbers are NaN without a defined value. With a single value, or equal ones, the interval is that value.
    """
    defined = np.array([v for v in values if not math.isnan(v)], float)
    if not len(defined):
        return Interval(math.nan, math.nan, math.nan)
    value = float(statistic(defined))
    if len(defined) == 1 or np.all(defined == defined[0]):
        return Interval(value, value, value)
    from scipy.stats import bootstrap

    result = bootstrap(
        (defined,),
        statistic,
        n_resamples=RESAMPLES,
        confidence_level=confidence,
        method="percentile",
        vectorized=True,
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return Interval(value, float(result.low), float(result.high))


def percentile(q: float) -> Callable[..., Any]:
    """Return a statistic for `bootstrap_interval`: the ``q``-th percentile, ``q`` from 0 to 100."""

    def statistic(sample: Any, axis: int = -1) -> Any:
        return np.percentile(sample, q, axis=axis)

    return statistic


def wilson(hits: int, total: int) -> Interval:
    """Return a rate with its 95 % score interval (Wilson 1927; Newcombe 1998 recommends it among the simple ones)."""
    if not total:
        return UNDEFINED_INTERVAL
    from scipy.stats import binomtest

    proportion = binomtest(hits, total).proportion_ci(1 - ALPHA, method="wilson")
    # scipy returns the exact bounds of 0 of n and of n of n with a rounding error
    return Interval(
        hits / total, 0.0 if not hits else float(proportion.low), 1.0 if hits == total else float(proportion.high)
    )


def cluster_bootstrap(differences: Sequence[float], clusters: Sequence[Hashable], *, seed: int = 0) -> Interval:
    """Return the mean of paired differences with a percentile bootstrap over clusters.

    After Davison and Hinkley (1997, 3.8). Questions about one document are right or wrong together, so the bootstrap
    draws documents with all their questions.

    Args:
        differences: one for each question; NaN is left out.
        clusters: the cluster of each question.
        seed: of the drawings.

    Raises:
        ValueError: the lengths differ.
    """
    groups = group_by_cluster(differences, clusters)
    if not groups:
        return UNDEFINED_INTERVAL
    sums = np.array([math.fsum(g) for g in groups])
    sizes = np.array([len(g) for g in groups], float)
    value = float(sums.sum() / sizes.sum())
    random = np.random.default_rng(seed)
    resampled = np.array([_resampled_mean(random, sums, sizes) for _ in range(RESAMPLES)])
    low, high = np.percentile(resampled, [100 * ALPHA / 2, 100 * (1 - ALPHA / 2)])
    return Interval(value, float(low), float(high))


def _resampled_mean(random: np.random.Generator, sums: NDArray[np.float64], sizes: NDArray[np.float64]) -> float:
    indices = random.integers(0, len(sums), len(sums))
    return float(sums[indices].sum() / sizes[indices].sum())


def rogan_gladen(apparent: float, total: int, sensitivity: float, positives: int, specificity: float, negatives: int) -> Interval:  # fmt: skip
    """Return the true rate behind a rate that a fallible judge counted, with its interval (Rogan and Gladen 1978).

    Args:
        apparent: share that the judge counted, of ``total`` cases.
        total: cases that the judge decided.
        sensitivity: share of the true cases that the judge counts, measured on ``positives`` of them.
        positives: true cases with a known label.
        specificity: share of the other cases that the judge does not count, measured on ``negatives`` of them.
        negatives: other cases with a known label.

    Returns:
        clipped to [0, 1]; NaN if the judge is no better than chance, or if any of the numbers is missing.
    """
    youden = sensitivity + specificity - 1
    if not (total and positives and negatives) or math.isnan(youden) or youden <= 0 or math.isnan(apparent):
        return UNDEFINED_INTERVAL
    rate = (apparent + specificity - 1) / youden
    clipped = min(max(rate, 0.0), 1.0)
    variance = (
        apparent * (1 - apparent) / total
        + clipped**2 * sensitivity * (1 - sensitivity) / positives
        + (1 - clipped) ** 2 * specificity * (1 - specificity) / negatives
    ) / youden**2
    from scipy.stats import norm

    half = float(norm.ppf(1 - ALPHA / 2)) * math.sqrt(variance)
    return Interval(clipped, *(min(max(bound, 0.0), 1.0) for bound in (rate - half, rate + half)))
