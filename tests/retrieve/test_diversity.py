"""Copies take one place among the candidates and the hits, and the best of them names the others."""

from pathlib import Path

import pytest

from kgrag.filters import parse_filter
from kgrag.retrieve import hybrid
from kgrag.retrieve.diversity import QuestionCopies
from kgrag.serialize import hit_json
from kgrag.terminal.render import hit_lines
from tests.support.small_retriever import build_retriever, hit_ids

RULES = (
    "Holiday rules of the Oslo office. Staff ask for holiday in writing. The holiday form is signed by the head of the "
    "Oslo office. Holiday is 25 days a year in the Oslo office."
)
QUESTION = "Who signs the holiday form in the Oslo office?"
HEAD = ("head", "People", "The head of the Oslo office is Mara Quill. She came from Bergen.")
BERGEN = ("zbergen", "Bergen", "The head of the Bergen office is Jon Vale.")


@pytest.mark.parametrize("count", [2, 12, 300])
@pytest.mark.parametrize("title", ["Holiday rules", "copy {}"])
def test_copies_take_one_place_and_are_named(tmp_path: Path, count: int, title: str) -> None:
    copies = [(f"copy{n:03}", title.format(n), RULES) for n in range(count)]
    retriever = build_retriever(tmp_path, [*copies, HEAD, BERGEN])
    hits = retriever.retrieve(QUESTION, 8)
    assert sorted(hit.passage.document_id[:4] for hit in hits) == ["copy", "head", "zber"]
    (hit,) = (hit for hit in hits if hit.copies)
    assert len(hit.copies) == count - 1 and hit.passage.id not in hit.copies
    assert hit_json(hit)["copies"] == list(hit.copies)
    (line,) = [line for line in hit_lines(hit) if "also in" in line]
    assert (f"and {count - 6} more" in line) == (count > 6)
    assert [hit.rank for hit in hits] == [1, 2, 3]


def test_many_groups_of_copies_leave_all_places_to_different_texts(tmp_path: Path) -> None:
    pages = [
        (f"d{n:02}c{copy:02}", f"Rules {n}", f"Rule {n} of the Oslo office about holiday {'x' * n}.")
        for n in range(30)
        for copy in range(15)
    ]
    hits = build_retriever(tmp_path, pages).retrieve("holiday rule of the Oslo office", 20)
    assert len({hit.passage.text for hit in hits}) == len(hits) == 20
    assert all(len(hit.copies) == 14 for hit in hits)


def test_near_copies_with_another_number_stay(tmp_path: Path) -> None:
    pages = [(f"v{n}", f"Version 2.{n}", RULES.replace("25", f"2{n}")) for n in range(5)]
    assert len(hit_ids(build_retriever(tmp_path, pages), QUESTION)) == 5


def test_filter_decides_before_copies(tmp_path: Path) -> None:
    pages = [(f"copy{n}", "Holiday rules", RULES) for n in range(4)]
    retriever = build_retriever(tmp_path, pages)
    (hit,) = retriever.restrict(parse_filter("path:copy2 or path:copy3")).retrieve(QUESTION, 8)
    assert hit.passage.document_id == "copy2" and hit.copies == ("copy3#0001",)
    (hit,) = retriever.restrict(parse_filter("path:copy3")).retrieve(QUESTION, 8)
    assert hit.passage.document_id == "copy3" and hit.copies == ()


def test_copy_under_the_title_asked_for_is_the_hit(tmp_path: Path) -> None:
    text = "The warranty is two years. Ask for it in writing."
    pages = [(f"p{n}", f"Printer {name}", text) for n, name in enumerate(("Alba", "Brio", "Cora", "Dune"))]
    retriever = build_retriever(tmp_path, pages)
    (hit,) = retriever.retrieve("How long is the warranty of the Cora?", 8)
    assert hit.title == "Printer Cora" and hit.copies == ("p0#0001", "p1#0001", "p3#0001")
    both = retriever.retrieve("Do the Brio and the Dune have the same warranty?", 8)
    assert {hit.title for hit in both} == {"Printer Brio", "Printer Dune"} and len(both) == 2
    assert {hit.copies for hit in both} == {("p0#0001", "p2#0001")}


def test_order_without_copies_sides_and_vote_is_the_rankers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hybrid, "fusion_vote", lambda candidates: 0)
    pages = [(f"d{n:02}", f"Page {n}", f"The Oslo office {'has a holiday ' * n}and {n} rooms.") for n in range(30)]
    retriever = build_retriever(tmp_path, pages)
    hits = retriever.retrieve("holiday of the Oslo office", 30)
    scores = [hit.component_scores["ranker"] for hit in hits]
    assert scores == sorted(scores, reverse=True) and all(hit.copies == () for hit in hits)
    indices = retriever.indices
    copies = QuestionCopies("holiday of the Oslo office", indices.rows, indices.words)
    rows, _ = indices.words.search("holiday of the Oslo office", 20)
    calls: list[int] = []
    found = copies.best(lambda count: (calls.append(count), rows[:count])[1], 10)  # type: ignore[func-returns-value]
    assert found.tolist() == rows[:10].tolist() and calls == [10]
    assert copies.first_places(rows).tolist() == list(range(len(rows)))


def test_corpus_of_one_text_has_one_hit(tmp_path: Path) -> None:
    pages = [(f"d{n:04}", "Rules", RULES) for n in range(1000)]
    (hit,) = build_retriever(tmp_path, pages).retrieve(QUESTION, 20)
    assert len(hit.copies) == 999
