"""Every side of a question that compares has a passage among the first five, in both languages."""

from pathlib import Path

import numpy as np
import pytest

from kgrag.filters import parse_filter
from kgrag.retrieve.candidates import gather_candidates
from kgrag.retrieve.two_sided import FIRST_PLACES, QuestionSides
from tests.support.small_retriever import build_retriever, hit_ids

RESET = [
    (f"a{n:02}", "git reset", f"git reset moves the branch, the difference {'is great ' * n}in case {n}.")
    for n in range(40)
]
REVERT = ("z1", "Undo", "Use revert to make a commit that undoes another, which keeps the history as long as it is.")
TEA = [(f"a{n:02}", "红茶", f"红茶是全发酵茶，区别很大，第{n}种。") for n in range(40)]
GREEN = ("z1", "绿茶", "绿茶不经发酵，保留了鲜叶中的大部分物质，因此汤色和口味都很清淡，适合夏天饮用。")


@pytest.mark.parametrize(
    ("pages", "question"),
    [
        ([*RESET, REVERT], "What is the difference between git reset and git revert?"),
        ([*RESET, REVERT], "git reset vs git revert: difference in case 3"),
        ([*TEA, GREEN], "红茶和绿茶有什么区别？"),
    ],
)
def test_missing_side_takes_the_fifth_place(tmp_path: Path, pages: list[tuple[str, str, str]], question: str) -> None:
    retriever = build_retriever(tmp_path, pages, weight=-1)
    hits = retriever.retrieve(question, 30)
    assert hits[FIRST_PLACES - 1].passage.document_id == "z1"
    others = [hit.score for hit in hits if hit.passage.document_id != "z1"]
    assert others == sorted(others, reverse=True) and hits == retriever.retrieve(question, 30)
    assert hit_ids(retriever, question, 7) == [hit.passage.document_id for hit in hits[:7]]
    hidden = retriever.restrict(parse_filter("not path:z1"))
    assert "z1" not in hit_ids(hidden, question, 10)


def test_two_missing_sides_take_the_last_places(tmp_path: Path) -> None:
    restore = ("z2", "Files", "restore brings back a file from the index, or from any commit that is named with it.")
    retriever = build_retriever(tmp_path, [*RESET, REVERT, restore], weight=-1)
    found = hit_ids(retriever, "git reset, restore and revert: which one does what in each case of difference?", 8)
    assert {"z1", "z2"} == {*found[3:5]}


def test_side_that_no_candidate_covers_is_searched_alone(tmp_path: Path) -> None:
    indices = build_retriever(tmp_path, [("0", *REVERT[1:]), *RESET]).indices
    candidates = gather_candidates("git reset", None, indices)
    assert 0 not in candidates.rows
    sides = QuestionSides("git reset vs git revert", indices)
    added = sides.add_candidates(candidates, None)
    assert added.rows.tolist() == [0, *candidates.rows.tolist()] and sides.covered(added.rows).any(axis=0).all()
    assert all(len(column) == len(added.rows) for column in (added.bm25, added.cosine, added.fused, added.walk_scores))
    assert added.bm25[1:].tolist() == candidates.bm25.tolist() and added.walk_scores[0].tolist() == [0, 0, 0, 0]
    assert sides.add_candidates(added, None) is added


def place(sides: list[str], places: int, tmp_path: Path) -> list[int]:
    """Return the order of rows that hold the given words, for the sides alpha and beta."""
    pages = [(f"d{n}", "Page", f"{words} text {n}") for n, words in enumerate(sides)]
    indices = build_retriever(tmp_path, pages).indices
    return QuestionSides("alpha vs beta", indices).place(np.arange(places)).tolist()


@pytest.mark.parametrize(
    ("sides", "order"),
    [
        # the last place that covers one side, of which another is there, makes room
        (["alpha", "alpha", "alpha", "alpha", "alpha", "alpha", "beta"], [0, 1, 2, 3, 6, 4, 5]),
        # a passage that covers both stays, and then nothing is missing
        (["alpha", "alpha", "alpha", "alpha", "alpha beta", "alpha", "beta"], [0, 1, 2, 3, 4, 5, 6]),
        # the only passage of the other side stays
        (["gamma", "gamma", "gamma", "gamma", "alpha", "gamma", "beta"], [0, 1, 2, 4, 6, 3, 5]),
        # nothing covers the side
        (["alpha", "alpha", "alpha", "alpha", "alpha", "alpha", "gamma"], [0, 1, 2, 3, 4, 5, 6]),
        # both sides are there
        (["beta", "alpha", "alpha", "alpha", "alpha", "beta", "beta"], [0, 1, 2, 3, 4, 5, 6]),
    ],
)
def test_place_moves_the_best_of_the_missing_side(sides: list[str], order: list[int], tmp_path: Path) -> None:
    assert place(sides, len(sides), tmp_path) == order


def test_few_hits_are_enough(tmp_path: Path) -> None:
    assert place(["alpha", "beta"], 2, tmp_path) == [0, 1]


def test_other_questions_have_no_sides(tmp_path: Path) -> None:
    indices = build_retriever(tmp_path, [REVERT]).indices
    assert not QuestionSides("How do I undo a commit?", indices)
    assert not QuestionSides("the difference between -> and ->>", indices)


def test_excluded_word_keeps_a_side_out(tmp_path: Path) -> None:
    retriever = build_retriever(tmp_path, [*RESET, REVERT], weight=-1)
    question = "What is the difference between git reset and git revert?"
    assert "z1" in hit_ids(retriever, question, 5)
    assert "z1" not in hit_ids(retriever, f"-history {question}", 41)
