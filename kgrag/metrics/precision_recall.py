"""Precision, recall and F1 over items, counted together (micro), with intervals by drawing items anew."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kgrag.metrics.intervals import RESAMPLES
from kgrag.types import Interval

RESAMPLES_PER_CHUNK = 50
"""Drawings at a time: 50 of ten thousand items are 16 MB."""


class MatchCounts(NamedTuple):
    """Of one item: how many of ours are right, how many ours are, how many there should be.

    ``found`` is how many of the gold ones are met; it differs from ``right`` only where one of ours may meet several.
    """

    correct: int
    predicted: int
    gold: int
    gold_found: int


def count_matches(predicted: Iterable[object], gold: Iterable[object]) -> MatchCounts:
    """Two sets held against each other; what is there twice counts once."""
    a, b = set(predicted), set(gold)
    common = len(a & b)
    return MatchCounts(common, len(a), len(b), common)


def micro_scores(
    name: str, counts: Sequence[MatchCounts], parts: Sequence[str] = ("precision", "recall", "f1")
) -> dict[str, Interval]:
    """``NAME_precision``, ``NAME_recall`` and ``NAME_f1`` of all items together, in [0, 1], or those of ``parts``.

    Each has the 95 % percentile bootstrap interval over items (Efron 1979). Precision is NaN where nothing is ours,
    recall where nothing is gold; F1 then counts what is undefined as 0, as long as there is anything gold.

    Args:
        counts: one for each item; items are what is drawn, so that what stands in one text stays together.
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
    """``name``: the share of (met, wanted) over all items together, with its interval; NaN where nothing is wanted."""
    recall = micro_scores(name, [MatchCounts(met, 0, wanted, met) for met, wanted in counts], ("recall",))
    return {name: recall[f"{name}_recall"]}


def _resampled_sums(table: NDArray[np.float64], seed: int = 0) -> NDArray[np.float64]:
    """(drawings, 4), the sums of as many items as there are, drawn with replacement."""
    if not len(table):
        return np.zeros((1, 4))
    rng = np.random.default_rng(seed)
    sums = []
    for start in range(0, RESAMPLES, RESAMPLES_PER_CHUNK):
        rows = rng.integers(0, len(table), (min(RESAMPLES_PER_CHUNK, RESAMPLES - start), len(table)))
        sums.append(table[rows].sum(1))
    return np.concatenate(sums)


def _precision_recall_f1(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """(rows, 3): precision, recall and F1 of (rows, 4) sums of `Count`."""
    correct, predicted, gold, gold_found = sums.T
    with np.errstate(divide="ignore", invalid="ignore"):
        precision = np.where(predicted > 0, correct / predicted, np.nan)
        recall = np.where(gold > 0, gold_found / gold, np.nan)
        p, r = np.nan_to_num(precision), np.nan_to_num(recall)
        harmonic = np.where(p + r > 0, 2 * p * r / (p + r), 0.0)
    return np.stack([precision, recall, np.where(gold > 0, harmonic, np.nan)], 1)
