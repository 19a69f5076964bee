"""The statistics of an experiment on paired questions: intervals, tests, and what so many questions can show.

scipy does what it has; what it lacks is a line of arithmetic each, with its source. A value that nothing was measured
for is NaN, never 0.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

from kgrag.metrics.intervals import RESAMPLES
from kgrag.types import Interval

UNDEFINED_INTERVAL = Interval(math.nan, math.nan, math.nan)
ALPHA, POWER = 0.05, 0.8
"""The level of every test and interval; how often an effect of the smallest size that is reported would be found."""


def wilson(hits: int, total: int) -> Interval:
    """A rate with its 95 % score interval (Wilson 1927; of the simple ones the one to use: Newcombe 1998)."""
    if not total:
        return UNDEFINED_INTERVAL
    from scipy.stats import binomtest

    proportion = binomtest(hits, total).proportion_ci(1 - ALPHA, method="wilson")
    # the bounds of 0 of n and of n of n are exact, and come back a rounding error away
    return Interval(
        hits / total, 0.0 if not hits else float(proportion.low), 1.0 if hits == total else float(proportion.high)
    )


def mcnemar(b: int, c: int) -> float:
    """How often chance alone would split ``b + c`` discordant pairs as unevenly (McNemar 1947, exact, two-sided).

    Args:
        b: pairs in which only the first is so.
        c: pairs in which only the second is so.

    Returns:
        in (0, 1]; 1 without any discordant pair, which then say nothing.
    """
    if not b + c:
        return 1.0
    from scipy.stats import binomtest

    return float(binomtest(b, b + c, 0.5).pvalue)


def cluster_bootstrap(differences: Sequence[float], clusters: Sequence[Hashable], *, seed: int = 0) -> Interval:
    """The mean of paired differences, with a percentile bootstrap over clusters (Davison and Hinkley 1997, 3.8).

    Questions about one document are right or wrong together, so documents are drawn, each with all its questions.

    Args:
        differences: one for each question; NaN says nothing and is left out.
        clusters: which belong together, one for each question.

    Raises:
        ValueError: the lengths differ.
    """
    groups = _by_cluster(differences, clusters)
    if not groups:
        return UNDEFINED_INTERVAL
    sums = np.array([math.fsum(g) for g in groups])
    sizes = np.array([len(g) for g in groups], float)
    value = float(sums.sum() / sizes.sum())
    random = np.random.default_rng(seed)
    resampled = np.array([_resampled_mean(random, sums, sizes) for _ in range(RESAMPLES)])
    low, high = np.percentile(resampled, [100 * ALPHA / 2, 100 * (1 - ALPHA / 2)])
    return Interval(value, float(low), float(high))


def _by_cluster(differences: Sequence[float], clusters: Sequence[Hashable]) -> list[list[float]]:
    """The differences of each cluster, in the order in which clusters come up, without what is NaN."""
    if len(differences) != len(clusters):
        raise ValueError(f"expected a cluster for each difference, found {len(clusters)} for {len(differences)}")
    groups: dict[Hashable, list[float]] = defaultdict(list)
    for value, cluster in zip(differences, clusters, strict=True):
        if not math.isnan(value):
            groups[cluster].append(value)
    return list(groups.values())


def _resampled_mean(random: np.random.Generator, sums: NDArray[np.float64], sizes: NDArray[np.float64]) -> float:
    indices = random.integers(0, len(sums), len(sums))
    return float(sums[indices].sum() / sizes[indices].sum())


def sign_flip_test(differences: Sequence[float], clusters: Sequence[Hashable], *, seed: int = 0) -> float:
    """How often chance alone, turning the sign of whole clusters, gives so great a sum of paired differences (two-sided).

    Exact where all ways of turning them are fewer than the draws (Fisher 1935); what is NaN is left out.

    Returns:
        in (0, 1]; NaN where nothing was measured, 1 where no cluster has a difference, or one alone has.

    Raises:
        ValueError: the lengths differ.
    """
    from scipy.stats import permutation_test

    groups = _by_cluster(differences, clusters)
    if not groups:
        return math.nan
    # a cluster whose sum is nothing is the same either way
    sums = np.array([total for g in groups if (total := math.fsum(g))])
    if len(sums) < 2:
        return 1.0  # of one, either sign is as great
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
    """Each p of a family, adjusted so that the chance of any false finding stays below the level (Holm 1979).

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
    """The smallest difference of two paired rates that so many questions would show (80 % power, 5 % level).

    It solves the sample size of McNemar's test (Connor 1987) for the difference d:
    ``n = (z_a sqrt(psi) + z_b sqrt(psi - d^2))^2 / d^2``.

    Args:
        pairs: questions.
        discordant: psi, the share of them on which the two differ, in [0, 1].

    Returns:
        in (0, psi]; NaN where not even a difference of all of psi would be found, or nothing differs.
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


def rogan_gladen(apparent: float, total: int, sensitivity: float, positives: int, specificity: float, negatives: int) -> Interval:  # fmt: skip
    """The true rate behind one that a fallible judge counted (Rogan and Gladen 1978), with their interval.

    Args:
        apparent: the share that the judge counted, of ``of``.
        sensitivity: its share of the true ones that it counts, seen on ``positives`` of them.
        specificity: its share of the others that it leaves, seen on ``negatives`` of them.

    Returns:
        clipped to [0, 1]; NaN where the judge is no better than chance, or any of the numbers is missing.
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


def kappa(first: Sequence[Hashable], second: Sequence[Hashable]) -> float:
    """Agreement of two people beyond chance (Cohen 1960): 1 is perfect, 0 what chance gives.

    NaN without any pair, or where both always say the same one thing.

    Raises:
        ValueError: the lengths differ.
    """
    if len(first) != len(second):
        raise ValueError(f"expected as many labels on both sides, found {len(first)} and {len(second)}")
    if not first:
        return math.nan
    n = len(first)
    observed = sum(a == b for a, b in zip(first, second, strict=True)) / n
    chance = sum((list(first).count(label) / n) * (list(second).count(label) / n) for label in {*first, *second})
    return math.nan if chance == 1 else (observed - chance) / (1 - chance)


def connected_components(gold: Sequence[Sequence[str]]) -> list[str]:
    """For each question a name of its cluster: questions that share a document belong together, and so on from them.

    A question without documents is a cluster of its own.
    """
    parent: dict[str, str] = {}

    def find_root(name: str) -> str:
        while parent.setdefault(name, name) != name:
            parent[name] = parent[parent[name]]
            name = parent[name]
        return name

    for documents in gold:
        for other in documents[1:]:
            a, b = sorted((find_root(documents[0]), find_root(other)))
            parent[b] = a
    return [find_root(documents[0]) if documents else f"\0{number}" for number, documents in enumerate(gold)]
