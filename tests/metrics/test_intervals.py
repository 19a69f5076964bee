"""Intervals: worked examples from the literature, and properties."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kgrag.metrics.intervals import bootstrap_interval, cluster_bootstrap, percentile, rogan_gladen, wilson


@settings(deadline=None)  # scipy loads in the first
@given(st.lists(st.floats(0, 1), min_size=2, max_size=40))
def test_bootstrap_interval_contains_its_value(values: list[float]) -> None:
    measured = bootstrap_interval(values)
    assert measured.low - 1e-9 <= measured.value <= measured.high + 1e-9


def test_bootstrap_interval_is_repeatable_and_narrows() -> None:
    few, many = [0.0, 1.0] * 10, [0.0, 1.0] * 200
    assert bootstrap_interval(few) == bootstrap_interval(few)
    assert (
        bootstrap_interval(many).high - bootstrap_interval(many).low
        < bootstrap_interval(few).high - bootstrap_interval(few).low
    )
    # the normal approximation for a share of one half among 400
    assert bootstrap_interval(many).high - 0.5 == pytest.approx(1.96 * math.sqrt(0.25 / 400), rel=0.15)


def test_percentile_of_median() -> None:
    assert bootstrap_interval([1.0, 2.0, 3.0, 4.0, 100.0], percentile(50)).value == 3


@pytest.mark.parametrize(
    ("hits", "of", "low", "high"),
    # Newcombe 1998, Statistics in Medicine 17, table I, method 3
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_matches_newcombe_table(hits: int, of: int, low: float, high: float) -> None:
    rate = wilson(hits, of)
    assert rate.value == hits / of
    assert (rate.low, rate.high) == (pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5))


def test_wilson_of_none_all_and_no_cases() -> None:
    assert wilson(0, 5).low == 0 and wilson(5, 5).high == 1
    assert all(math.isnan(v) for v in (wilson(0, 0).value, wilson(0, 0).low, wilson(0, 0).high))


@settings(deadline=None)
@given(st.integers(0, 300), st.integers(1, 300))
def test_wilson_contains_rate_and_is_symmetric(hits: int, of: int) -> None:
    hits = min(hits, of)
    rate, complement = wilson(hits, of), wilson(of - hits, of)
    assert 0 <= rate.low <= rate.value <= rate.high <= 1
    assert rate.low == pytest.approx(1 - complement.high) and rate.high == pytest.approx(1 - complement.low)


def test_rogan_gladen_corrects_for_judge_errors() -> None:
    corrected = rogan_gladen(0.3, 100, 0.9, 50, 0.8, 50)
    assert corrected.value == pytest.approx(0.1 / 0.7)
    rate = 0.1 / 0.7
    spread = math.sqrt(0.3 * 0.7 / 100 + rate**2 * 0.09 / 50 + (1 - rate) ** 2 * 0.16 / 50) / 0.7
    assert corrected.high == pytest.approx(rate + 1.959964 * spread) and corrected.low == 0
    perfect = rogan_gladen(0.3, 100, 1.0, 50, 1.0, 50)
    assert perfect.value == pytest.approx(0.3) and perfect.low == pytest.approx(0.3 - 1.959964 * math.sqrt(0.0021))
    assert math.isnan(rogan_gladen(0.3, 100, 0.5, 50, 0.5, 50).value), "a random judge cannot be corrected"
    assert math.isnan(rogan_gladen(0.3, 100, 0.9, 0, 0.8, 50).value)


def test_cluster_bootstrap_draws_whole_clusters() -> None:
    values = [1.0] * 50 + [0.0] * 50
    alone = cluster_bootstrap(values, list(range(100)))
    halves = cluster_bootstrap(values, ["a"] * 50 + ["b"] * 50)
    assert alone.value == halves.value == 0.5
    assert 0.38 < alone.low < 0.42 and 0.58 < alone.high < 0.62  # 0.5 +- 1.96 * sqrt(0.25 / 100)
    assert (halves.low, halves.high) == (0, 1), "two documents are two observations"
    assert cluster_bootstrap(values, list(range(100))) == alone
    assert math.isnan(cluster_bootstrap([math.nan], [1]).value) and cluster_bootstrap([1, math.nan], [1, 2]).value == 1
    with pytest.raises(ValueError, match="found 1 for 2"):
        cluster_bootstrap([1, 2], [1])


@settings(deadline=None, max_examples=15)
@given(st.lists(st.tuples(st.sampled_from([-1.0, 0.0, 1.0]), st.integers(0, 5)), min_size=1, max_size=30))
def test_cluster_bootstrap_is_antisymmetric(rows: list[tuple[float, int]]) -> None:
    values, clusters = [v for v, _ in rows], [c for _, c in rows]
    mean, negated = cluster_bootstrap(values, clusters), cluster_bootstrap([-v for v in values], clusters)
    assert mean.low - 1e-9 <= mean.value <= mean.high + 1e-9
    assert mean.value == pytest.approx(-negated.value) and mean.low == pytest.approx(-negated.high)
