"""Significance tests, Holm's correction and power: worked examples from the literature, and properties."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kgrag.metrics.significance import (
    PERMUTATIONS,
    holm,
    mcnemar,
    paired_permutation_test,
    sign_flip_test,
    smallest_effect,
)

VALUES = st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=30)


def test_mcnemar_worked_examples() -> None:
    assert mcnemar(1, 9) == pytest.approx(2 * (1 + 10) / 2**10)
    assert mcnemar(6, 16) == pytest.approx(0.0525, abs=5e-5)  # Fagerland et al. 2013: 6 against 16
    assert mcnemar(0, 0) == 1 and mcnemar(3, 3) == 1
    assert mcnemar(2, 8) == mcnemar(8, 2)


def test_sign_flip_test_flips_whole_clusters() -> None:
    # Darwin's plants in eighths of an inch; Fisher 1935 (The Design of Experiments, section 21): 1,726 of 32,768 flips
    plants = [49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48]
    assert sign_flip_test(plants, range(15)) == pytest.approx(1726 / 32768, abs=0.01)
    assert sign_flip_test([1.0] * 5, range(5)) == pytest.approx(2 / 2**5), "exact for few clusters"
    assert sign_flip_test([1.0] * 6, "aabbcc") == pytest.approx(2 / 2**3), "six questions of three documents"
    assert sign_flip_test([1.0] * 4, "aaaa") == 1 and sign_flip_test([1.0, -1.0, 0.0], "aab") == 1
    assert sign_flip_test([math.nan, 1.0, 1.0], "abc") == pytest.approx(1 / 2) and math.isnan(
        sign_flip_test([math.nan], "a")
    )
    with pytest.raises(ValueError, match="cluster"):
        sign_flip_test([1.0], "ab")


def test_holm_worked_examples() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1, 1] and holm([]) == []
    adjusted = holm([0.01, math.nan, 0.02])
    assert adjusted[0] == pytest.approx(0.02) and adjusted[2] == pytest.approx(0.02) and math.isnan(adjusted[1])


@settings(deadline=None)
@given(st.lists(st.floats(0, 1), max_size=12))
def test_holm_raises_p_and_keeps_order(p: list[float]) -> None:
    adjusted = holm(p)
    assert all(a >= b for a, b in zip(adjusted, p, strict=True)) and all(v <= 1 for v in adjusted)
    order = sorted(range(len(p)), key=lambda n: p[n])
    assert all(adjusted[a] <= adjusted[b] for a, b in pairwise(order))


def test_smallest_effect_inverts_the_sample_size() -> None:
    # psi 0.2 and d 0.1 need (1.95996 * 0.44721 + 0.84162 * sqrt(0.19))^2 / 0.01 = 154.6 pairs
    assert smallest_effect(155, 0.2) == pytest.approx(0.1, abs=2e-4)
    assert smallest_effect(155, 0.2) > smallest_effect(600, 0.2)
    assert math.isnan(smallest_effect(5, 0.2)), "one discordant question is no evidence"
    assert math.isnan(smallest_effect(100, 0.0)) and math.isnan(smallest_effect(0, 0.5))


def test_permutation_test_worked_examples() -> None:
    # all four questions are better: two of the 16 sign flips are as far from 0
    better = paired_permutation_test([1, 1, 1, 1], [0, 0, 0, 0])
    assert (better.value, better.low, better.high) == (1, 1, 1) and better.p == pytest.approx(2 / 16)
    # three are better and one is worse by as much: mean 1/2, and 2 * (1 + 4) of 16 are as far
    mixed = paired_permutation_test([1, 1, 1, 0], [0, 0, 0, 1])
    assert mixed.value == 0.5 and mixed.p == pytest.approx(10 / 16)
    assert mixed.low < 0.5 < mixed.high
    # questions on which both are equal dilute the difference and do not change p
    diluted = paired_permutation_test([1, 1, 1, 1] + [0.5] * 4, [0, 0, 0, 0] + [0.5] * 4)
    assert diluted.value == 0.5 and diluted.p == pytest.approx(2 / 16)


def test_permutation_test_no_difference_or_no_data() -> None:
    same = paired_permutation_test([0.5, 1], [0.5, 1])
    assert (same.value, same.low, same.high, same.p) == (0, 0, 0, 1)
    assert paired_permutation_test([1, 0], [0, 0]).p == 1  # a single discordant question is no evidence
    assert paired_permutation_test([math.nan, 1], [0, 0]).value == 1
    assert all(math.isnan(v) for v in vars(paired_permutation_test([math.nan], [1])).values())
    with pytest.raises(ValueError, match="found 1 and 2"):
        paired_permutation_test([1], [1, 2])


def test_permutation_test_finds_small_paired_difference() -> None:
    easy = [0.1, 0.9] * 100
    slightly = [v + 0.02 + 0.001 * (n % 3) for n, v in enumerate(easy)]
    difference = paired_permutation_test(slightly, easy)
    assert difference.low > 0 and difference.p == pytest.approx(1 / (PERMUTATIONS + 1), rel=1.01)
    assert difference == paired_permutation_test(slightly, easy)


@settings(deadline=None, max_examples=20)
@given(VALUES)
def test_permutation_test_is_antisymmetric(values: list[tuple[float, float]]) -> None:
    a, b = (list(side) for side in zip(*values, strict=True))
    forward, reverse = paired_permutation_test(a, b), paired_permutation_test(b, a)
    assert forward.value == pytest.approx(-reverse.value)
    assert forward.low - 1e-9 <= forward.value <= forward.high + 1e-9
    assert 0 < forward.p <= 1 and forward.p == pytest.approx(reverse.p, abs=0.03)
