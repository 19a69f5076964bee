"""Intervals, so that no figure stands alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from kgrag.types import Interval

RESAMPLES = 2000


def interval(
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


def percentile(q: float) -> Callable[..., Any]:
    """The ``q``-th percentile (0 to 100) as a statistic for `interval`."""

    def statistic(sample: Any, axis: int = -1) -> Any:
        return np.percentile(sample, q, axis=axis)

    return statistic
