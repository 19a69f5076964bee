"""Measures and intervals, against worked examples and properties."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kgrag.metrics import answers, ranking
from kgrag.metrics.intervals import bootstrap_interval, percentile

DOCUMENTS = st.lists(st.sampled_from("abcdefgh"), unique=True, max_size=8)


def test_recall_and_its_kin_on_a_worked_example() -> None:
    ranked, gold = ["x", "a", "y", "b"], ["a", "b"]
    assert ranking.recall_at(ranked, gold, 2) == 0.5
    assert ranking.recall_at(ranked, gold, 4) == 1
    assert ranking.full_recall_at(ranked, gold, 3) == 0
    assert ranking.full_recall_at(ranked, gold, 4) == 1
    assert ranking.reciprocal_rank(ranked, gold) == 0.5
    assert ranking.reciprocal_rank(["x"], gold) == 0


@given(DOCUMENTS, DOCUMENTS.filter(bool), st.integers(1, 8))
def test_recall_rises_with_k_and_stays_a_share(ranked: list[str], gold: list[str], k: int) -> None:
    assert 0 <= ranking.recall_at(ranked, gold, k) <= ranking.recall_at(ranked, gold, k + 1) <= 1
    assert ranking.full_recall_at(ranked, gold, k) == (ranking.recall_at(ranked, gold, k) == 1)


def test_what_is_undefined_is_nan_not_zero() -> None:
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
def test_answers_are_scored_by_tokens_of_both_languages(answer: str, accepted: list[str], f1: float, em: float) -> None:
    if answer != "a a b":  # "a" is an article
        assert answers.token_f1(answer, accepted) == pytest.approx(f1)
    else:
        assert answers.token_f1("x x b", ["x b b"]) == pytest.approx(2 / 3)
    assert answers.exact_match(answer, accepted) == em


def test_marks_are_not_part_of_an_answer() -> None:
    assert answers.normalize_answer("Missolonghi [1][2].") == "Missolonghi"
    assert answers.normalize_answer("金坛 [1]。") == "金坛"


@settings(deadline=None)  # scipy loads in the first
@given(st.lists(st.floats(0, 1), min_size=2, max_size=40))
def test_an_interval_holds_its_value(values: list[float]) -> None:
    measured = bootstrap_interval(values)
    assert measured.low - 1e-9 <= measured.value <= measured.high + 1e-9


def test_an_interval_is_repeatable_and_narrows_with_more_values() -> None:
    few, many = [0.0, 1.0] * 10, [0.0, 1.0] * 200
    assert bootstrap_interval(few) == bootstrap_interval(few)
    assert (
        bootstrap_interval(many).high - bootstrap_interval(many).low
        < bootstrap_interval(few).high - bootstrap_interval(few).low
    )
    # the normal approximation for a share of one half among 400
    assert bootstrap_interval(many).high - 0.5 == pytest.approx(1.96 * math.sqrt(0.25 / 400), rel=0.15)


def test_percentiles() -> None:
    assert bootstrap_interval([1.0, 2.0, 3.0, 4.0, 100.0], percentile(50)).value == 3
