"""Comparison of two runs on the same questions."""

from __future__ import annotations

import math

import pytest

from kgrag.dev.benchmarks.run_comparison import compare_runs, score_against_baseline, score_rankings
from kgrag.errors import UsageError
from kgrag.types import Question

QUESTIONS = [Question("1", "first", gold=("a",)), Question("2", "second", gold=("a", "b")), Question("3", "third")]


def test_compare_runs_worked_example() -> None:
    first = {"1": [("a", 2.0)], "2": [("a", 2.0), ("b", 1.0)], "3": [("a", 1.0)]}
    second = {"1": [("x", 2.0), ("a", 1.0)], "9": [("a", 1.0)]}
    report = compare_runs(first, second, QUESTIONS)
    assert report["a"]["recall@5"]["value"] == 1 and report["b"]["recall@5"]["value"] == 0.5
    assert report["difference"]["recall@1"]["value"] == pytest.approx(0.75)
    assert report["difference"]["recall@1"]["p"] == 0.5
    assert (report["b"]["missing"], report["b"]["unknown"]) == (1, 1)
    assert (report["questions"], report["unscored"]) == (3, 1)
    assert [case["id"] for case in report["extremes"]] == ["2", "1"], (
        "by recall, then by rank; questions without a difference are left out"
    )
    assert report["extremes"][1]["b"] == {"recall@5": 1, "mrr": 0.5}
    with pytest.raises(UsageError, match="'1' twice"):
        compare_runs(first, second, [*QUESTIONS, QUESTIONS[0]])


def test_score_against_baseline_worked_example() -> None:
    ours, theirs = [[("a", 1.0)], [("x", 1.0)], []], [[("x", 1.0)], [], []]
    report = score_against_baseline(QUESTIONS, ours, theirs)
    assert report["recall@5"]["value"] == 0 and report["difference"]["recall@5"]["value"] == 0.5
    assert [math.isnan(v) for v in score_rankings(QUESTIONS, ours)["mrr"]] == [False, False, True]
