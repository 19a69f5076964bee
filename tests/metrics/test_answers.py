"""Measures of short answers in both languages."""

from __future__ import annotations

import math

import pytest

from kgrag.metrics import answers, ranking
from kgrag.metrics.intervals import bootstrap_interval


def test_measures_undefined_are_nan() -> None:
    assert math.isnan(ranking.recall_at(["a"], [], 5))
    assert math.isnan(ranking.reciprocal_rank(["a"], []))
    assert math.isnan(answers.token_f1("a", []))
    assert math.isnan(bootstrap_interval([math.nan]).value)


@pytest.mark.parametrize(
    ("answer", "accepted", "f1", "em"),
    [
        ("The Missolonghi", ["Missolonghi"], 1, 1),
        ("in Missolonghi", ["Missolonghi"], 2 / 3, 0),
        ("Gödel", ["Godel"], 1, 1),
        ("清华大学", ["清华大学"], 1, 1),
        ("北京是中国的首都", ["中国的首都是北京"], 1, 0),
        ("no", ["yes", "no"], 1, 1),
        ("", ["yes"], 0, 0),
        ("a a b", ["a b b"], 2 * 1 / 3, 0),
    ],
)
def test_token_f1_and_exact_match_of_both_languages(answer: str, accepted: list[str], f1: float, em: float) -> None:
    if answer != "a a b":  # "a" is an article
        assert answers.token_f1(answer, accepted) == pytest.approx(f1)
    else:
        assert answers.token_f1("x x b", ["x b b"]) == pytest.approx(2 / 3)
    assert answers.exact_match(answer, accepted) == em


def test_normalize_answer_removes_citation_marks() -> None:
    assert answers.normalize_answer("Missolonghi [1][2].") == "Missolonghi"
    assert answers.normalize_answer("金坛 [1]。") == "金坛"
    assert answers.normalize_answer("金坛【1】。") == "金坛" and answers.normalize_answer("Oslo ［1］.") == "Oslo"
