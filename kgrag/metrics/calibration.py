"""Whether a model knows when it is wrong: ranking of answers by doubt, and how well stated chances meet what happens."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

CALIBRATION_BINS = 10
"""Bins of equal width over [0, 1] for the expected calibration error."""
CALIBRATION_FOLDS = 5
_MIN_PROBABILITY = 1e-6


def auroc(scores: Sequence[float], positive: Sequence[bool]) -> float:
    """The chance that a positive has the higher score than a negative, ties half (Hanley and McNeil 1982).

    NaN where there are no positives or no negatives; undefined scores are left out.
    """
    pairs = [(s, p) for s, p in zip(scores, positive, strict=True) if not math.isnan(s)]
    high, low = [s for s, p in pairs if p], [s for s, p in pairs if not p]
    if not high or not low:
        return math.nan
    from scipy.stats import rankdata

    ranks = rankdata([*high, *low])[: len(high)]
    return float((ranks.sum() - len(high) * (len(high) + 1) / 2) / (len(high) * len(low)))


def rejection_curve(doubt: Sequence[float], right: Sequence[bool]) -> list[tuple[float, float]]:
    """The accuracy of the answers that are kept when the most doubtful are refused (Nadeem et al. 2009).

    Returns:
        (share kept, accuracy of those), from the least doubtful answer to all of them; equal doubts are kept together.
    """
    order = sorted((d, r) for d, r in zip(doubt, right, strict=True) if not math.isnan(d))
    points, hits = [], 0
    for kept_count, (value, correct) in enumerate(order, 1):
        hits += correct
        if kept_count == len(order) or order[kept_count][0] > value:
            points.append((kept_count / len(order), hits / kept_count))
    return points


def brier_score(chances: Sequence[float], right: Sequence[bool]) -> float:
    """The mean squared distance of stated chances from what happened (Brier 1950), in [0, 1]; NaN without any."""
    squared_errors = [(c - r) ** 2 for c, r in zip(chances, right, strict=True) if not math.isnan(c)]
    return float(np.mean(squared_errors)) if squared_errors else math.nan


def expected_calibration_error(chances: Sequence[float], right: Sequence[bool]) -> float:
    """The expected calibration error over `BINS` bins (Naeini et al. 2015), in [0, 1]; NaN without any."""
    bins = reliability_bins(chances, right)
    total = sum(row["answers"] for row in bins)
    return sum(row["answers"] * abs(row["said"] - row["right"]) for row in bins) / total if total else math.nan


def reliability_bins(chances: Sequence[float], right: Sequence[bool]) -> list[dict[str, Any]]:
    """The bins that have answers: ``low`` and ``high`` ends, ``answers``, the mean chance ``said``, the share ``right``."""
    rows = []
    pairs = [(c, r) for c, r in zip(chances, right, strict=True) if not math.isnan(c)]
    for number in range(CALIBRATION_BINS):
        bin_pairs = [(c, r) for c, r in pairs if min(int(c * CALIBRATION_BINS), CALIBRATION_BINS - 1) == number]
        if bin_pairs:
            mean_chance, share_right = (float(np.mean([row[part] for row in bin_pairs])) for part in (0, 1))
            rows.append({"low": number / CALIBRATION_BINS, "high": (number + 1) / CALIBRATION_BINS, "answers": len(bin_pairs), "said": mean_chance, "right": share_right})  # fmt: skip
    return rows


def platt(chances: Sequence[float], right: Sequence[bool]) -> tuple[float, float]:
    """Slope and offset that turn the log-odds of stated chances into better ones (Platt 1999, with his targets)."""
    from scipy.optimize import minimize

    log_odds = _log_odds(np.array(chances, float))
    hits = int(sum(right))
    target_values = (hits + 1) / (hits + 2), 1 / (len(right) - hits + 2)
    targets = np.where(np.array(right, bool), *target_values)

    def loss(parameters: NDArray[np.float64]) -> float:
        logits = parameters[0] * log_odds + parameters[1]
        # a little pull to leaving things as they are: a handful of answers decides nothing
        return float(np.sum(np.logaddexp(0, logits) - targets * logits) + 0.5 * (parameters[0] - 1) ** 2)

    slope, offset = minimize(loss, np.array([1.0, 0.0]), method="BFGS").x
    return float(slope), float(offset)


def recalibrate(chances: Sequence[float], right: Sequence[bool], clusters: Sequence[Hashable]) -> list[float]:
    """Each chance as `platt` would correct it, fitted on the other folds only; clusters are never cut.

    NaN where a chance is, and everywhere if there are fewer than two clusters, or the others were all right or all wrong.
    """
    names = sorted({str(c) for c, chance in zip(clusters, chances, strict=True) if not math.isnan(chance)})
    fold = {name: number % CALIBRATION_FOLDS for number, name in enumerate(names)}
    corrected = [math.nan] * len(chances)
    index_folds = [(n, fold[str(c)]) for n, c in enumerate(clusters) if not math.isnan(chances[n])]
    for held_out in range(CALIBRATION_FOLDS):
        training = [n for n, f in index_folds if f != held_out]
        hits = [right[n] for n in training]
        if not any(hits) or all(hits):
            continue
        slope, offset = platt([chances[n] for n in training], hits)
        for n, f in index_folds:
            if f == held_out:
                logit = slope * float(_log_odds(np.array([chances[n]]))[0]) + offset
                corrected[n] = 1 / (1 + math.exp(-max(min(logit, 50.0), -50.0)))
    return corrected


def _log_odds(chances: NDArray[np.float64]) -> NDArray[np.float64]:
    clipped = np.clip(chances, _MIN_PROBABILITY, 1 - _MIN_PROBABILITY)
    return np.asarray(np.log(clipped / (1 - clipped)), np.float64)
