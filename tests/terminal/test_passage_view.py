"""A citation is opened where it stands: title, headings, page, the cited sentence, the passages around it."""

from __future__ import annotations

import pytest
from rich.text import Text

from kgrag.errors import UsageError
from kgrag.terminal.passage_view import find_cited_passage, passage_lines
from kgrag.types import Answer, Citation, Hit, Passage

TEXTS = (
    "Before it.",
    "First [bold]line[/bold].\nIt deletes the branch.\n\tgit branch -d x",
    "文件在后面。它会删除分支。",
    "Last.",
)


def make_passages(texts: tuple[str, ...] = TEXTS) -> list[Passage]:
    passages, start = [], 100
    for number, text in enumerate(texts):
        end = start + len(text)
        passages.append(Passage(f"g#{number}", "g", text, start, end, ("Branches", "Delete"), ((start, number + 7),)))
        start = end + 1
    return passages


def cite(passage: Passage, quote: str) -> Citation:
    start = passage.start + passage.text.index(quote)
    return Citation(passage.id, start, start + len(quote), quote)


def shown(number: int, *quotes: str, neighbours: list[Passage] | None = None) -> list[str]:
    passages = make_passages()
    cited = [(c.start, c.end) for c in (cite(passages[number], quote) for quote in quotes)]
    lines = passage_lines(passages[number], "Guide", "guide.md", cited, passages if neighbours is None else neighbours)
    return [Text.from_markup(line, emoji=False).plain for line in lines]


def test_cited_sentence_is_marked_between_its_neighbours() -> None:
    assert shown(1, "It deletes the branch.") == [
        "Guide › Branches › Delete (guide.md, p. 8, 2/4)",
        "Before it.",
        "",
        "First [bold]line[/bold].",
        "»It deletes the branch.«",
        "\tgit branch -d x",
        "",
        "文件在后面。它会删除分支。",
    ]


def test_chinese_sentence_is_marked() -> None:
    assert "文件在后面。»它会删除分支。«" in shown(2, "它会删除分支。")


def test_edges_of_document_have_one_neighbour() -> None:
    assert shown(0, "Before it.")[1:3] == ["»Before it.«", ""]
    assert shown(3)[1:] == ["文件在后面。它会删除分支。", "", "Last."]
    assert shown(3, neighbours=[]) == ["Guide › Branches › Delete (guide.md, p. 10)", "Last."]


def test_sentence_over_several_lines_and_overlapping_ones_are_marked_once() -> None:
    lines = shown(1, "line[/bold].\nIt deletes", "It deletes the branch.", "\tgit branch")
    assert lines[3:6] == ["First [bold]»line[/bold].", "It deletes«» the branch.«", "»\tgit branch« -d x"]


def make_answer(*citations: Citation, text: str = "Done.", abstained: bool = False) -> Answer:
    hits = tuple(Hit(passage, "Guide", "guide.md", 0.5, rank) for rank, passage in enumerate(make_passages(), 1))
    return Answer("How?", text, hits, citations, abstained=abstained)


def test_number_counts_citations_or_marks() -> None:
    passages = make_passages()
    citations = (cite(passages[2], "文件在后面。"), cite(passages[1], "First"), cite(passages[2], "它会删除分支。"))
    plain = make_answer(*citations)
    assert [find_cited_passage(plain, n)[0] for n in (1, 2, 3)] == ["g#2", "g#1", "g#2"]
    marked = make_answer(*citations, text="Done [3], and so on [2].")
    assert find_cited_passage(marked, 3) == ("g#2", [(citations[n].start, citations[n].end) for n in (0, 2)])
    assert find_cited_passage(marked, 2)[0] == "g#1"
    with pytest.raises(UsageError, match=r"Expected the number of a citation \(2, 3\), found 1"):
        find_cited_passage(marked, 1)


def test_number_of_abstention_counts_closest_passages() -> None:
    silent = make_answer(abstained=True)
    assert find_cited_passage(silent, 2) == ("g#1", [])
    for number in (0, 4):
        with pytest.raises(UsageError, match=rf"\(1, 2, 3\), found {number}"):
            find_cited_passage(silent, number)


def test_answer_without_citations_is_an_error() -> None:
    with pytest.raises(UsageError, match="Expected an answer with citations, found none"):
        find_cited_passage(Answer("Q?", "memory", grounded=False), 1)
