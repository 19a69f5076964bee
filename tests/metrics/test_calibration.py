"""Discrimination and calibration: worked examples and properties."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kgrag.metrics.calibration import (
    auroc,
    brier_score,
    expected_calibration_error,
    platt,
    recalibrate,
    rejection_curve,
    reliability_bins,
)

CHANCES = st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=40)


def test_auroc_worked_example() -> None:
    # four of the six pairs of a positive and a negative are in order, and one is a tie
    assert auroc([0.9, 0.5, 0.1, 0.5, 0.8], [True, True, False, False, False]) == pytest.approx(4.5 / 6)
    assert math.isnan(auroc([0.1], [True])) and auroc([0.2, math.nan, 0.1], [True, True, False]) == 1
    assert auroc(np.array([0.5, 0.5]), np.array([True, False])) == 0.5
    with pytest.raises(ValueError, match="found 1 for 2"):
        auroc([0.1, 0.2], [True])


def test_rejection_curve_keeps_least_doubtful_first() -> None:
    assert rejection_curve([0.1, 0.2, 0.3, 0.4], [True, True, False, False]) == [
        (0.25, 1),
        (0.5, 1),
        (0.75, 2 / 3),
        (1, 0.5),
    ]
    assert rejection_curve([0.1, 0.1], [True, False]) == [(1, 0.5)], "equal doubts are kept or refused together"


def test_calibration_measures_worked_example() -> None:
    chances, right = [0.95, 0.95, 0.05, 0.05], [True, False, False, False]
    assert brier_score(chances, right) == pytest.approx((0.05**2 + 0.95**2 + 2 * 0.05**2) / 4)
    assert expected_calibration_error(chances, right) == pytest.approx((2 * 0.45 + 2 * 0.05) / 4)
    assert reliability_bins(chances, right)[1] == {"low": 0.9, "high": 1.0, "answers": 2, "said": pytest.approx(0.95), "right": 0.5}  # fmt: skip
    assert math.isnan(brier_score([], [])) and math.isnan(expected_calibration_error([math.nan], [True]))


def test_recalibrate_reduces_overconfidence() -> None:
    # 0.99 is right half the time, 0.6 one time in ten
    chances = [0.99] * 100 + [0.6] * 100
    right = [n % 2 == 0 for n in range(100)] + [n % 10 == 0 for n in range(100)]
    corrected = recalibrate(chances, right, list(range(200)))
    assert expected_calibration_error(corrected, right) < 0.06 < 0.4 < expected_calibration_error(chances, right)
    assert brier_score(corrected, right) < brier_score(chances, right)
    slope, offset = platt(chances, right)
    assert slope > 0 and offset < 0
    assert all(math.isnan(v) for v in recalibrate([0.5, 0.7], [True, True], ["a", "b"]))


def test_recalibrate_ignores_own_cluster() -> None:
    chances = [0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.9, 0.3]
    right = [True, False, True, True, False, False, False, True]
    clusters = ["a", "a", "b", "c", "d", "e", "f", "g"]
    before = recalibrate(chances, right, clusters)
    after = recalibrate(chances, [False, True, *right[2:]], clusters)
    assert before[:2] == after[:2] and before[2:] != after[2:]


@settings(deadline=None, max_examples=30)
@given(CHANCES)
def test_calibration_measures_stay_in_bounds(rows: list[tuple[float, bool]]) -> None:
    chances, right = [c for c, _ in rows], [r for _, r in rows]
    assert 0 <= brier_score(chances, right) <= 1 and 0 <= expected_calibration_error(chances, right) <= 1
    curve = rejection_curve([1 - c for c in chances], right)
    assert curve[-1] == (1, sum(right) / len(right)) and all(0 <= a <= 1 for _, a in curve)
    area, negated = auroc(chances, right), auroc([-c for c in chances], right)
    assert math.isnan(area) or area == pytest.approx(1 - negated)
