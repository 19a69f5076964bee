"""Words and vectors vote on the order where a question names no title."""

from types import SimpleNamespace
from typing import Any

import numpy as np

from kgrag.retrieve.fusion_vote import VOTE_WEIGHT, fusion_vote


def candidates(bm25: list[float], cosine: list[float], *, names_title: bool) -> Any:
    neighbourhood = SimpleNamespace(titles=None, has_names=lambda titles, names: np.array([[names_title]]))
    return SimpleNamespace(
        rows=np.arange(len(bm25)),
        linked_names={},
        bm25=np.array(bm25, np.float32),
        cosine=np.array(cosine, np.float32),
        neighbourhood=neighbourhood,
    )


def test_vote_falls_with_both_ranks() -> None:
    vote = fusion_vote(candidates([9, 5, 1], [0.2, 0.7, 0.1], names_title=False))
    assert vote[1] == vote[0] > vote[2]
    assert np.isclose(vote[2], -VOTE_WEIGHT * 2 * 2 / 63)


def test_first_of_both_loses_nothing_and_equal_scores_share_the_better_place() -> None:
    assert fusion_vote(candidates([9, 9, 0], [0.5, 0.5, 0.1], names_title=False))[:2].tolist() == [0, 0]


def test_question_that_names_a_title_gets_no_vote() -> None:
    assert not fusion_vote(candidates([9, 5, 1], [0.2, 0.7, 0.1], names_title=True)).any()


def test_words_vote_twice_without_vectors() -> None:
    nan = float("nan")
    vote = fusion_vote(candidates([9, 5], [nan, nan], names_title=False))
    assert np.allclose(vote, [0, -VOTE_WEIGHT * 2 / 62])
