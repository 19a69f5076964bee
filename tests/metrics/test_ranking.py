"""Measures of a ranking: worked examples and properties."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from kgrag.metrics import ranking
from kgrag.metrics.ranking import ranking_measures

DOCUMENTS = st.lists(st.sampled_from("abcdefgh"), unique=True, max_size=8)


def test_ranking_measures_worked_example() -> None:
    ranked, gold = ["x", "a", "y", "b"], ["a", "b"]
    assert ranking.recall_at(ranked, gold, 2) == 0.5
    assert ranking.recall_at(ranked, gold, 4) == 1
    assert ranking.full_recall_at(ranked, gold, 3) == 0
    assert ranking.full_recall_at(ranked, gold, 4) == 1
    assert ranking.reciprocal_rank(ranked, gold) == 0.5
    assert ranking.reciprocal_rank(["x"], gold) == 0


@given(DOCUMENTS, DOCUMENTS.filter(bool), st.integers(1, 8))
def test_recall_at_larger_k_is_not_smaller(ranked: list[str], gold: list[str], k: int) -> None:
    assert 0 <= ranking.recall_at(ranked, gold, k) <= ranking.recall_at(ranked, gold, k + 1) <= 1
    assert ranking.full_recall_at(ranked, gold, k) == (ranking.recall_at(ranked, gold, k) == 1)


def test_ranking_measures_names_and_depth() -> None:
    ranked = [f"x{n}" for n in range(9)] + ["a", "b"]
    assert ranking_measures(ranked, ["a", "b"]) == {
        "recall@1": 0,
        "recall@2": 0,
        "recall@5": 0,
        "recall@10": 0.5,
        "mrr": 0.1,
        "all-gold@5": 0,
    }
    assert ranking_measures(["x"] * 10 + ["a"], ["a"])["mrr"] == 0, "ranks above 10 do not count"
    assert all(math.isnan(v) for v in ranking_measures(["a"], []).values())
