"""Paired differences on worked examples, and two runs side by side."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kgrag.dev.benchmarks.run_comparison import compare_runs, score_against_baseline, score_rankings
from kgrag.errors import UsageError
from kgrag.metrics.intervals import PERMUTATIONS, paired_permutation_test
from kgrag.metrics.ranking import ranking_measures
from kgrag.types import Question

VALUES = st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=30)


def test_a_paired_difference_on_worked_examples() -> None:
    # all four questions better: of the 16 ways to turn four signs, two are as far from nothing
    better = paired_permutation_test([1, 1, 1, 1], [0, 0, 0, 0])
    assert (better.value, better.low, better.high) == (1, 1, 1) and better.p == pytest.approx(2 / 16)
    # three better and one worse by as much: mean 1/2, and 2 * (1 + 4) of 16 are as far
    mixed = paired_permutation_test([1, 1, 1, 0], [0, 0, 0, 1])
    assert mixed.value == 0.5 and mixed.p == pytest.approx(10 / 16)
    assert mixed.low < 0.5 < mixed.high
    # questions on which both are equal dilute the difference and do not change p
    diluted = paired_permutation_test([1, 1, 1, 1] + [0.5] * 4, [0, 0, 0, 0] + [0.5] * 4)
    assert diluted.value == 0.5 and diluted.p == pytest.approx(2 / 16)


def test_differences_that_are_none_or_cannot_be_told() -> None:
    same = paired_permutation_test([0.5, 1], [0.5, 1])
    assert (same.value, same.low, same.high, same.p) == (0, 0, 0, 1)
    assert paired_permutation_test([1, 0], [0, 0]).p == 1  # one question alone shows nothing
    assert paired_permutation_test([math.nan, 1], [0, 0]).value == 1
    assert all(math.isnan(v) for v in vars(paired_permutation_test([math.nan], [1])).values())
    with pytest.raises(ValueError, match="found 1 and 2"):
        paired_permutation_test([1], [1, 2])


def test_pairing_sees_what_two_intervals_hide() -> None:
    easy = [0.1, 0.9] * 100
    slightly = [v + 0.02 + 0.001 * (n % 3) for n, v in enumerate(easy)]
    difference = paired_permutation_test(slightly, easy)
    assert difference.low > 0 and difference.p == pytest.approx(1 / (PERMUTATIONS + 1), rel=1.01)
    assert difference == paired_permutation_test(slightly, easy)


@settings(deadline=None, max_examples=20)
@given(VALUES)
def test_the_other_way_round_is_the_same_turned(values: list[tuple[float, float]]) -> None:
    a, b = (list(side) for side in zip(*values, strict=True))
    there, back = paired_permutation_test(a, b), paired_permutation_test(b, a)
    assert there.value == pytest.approx(-back.value)
    assert there.low - 1e-9 <= there.value <= there.high + 1e-9
    assert 0 < there.p <= 1 and there.p == pytest.approx(back.p, abs=0.03)


def test_every_measure_of_a_ranking() -> None:
    ranked = [f"x{n}" for n in range(9)] + ["a", "b"]
    assert ranking_measures(ranked, ["a", "b"]) == {
        "recall@1": 0,
        "recall@2": 0,
        "recall@5": 0,
        "recall@10": 0.5,
        "mrr": 0.1,
        "all-gold@5": 0,
    }
    assert ranking_measures(["x"] * 10 + ["a"], ["a"])["mrr"] == 0, "beyond ten nobody looks"
    assert all(math.isnan(v) for v in ranking_measures(["a"], []).values())


QUESTIONS = [Question("1", "first", gold=("a",)), Question("2", "second", gold=("a", "b")), Question("3", "third")]


def test_two_runs_side_by_side() -> None:
    one = {"1": [("a", 2.0)], "2": [("a", 2.0), ("b", 1.0)], "3": [("a", 1.0)]}
    two = {"1": [("x", 2.0), ("a", 1.0)], "9": [("a", 1.0)]}
    report = compare_runs(one, two, QUESTIONS)
    assert report["a"]["recall@5"]["value"] == 1 and report["b"]["recall@5"]["value"] == 0.5
    assert report["difference"]["recall@1"]["value"] == pytest.approx(0.75)
    assert report["difference"]["recall@1"]["p"] == 0.5
    assert (report["b"]["missing"], report["b"]["unknown"]) == (1, 1)
    assert (report["questions"], report["unscored"]) == (3, 1)
    assert [case["id"] for case in report["extremes"]] == ["2", "1"], (
        "recall first, then rank; what is equal is not shown"
    )
    assert report["extremes"][1]["b"] == {"recall@5": 1, "mrr": 0.5}
    with pytest.raises(UsageError, match="'1' twice"):
        compare_runs(one, two, [*QUESTIONS, QUESTIONS[0]])


def test_another_system_beside_ours() -> None:
    ours, theirs = [[("a", 1.0)], [("x", 1.0)], []], [[("x", 1.0)], [], []]
    report = score_against_baseline(QUESTIONS, ours, theirs)
    assert report["recall@5"]["value"] == 0 and report["difference"]["recall@5"]["value"] == 0.5
    assert [math.isnan(v) for v in score_rankings(QUESTIONS, ours)["mrr"]] == [False, False, True]
