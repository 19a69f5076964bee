"""Figures as text."""

from __future__ import annotations

import math

from kgrag.metrics.formatting import format_difference, format_interval

UNMEASURED = {"value": math.nan, "low": math.nan, "high": math.nan, "p": math.nan}


def test_format_interval_scales_and_marks_undefined() -> None:
    figure = {"value": 0.935, "low": 0.912, "high": 0.956}
    assert format_interval(figure) == "93.5 [91.2, 95.6]"
    assert format_interval(figure, 1) == "0.9 [0.9, 1.0]"
    assert format_interval(UNMEASURED) == "–"


def test_format_difference_has_signs_and_p() -> None:
    figure = {"value": 0.012, "low": -0.003, "high": 0.021, "p": 0.004}
    assert format_difference(figure) == "+1.2 [-0.3, +2.1], p 0.004"
    assert format_difference(figure | {"p": 0.0002}) == "+1.2 [-0.3, +2.1], p <0.001"
    assert format_difference(UNMEASURED) == "–"
