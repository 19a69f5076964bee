"""The statistics of the experiment on worked examples from the literature, and what must hold of any numbers."""

from __future__ import annotations

import math
from itertools import pairwise

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
from kgrag.metrics.significance import (
    cluster_bootstrap,
    connected_components,
    holm,
    kappa,
    mcnemar,
    rogan_gladen,
    sign_flip_test,
    smallest_effect,
    wilson,
)

CHANCES = st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=40)


@pytest.mark.parametrize(
    ("hits", "of", "low", "high"),
    # Newcombe 1998, Statistics in Medicine 17, table I, method 3
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_as_newcombe_has_it(hits: int, of: int, low: float, high: float) -> None:
    found = wilson(hits, of)
    assert found.value == hits / of
    assert (found.low, found.high) == (pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5))


def test_wilson_at_the_ends_and_of_nothing() -> None:
    assert wilson(0, 5).low == 0 and wilson(5, 5).high == 1
    assert all(math.isnan(v) for v in (wilson(0, 0).value, wilson(0, 0).low, wilson(0, 0).high))


@settings(deadline=None)
@given(st.integers(0, 300), st.integers(1, 300))
def test_wilson_holds_the_rate_and_turns_with_it(hits: int, of: int) -> None:
    hits = min(hits, of)
    found, turned = wilson(hits, of), wilson(of - hits, of)
    assert 0 <= found.low <= found.value <= found.high <= 1
    assert found.low == pytest.approx(1 - turned.high) and found.high == pytest.approx(1 - turned.low)


def test_mcnemar_by_hand() -> None:
    assert mcnemar(1, 9) == pytest.approx(2 * (1 + 10) / 2**10)
    assert mcnemar(6, 16) == pytest.approx(0.0525, abs=5e-5)  # Fagerland et al. 2013: 6 against 16
    assert mcnemar(0, 0) == 1 and mcnemar(3, 3) == 1
    assert mcnemar(2, 8) == mcnemar(8, 2)


def test_signs_are_turned_by_cluster() -> None:
    # Darwin's plants in eighths of an inch, as Fisher 1935 (The Design of Experiments, section 21) turns their signs: 1,726 of 32,768
    plants = [49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48]
    assert sign_flip_test(plants, range(15)) == pytest.approx(1726 / 32768, abs=0.01)
    assert sign_flip_test([1.0] * 5, range(5)) == pytest.approx(2 / 2**5), "exact where it can be"
    assert sign_flip_test([1.0] * 6, "aabbcc") == pytest.approx(2 / 2**3), "six questions of three documents are three"
    assert sign_flip_test([1.0] * 4, "aaaa") == 1 and sign_flip_test([1.0, -1.0, 0.0], "aab") == 1
    assert sign_flip_test([math.nan, 1.0, 1.0], "abc") == pytest.approx(1 / 2) and math.isnan(
        sign_flip_test([math.nan], "a")
    )
    with pytest.raises(ValueError, match="cluster"):
        sign_flip_test([1.0], "ab")


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1, 1] and holm([]) == []
    found = holm([0.01, math.nan, 0.02])
    assert found[0] == pytest.approx(0.02) and found[2] == pytest.approx(0.02) and math.isnan(found[1])


@settings(deadline=None)
@given(st.lists(st.floats(0, 1), max_size=12))
def test_holm_only_raises_and_keeps_the_order(p: list[float]) -> None:
    found = holm(p)
    assert all(a >= b for a, b in zip(found, p, strict=True)) and all(v <= 1 for v in found)
    order = sorted(range(len(p)), key=lambda n: p[n])
    assert all(found[a] <= found[b] for a, b in pairwise(order))


def test_the_smallest_effect_is_that_of_the_sample_size() -> None:
    # psi 0.2 and d 0.1 need (1.95996 * 0.44721 + 0.84162 * sqrt(0.19))^2 / 0.01 = 154.6 pairs
    assert smallest_effect(155, 0.2) == pytest.approx(0.1, abs=2e-4)
    assert smallest_effect(155, 0.2) > smallest_effect(600, 0.2)
    assert math.isnan(smallest_effect(5, 0.2)), "one question that differs shows nothing"
    assert math.isnan(smallest_effect(100, 0.0)) and math.isnan(smallest_effect(0, 0.5))


def test_a_judge_s_own_error_is_taken_out() -> None:
    found = rogan_gladen(0.3, 100, 0.9, 50, 0.8, 50)
    assert found.value == pytest.approx(0.1 / 0.7)
    rate = 0.1 / 0.7
    spread = math.sqrt(0.3 * 0.7 / 100 + rate**2 * 0.09 / 50 + (1 - rate) ** 2 * 0.16 / 50) / 0.7
    assert found.high == pytest.approx(rate + 1.959964 * spread) and found.low == 0
    perfect = rogan_gladen(0.3, 100, 1.0, 50, 1.0, 50)
    assert perfect.value == pytest.approx(0.3) and perfect.low == pytest.approx(0.3 - 1.959964 * math.sqrt(0.0021))
    assert math.isnan(rogan_gladen(0.3, 100, 0.5, 50, 0.5, 50).value), "a coin corrects nothing"
    assert math.isnan(rogan_gladen(0.3, 100, 0.9, 0, 0.8, 50).value)


def test_kappa_by_hand() -> None:
    # Cohen's table of 50: both yes 20, only the first 5, only the second 10, both no 15
    one = ["y"] * 25 + ["n"] * 25
    two = ["y"] * 20 + ["n"] * 5 + ["y"] * 10 + ["n"] * 15
    assert kappa(one, two) == pytest.approx(0.4)
    assert math.isnan(kappa([], [])) and math.isnan(kappa(["y"], ["y"])) and kappa(["y", "n"], ["y", "n"]) == 1
    with pytest.raises(ValueError, match="found 1 and 0"):
        kappa(["y"], [])


def test_clusters_are_drawn_whole() -> None:
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
def test_a_clustered_interval_turns_with_its_values(rows: list[tuple[float, int]]) -> None:
    values, clusters = [v for v, _ in rows], [c for _, c in rows]
    found, turned = cluster_bootstrap(values, clusters), cluster_bootstrap([-v for v in values], clusters)
    assert found.low - 1e-9 <= found.value <= found.high + 1e-9
    assert found.value == pytest.approx(-turned.value) and found.low == pytest.approx(-turned.high)


def test_questions_about_one_document_belong_together() -> None:
    found = connected_components([("a", "b"), ("c",), ("b", "d"), (), ("d",), ()])
    assert found[0] == found[2] == found[4] != found[1]
    assert len(set(found)) == 4, "questions without documents stand alone"


def test_auroc_by_hand() -> None:
    # of the six pairs of a wrong and a right one, four are in order and one is a tie
    assert auroc([0.9, 0.5, 0.1, 0.5, 0.8], [True, True, False, False, False]) == pytest.approx(4.5 / 6)
    assert math.isnan(auroc([0.1], [True])) and auroc([0.2, math.nan, 0.1], [True, True, False]) == 1


def test_rejection_keeps_the_sure_first() -> None:
    assert rejection_curve([0.1, 0.2, 0.3, 0.4], [True, True, False, False]) == [
        (0.25, 1),
        (0.5, 1),
        (0.75, 2 / 3),
        (1, 0.5),
    ]
    assert rejection_curve([0.1, 0.1], [True, False]) == [(1, 0.5)], "equal doubts cannot be told apart"


def test_calibration_by_hand() -> None:
    chances, right = [0.95, 0.95, 0.05, 0.05], [True, False, False, False]
    assert brier_score(chances, right) == pytest.approx((0.05**2 + 0.95**2 + 2 * 0.05**2) / 4)
    assert expected_calibration_error(chances, right) == pytest.approx((2 * 0.45 + 2 * 0.05) / 4)
    assert reliability_bins(chances, right)[1] == {"low": 0.9, "high": 1.0, "answers": 2, "said": pytest.approx(0.95), "right": 0.5}  # fmt: skip
    assert math.isnan(brier_score([], [])) and math.isnan(expected_calibration_error([math.nan], [True]))


def test_overconfidence_is_mended_by_what_others_showed() -> None:
    # it says 0.99 and is right half the time, says 0.6 and is right one time in ten
    chances = [0.99] * 100 + [0.6] * 100
    right = [n % 2 == 0 for n in range(100)] + [n % 10 == 0 for n in range(100)]
    mended = recalibrate(chances, right, list(range(200)))
    assert expected_calibration_error(mended, right) < 0.06 < 0.4 < expected_calibration_error(chances, right)
    assert brier_score(mended, right) < brier_score(chances, right)
    slope, offset = platt(chances, right)
    assert slope > 0 and offset < 0
    assert all(math.isnan(v) for v in recalibrate([0.5, 0.7], [True, True], ["a", "b"]))


def test_no_answer_is_corrected_by_what_became_of_it_or_of_its_cluster() -> None:
    chances = [0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.9, 0.3]
    right = [True, False, True, True, False, False, False, True]
    clusters = ["a", "a", "b", "c", "d", "e", "f", "g"]
    before = recalibrate(chances, right, clusters)
    after = recalibrate(chances, [False, True, *right[2:]], clusters)
    assert before[:2] == after[:2] and before[2:] != after[2:]


@settings(deadline=None, max_examples=30)
@given(CHANCES)
def test_errors_stay_in_their_bounds(rows: list[tuple[float, bool]]) -> None:
    chances, right = [c for c, _ in rows], [r for _, r in rows]
    assert 0 <= brier_score(chances, right) <= 1 and 0 <= expected_calibration_error(chances, right) <= 1
    curve = rejection_curve([1 - c for c in chances], right)
    assert curve[-1] == (1, sum(right) / len(right)) and all(0 <= a <= 1 for _, a in curve)
    area, turned = auroc(chances, right), auroc([-c for c in chances], right)
    assert math.isnan(area) or area == pytest.approx(1 - turned)
