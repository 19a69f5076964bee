"""Precision, recall and F1 counted over all items together (micro), with bootstrap intervals over items."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kgrag.metrics.intervals import RESAMPLES
from kgrag.types import Interval

RESAMPLES_PER_CHUNK = 50
"""Resamples computed at a time: 50 of ten thousand items take 16 MB."""


class MatchCounts(NamedTuple):
    """Counts of one item: correct predictions, predictions, gold elements, and gold elements found.

    ``gold_found`` differs from ``correct`` only if one prediction may match several gold elements.
    """

    correct: int
    predicted: int
    gold: int
    gold_found: int


def count_matches(predicted: Iterable[object], gold: Iterable[object]) -> MatchCounts:
    """Count the matches of two sets; duplicates count once."""
    a, b = set(predicted), set(gold)
    common = len(a & b)
    return MatchCounts(common, len(a), len(b), common)


def micro_scores(
    name: str, counts: Sequence[MatchCounts], parts: Sequence[str] = ("precision", "recall", "f1")
) -> dict[str, Interval]:
    """Return ``NAME_precision``, ``NAME_recall`` and ``NAME_f1`` of all items together, or only ``parts``.

    All are in [0, 1], with the 95 % percentile bootstrap interval over items (Efron 1979). Precision is NaN without
    predictions, recall without gold. F1 then counts an undefined value as 0, as long as there is any gold.

    Args:
        name: prefix of the keys.
        counts: one for each item. The bootstrap draws items, so the elements of one text stay together.
        parts: the scores to return.
    """
    table = np.array(counts, float).reshape(-1, 4)
    values = _precision_recall_f1(table.sum(0)[None])[0]
    resampled = _precision_recall_f1(_resampled_sums(table))
    intervals = {}
    for place, part in enumerate(("precision", "recall", "f1")):
        if part in parts:
            sample = resampled[:, place][~np.isnan(resampled[:, place])]
            low, high = np.percentile(sample, (2.5, 97.5)) if len(sample) else (math.nan, math.nan)
            intervals[f"{name}_{part}"] = Interval(float(values[place]), float(low), float(high))
    return intervals


def micro_share(name: str, counts: Sequence[tuple[int, int]]) -> dict[str, Interval]:
    """Return ``name``: the share found / wanted over all items, with its interval; NaN if nothing is wanted."""
    recall = micro_scores(name, [MatchCounts(met, 0, wanted, met) for met, wanted in counts], ("recall",))
    return {name: recall[f"{name}_recall"]}


def _resampled_sums(table: NDArray[np.float64], seed: int = 0) -> NDArray[np.float64]:
    """Return (resamples, 4): the sums of as many items as there are, drawn with replacement."""
    if not len(table):
        return np.zeros((1, 4))
    rng = np.random.default_rng(seed)
    sums = []
    for start in range(0, RESAMPLES, RESAMPLES_PER_CHUNK):
        rows = rng.integers(0, len(table), (min(RESAMPLES_PER_CHUNK, RESAMPLES - start), len(table)))
        sums.append(table[rows].sum(1))
    return np.concatenate(sums)


def _precision_recall_f1(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (rows, 3): precision, recall and F1 from (rows, 4) sums of `MatchCounts`."""
    correct, predicted, gold, gold_found = sums.T
    with np.errstate(divide="ignore", invalid="ignore"):
        precision = np.where(predicted > 0, correct / predicted, np.nan)
        recall = np.where(gold > 0, gold_found / gold, np.nan)
        p, r = np.nan_to_num(precision), np.nan_to_num(recall)
        harmonic = np.where(p + r > 0, 2 * p * r / (p + r), 0.0)
    return np.stack([precision, recall, np.where(gold > 0, harmonic, np.nan)], 1)
