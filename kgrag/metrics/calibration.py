"""Discrimination and calibration of probabilities.

AUROC and the rejection curve measure how well probabilities rank; the Brier score and the calibration error, how close
they are to frequencies. Platt scaling corrects them.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from typing import TypedDict

import numpy as np
from numpy.typing import ArrayLike, NDArray

CALIBRATION_BINS = 10
"""Bins of equal width over [0, 1] for the expected calibration error."""
CALIBRATION_FOLDS = 5
_MIN_PROBABILITY = 1e-6


class ReliabilityBin(TypedDict):
    """The predictions between two probabilities, as JSON."""

    low: float
    high: float
    answers: int
    """Predictions in the bin."""
    said: float
    """Their mean predicted probability."""
    right: float
    """The share of them that is right."""


def auroc(scores: ArrayLike, positive: ArrayLike) -> float:
    """Return the probability that a positive has the higher score than a negative; ties count half.

    The rank formula of Hanley and McNeil (1982). NaN scores are left out; NaN without a positive or without a negative.

    Raises:
        ValueError: the lengths differ.
    """
    values, labels = _drop_undefined(scores, positive)
    positives, negatives = int(labels.sum()), int((~labels).sum())
    if not positives or not negatives:
        return math.nan
    from scipy.stats import rankdata

    rank_sum = rankdata(values)[labels].sum()
    return float((rank_sum - positives * (positives + 1) / 2) / (positives * negatives))


def rejection_curve(doubt: Sequence[float], right: Sequence[bool]) -> list[tuple[float, float]]:
    """Return the accuracy of the answers that remain when the most doubtful are refused (Nadeem et al. 2009).

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


def brier_score(chances: ArrayLike, right: ArrayLike) -> float:
    """Return the mean squared error of predicted probabilities (Brier 1950), in [0, 1]; lower is better.

    NaN probabilities are left out; NaN without any.

    Raises:
        ValueError: the lengths differ.
    """
    values, labels = _drop_undefined(chances, right)
    return float(np.mean((values - labels) ** 2)) if len(values) else math.nan


def expected_calibration_error(chances: ArrayLike, right: ArrayLike) -> float:
    """Return the expected calibration error over `CALIBRATION_BINS` bins, in [0, 1]; lower is better.

    As Naeini et al. (2015) and Guo et al. (2017) define it. NaN probabilities are left out; NaN without any.

    Raises:
        ValueError: the lengths differ.
    """
    bins = reliability_bins(chances, right)
    total = sum(row["answers"] for row in bins)
    return sum(row["answers"] * abs(row["said"] - row["right"]) for row in bins) / total if total else math.nan


def reliability_bins(chances: ArrayLike, right: ArrayLike) -> list[ReliabilityBin]:
    """Return the bins of equal width over [0, 1] that hold predictions, from low to high probabilities.

    Raises:
        ValueError: the lengths differ.
    """
    values, labels = _drop_undefined(chances, right)
    numbers = np.minimum((values * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    return [
        ReliabilityBin(
            low=number / CALIBRATION_BINS,
            high=(number + 1) / CALIBRATION_BINS,
            answers=int((numbers == number).sum()),
            said=float(values[numbers == number].mean()),
            right=float(labels[numbers == number].mean()),
        )
        for number in np.unique(numbers).tolist()
    ]


def _drop_undefined(scores: ArrayLike, labels: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return the scores that are no NaN, and their labels."""
    values, outcomes = np.asarray(scores, np.float64), np.asarray(labels, bool)
    if len(values) != len(outcomes):
        raise ValueError(f"expected a label for each score, found {len(outcomes)} for {len(values)}")
    defined = ~np.isnan(values)
    return values[defined], outcomes[defined]


def platt(chances: Sequence[float], right: Sequence[bool]) -> tuple[float, float]:
    """Fit slope and offset that correct the log-odds of predicted probabilities (Platt 1999).

    With his targets for the two classes.
    """
    from scipy.optimize import minimize

    log_odds = _log_odds(np.array(chances, float))
    hits = int(sum(right))
    target_values = (hits + 1) / (hits + 2), 1 / (len(right) - hits + 2)
    targets = np.where(np.array(right, bool), *target_values)

    def loss(parameters: NDArray[np.float64]) -> float:
        logits = parameters[0] * log_odds + parameters[1]
        # a small penalty keeps the slope near 1: a handful of answers is little evidence
        return float(np.sum(np.logaddexp(0, logits) - targets * logits) + 0.5 * (parameters[0] - 1) ** 2)

    slope, offset = minimize(loss, np.array([1.0, 0.0]), method="BFGS").x
    return float(slope), float(offset)


def recalibrate(chances: Sequence[float], right: Sequence[bool], clusters: Sequence[Hashable]) -> list[float]:
    """Correct each probability with `platt`, fitted on the other folds only; no cluster is split between folds.

    Returns:
        NaN for a NaN probability; all NaN with fewer than two clusters, or if the other folds are all right or all
        wrong.
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
