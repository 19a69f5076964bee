"""No document that a held-out question rests on is gold for one that is trained on."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from kgrag.tune.data.holdout import HOLDOUT_SHARE, assign_holdout

DOCUMENTS = st.lists(st.sampled_from([f"d{n}" for n in range(40)]), max_size=3, unique=True)


@settings(max_examples=300, deadline=None)
@given(st.lists(DOCUMENTS, max_size=60), st.integers(0, 5))
def test_the_two_sides_share_no_document(rests_on: list[list[str]], seed: int) -> None:
    sides = assign_holdout(rests_on, seed)
    held = {d for documents, side in zip(rests_on, sides, strict=True) if side is True for d in documents}
    trained = {d for documents, side in zip(rests_on, sides, strict=True) if side is False for d in documents}
    assert len(sides) == len(rests_on) and not held & trained


def test_a_tenth_is_held_out_and_always_the_same() -> None:
    alone = [[f"d{n}"] for n in range(2000)]
    sides = assign_holdout(alone)
    assert None not in sides and sides == assign_holdout(alone) != assign_holdout(alone, 1)
    assert 0.8 * HOLDOUT_SHARE < sum(map(bool, sides)) / len(sides) < 1.2 * HOLDOUT_SHARE


def test_questions_of_one_great_cluster_are_divided_too() -> None:
    # each shares a document with the next one: as a cluster, all of them would be on one side
    chain = [[f"d{n}", f"d{n + 1}"] for n in range(2000)]
    sides = assign_holdout(chain)
    assert sides.count(True) > 0 and sides.count(False) > 0.7 * len(sides)
    assert sides.count(None) < 0.25 * len(sides)


def test_questions_that_rest_on_nothing_known_are_divided_by_their_place() -> None:
    sides = assign_holdout([[] for _ in range(1000)])
    assert 0.05 < sides.count(True) / 1000 < 0.15 and None not in sides
