"""Tests of paired differences, correction for many tests, and statistical power.

scipy provides the tests; each formula that it lacks names its source. A value without data is NaN, never 0.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kgrag.metrics.clusters import group_by_cluster
from kgrag.metrics.intervals import ALPHA, RESAMPLES, IntervalJson, bootstrap_interval

PERMUTATIONS = 9999
POWER = 0.8
"""The probability with which an effect of the smallest reported size would be found."""


@dataclass(frozen=True)
class Difference:
    """A mean difference with its 95 % interval, and ``p``, the two-sided p-value in (0, 1].

    All four are NaN if no question was measured on both sides.
    """

    value: float
    low: float
    high: float
    p: float


class DifferenceJson(IntervalJson):
    """A mean difference with its interval and p-value, as JSON."""

    p: float


def difference_json(difference: Difference) -> DifferenceJson:
    """Return a difference as JSON."""
    return {"value": difference.value, "low": difference.low, "high": difference.high, "p": difference.p}


def paired_permutation_test(a: Sequence[float], b: Sequence[float], *, seed: int = 0) -> Difference:
    """Return the mean of ``a - b`` over the same questions, with its interval and p-value.

    The interval is the percentile bootstrap over questions (Efron 1979). ``p`` is two-sided, of the paired
    randomisation test, which flips the signs of the differences (Fisher 1935; Smucker, Allan and Carterette 2007 advise
    it for retrieval). With few differing questions the test tries all sign flips, else `PERMUTATIONS` random ones, so
    ``p`` is never below 2 / (PERMUTATIONS + 1).

    Args:
        a: one value a question; a question with NaN on either side is left out.
        b: of the same length, in the same order.
        seed: of the bootstrap and of the random sign flips.

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
    # flipping the sign of 0 changes nothing: equal questions only cost time
    differing = differences[differences != 0]
    if not len(differing):
        return 1.0
    if len(differing) == 1:
        return 1.0  # two sign flips, both as far from 0; scipy requires two values
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


def mcnemar(b: int, c: int) -> float:
    """Return the exact two-sided p-value of McNemar's test (McNemar 1947).

    Args:
        b: pairs in which only the first is right.
        c: pairs in which only the second is right.

    Returns:
        in (0, 1]; 1 without any discordant pair, which is no evidence.
    """
    if not b + c:
        return 1.0
    from scipy.stats import binomtest

    return float(binomtest(b, b + c, 0.5).pvalue)


def sign_flip_test(differences: Sequence[float], clusters: Sequence[Hashable], *, seed: int = 0) -> float:
    """Return the two-sided p-value of the summed paired differences, by flipping the sign of whole clusters.

    Exact if there are fewer sign flips than `RESAMPLES` (Fisher 1935); NaN differences are left out.

    Returns:
        in (0, 1]; NaN if nothing was measured, 1 if fewer than two clusters have a difference.

    Raises:
        ValueError: the lengths differ.
    """
    from scipy.stats import permutation_test

    groups = group_by_cluster(differences, clusters)
    if not groups:
        return math.nan
    # a cluster whose sum is 0 is the same with either sign
    sums = np.array([total for g in groups if (total := math.fsum(g))])
    if len(sums) < 2:
        return 1.0  # either sign of a single cluster is as far from 0
    test_result = permutation_test(
        (sums,),
        np.sum,
        permutation_type="samples",
        vectorized=True,
        n_resamples=RESAMPLES,
        rng=np.random.default_rng(seed),
    )
    return float(test_result.pvalue)


def holm(p: Sequence[float]) -> list[float]:
    """Adjust each p-value of a family for the chance of any false finding (Holm 1979).

    NaN stays NaN and is no member of the family.
    """
    adjusted = [math.nan] * len(p)
    tested = sorted((value, place) for place, value in enumerate(p) if not math.isnan(value))
    highest = 0.0
    for rank, (value, index) in enumerate(tested):
        highest = max(highest, min(1.0, (len(tested) - rank) * value))
        adjusted[index] = highest
    return adjusted


def smallest_effect(pairs: int, discordant: float) -> float:
    """Return the smallest difference of two paired rates that so many questions can show (80 % power, 5 % level).

    It solves the sample size of McNemar's test (Connor 1987) for the difference d:
    ``n = (z_a sqrt(psi) + z_b sqrt(psi - d^2))^2 / d^2``.

    Args:
        pairs: questions.
        discordant: psi, the share of them on which the two differ, in [0, 1].

    Returns:
        in (0, psi]; NaN if even a difference of psi would not be found, or if nothing differs.
    """
    if not pairs or math.isnan(discordant) or discordant <= 0:
        return math.nan
    from scipy.optimize import brentq
    from scipy.stats import norm

    z_level, z_power = float(norm.ppf(1 - ALPHA / 2)), float(norm.ppf(POWER))

    def missing(d: float) -> float:
        needed = z_level * math.sqrt(discordant) + z_power * math.sqrt(max(discordant - d * d, 0.0))
        return float(needed**2 / d**2 - pairs)

    highest = min(discordant, math.sqrt(discordant))
    return math.nan if missing(highest) > 0 else float(brentq(missing, 1e-9, highest))
