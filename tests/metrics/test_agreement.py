"""Agreement of annotators, on Cohen's worked example."""

from __future__ import annotations

import math

import pytest

from kgrag.metrics.agreement import kappa


def test_kappa_matches_cohen_table() -> None:
    # Cohen's table of 50: both yes 20, only the first 5, only the second 10, both no 15
    first = ["y"] * 25 + ["n"] * 25
    second = ["y"] * 20 + ["n"] * 5 + ["y"] * 10 + ["n"] * 15
    assert kappa(first, second) == pytest.approx(0.4)
    assert math.isnan(kappa([], [])) and math.isnan(kappa(["y"], ["y"])) and kappa(["y", "n"], ["y", "n"]) == 1
    with pytest.raises(ValueError, match="found 1 and 0"):
        kappa(["y"], [])
