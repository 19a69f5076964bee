"""Intervals and paired differences, so that no figure and no comparison stands alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kgrag.types import Interval

RESAMPLES = 2000
PERMUTATIONS = 9999


@dataclass(frozen=True)
class Difference:
    """A mean difference with its 95 % interval, and ``p``: how often chance alone would give one as great, in (0, 1].

    All four are NaN where nothing was measured on both sides.
    """

    value: float
    low: float
    high: float
    p: float


def bootstrap_interval(
    values: Sequence[float], statistic: Callable[..., Any] = np.mean, *, confidence: float = 0.95, seed: int = 0
) -> Interval:
    """``statistic`` of the defined values with its percentile bootstrap interval (Efron 1979).

    Without a defined value all three numbers are NaN; with one, or with equal ones, the interval is that value.
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


def paired_permutation_test(a: Sequence[float], b: Sequence[float], *, seed: int = 0) -> Difference:
    """How much better ``a`` is than ``b`` on the same questions: the mean of ``a - b``.

    The interval is the percentile bootstrap's over questions (Efron 1979); ``p`` is two-sided, of the paired
    randomisation test, which turns the signs of the differences (Fisher 1935; the test that Smucker, Allan and
    Carterette 2007 advise for retrieval). With few differing questions all ways of turning them are tried, else
    `PERMUTATIONS` random ones, so that ``p`` is never below 2 / (PERMUTATIONS + 1).

    Args:
        a: one value a question; where either is NaN the question says nothing and is left out.
        b: of the same length, question for question.

    Raises:
        ValueError: the lengths differ.
    """
    if len(a) != len(b):
        raise ValueError(f"expected as many values on both sides, found {len(a)} and {len(b)}")
    differences = np.array(a, float) - np.array(b, float)
    differences = differences[~np.isnan(differences)]
    mean_interval = bootstrap_interval(differences.tolist(), seed=seed)
    return Difference(
        mean_interval.value, mean_interval.low, mean_interval.high, _permutation_p_value(differences, seed)
    )


def _permutation_p_value(differences: NDArray[np.float64], seed: int) -> float:
    if not len(differences):
        return math.nan
    # turning the sign of nothing changes nothing: equal questions only cost time
    differing = differences[differences != 0]
    if not len(differing):
        return 1.0
    if len(differing) == 1:
        return 1.0  # two ways to turn it, both as far from nothing; scipy asks for two values
    from scipy.stats import permutation_test

    def mean(sample: Any, axis: int = -1) -> Any:
        return np.mean(sample, axis=axis)

    result = permutation_test(
        (differing,),
        mean,
        permutation_type="samples",
        vectorized=True,
        n_resamples=PERMUTATIONS,
        batch=1000,
        rng=np.random.default_rng(seed),
    )
    return float(result.pvalue)


def percentile(q: float) -> Callable[..., Any]:
    """The ``q``-th percentile (0 to 100) as a statistic for `interval`."""

    def statistic(sample: Any, axis: int = -1) -> Any:
        return np.percentile(sample, q, axis=axis)

    return statistic
