"""Micro precision, recall and F1 with their intervals."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kgrag.metrics.precision_recall import MatchCounts, count_matches, micro_scores, micro_share


@given(st.lists(st.integers(0, 9)), st.lists(st.integers(0, 9)))
def test_count_matches_is_symmetric_and_bounded(predicted: list[int], gold: list[int]) -> None:
    counts = count_matches(predicted, gold)
    assert 0 <= counts.correct == counts.gold_found <= min(counts.predicted, counts.gold)
    assert count_matches(gold, predicted) == MatchCounts(counts.correct, counts.gold, counts.predicted, counts.correct)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(0, 5)), max_size=8))
def test_micro_scores_are_in_range(rows: list[tuple[int, int, int]]) -> None:
    counts = [MatchCounts(min(r), r[1], r[2], min(r)) for r in rows]
    right, gold = sum(c.correct for c in counts), sum(c.gold for c in counts)
    predicted = sum(c.predicted for c in counts)
    scores = micro_scores("x", counts)
    assert list(scores) == ["x_precision", "x_recall", "x_f1"]
    for figure in scores.values():
        assert math.isnan(figure.value) or 0 <= figure.value <= 1
        assert math.isnan(figure.value) or math.isnan(figure.low) or 0 <= figure.low <= figure.high <= 1
    assert math.isnan(scores["x_precision"].value) == (not predicted)
    assert math.isnan(scores["x_recall"].value) == (not gold)
    if gold:
        assert scores["x_f1"].value == pytest.approx(2 * right / (predicted + gold))


def test_micro_share_and_its_interval() -> None:
    figure = micro_share("kept", [(1, 1)] * 30 + [(0, 1)] * 10)["kept"]
    assert figure.value == 0.75 and 0.5 < figure.low < 0.75 < figure.high < 0.95
    assert math.isnan(micro_share("kept", [(0, 0)])["kept"].value)
    assert micro_share("kept", [(1, 1)])["kept"].low == 1.0
