"""Holdout: no gold document of a held-out question is gold for a training question."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from kgrag.tune.data.holdout import HOLDOUT_SHARE, assign_holdout

DOCUMENTS = st.lists(st.sampled_from([f"d{n}" for n in range(40)]), max_size=3, unique=True)


@settings(max_examples=300, deadline=None)
@given(st.lists(DOCUMENTS, max_size=60), st.integers(0, 5))
def test_assign_holdout_sides_share_no_document(documents: list[list[str]], seed: int) -> None:
    sides = assign_holdout(documents, seed)
    held = {d for group, side in zip(documents, sides, strict=True) if side is True for d in group}
    trained = {d for group, side in zip(documents, sides, strict=True) if side is False for d in group}
    assert len(sides) == len(documents) and not held & trained


def test_assign_holdout_share_is_a_tenth() -> None:
    single = [[f"d{n}"] for n in range(2000)]
    sides = assign_holdout(single)
    assert None not in sides and sides == assign_holdout(single) != assign_holdout(single, 1)
    assert 0.8 * HOLDOUT_SHARE < sum(map(bool, sides)) / len(sides) < 1.2 * HOLDOUT_SHARE


def test_assign_holdout_splits_large_cluster() -> None:
    # each question shares a document with the next one: as a cluster, all of them would be on one side
    chain = [[f"d{n}", f"d{n + 1}"] for n in range(2000)]
    sides = assign_holdout(chain)
    assert sides.count(True) > 0 and sides.count(False) > 0.7 * len(sides)
    assert sides.count(None) < 0.25 * len(sides)


def test_assign_holdout_without_documents_uses_position() -> None:
    sides = assign_holdout([[] for _ in range(1000)])
    assert 0.05 < sides.count(True) / 1000 < 0.15 and None not in sides
