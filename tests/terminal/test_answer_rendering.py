"""Answers of several lines are printed as they are; an abstention names the closest passages."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console
from rich.text import Text

from kgrag.terminal import console, draft_view
from kgrag.terminal.citation_numbers import number_citations
from kgrag.terminal.render import answer_lines
from kgrag.types import Answer, Citation, DraftStatement, Hit, Passage

CODE = "```makefile\nall:\n\tgit log --oneline :b: [red]x[/red] " + "word " * 30 + "\n```"


def make_hit(rank: int, text: str, headings: tuple[str, ...] = (), page: int | None = None) -> Hit:
    pages = ((0, page),) if page is not None else ()
    passage = Passage(f"guide{rank}.md#0001", f"guide{rank}.md", text, 0, len(text), headings, pages)
    return Hit(passage, f"Guide {rank}", f"guide{rank}.md", 0.5, rank)


def cite(hit: Hit, quote: str) -> Citation:
    start = hit.passage.text.index(quote)
    return Citation(hit.passage.id, start, start + len(quote), quote)


def printed(lines: list[str], monkeypatch: pytest.MonkeyPatch, width: int = 60, *, terminal: bool = True) -> str:
    file = io.StringIO()
    monkeypatch.setattr(
        console, "out", Console(file=file, width=width, force_terminal=terminal, color_system=None, soft_wrap=True)
    )
    console.print_lines(lines)
    return file.getvalue()


def test_quotation_names_each_document_once_without_its_sentences_again() -> None:
    hits = make_hit(1, "Run it. See [11]. Then stop it."), make_hit(2, "Or run that.", page=4)
    citations = cite(hits[0], "Run it. See [11]."), cite(hits[0], "Then stop it."), cite(hits[1], "Or run that.")
    answer = Answer("How?", "Guide 1 [1]\nRun it. See [11].\n\nGuide 2 [2]\n…", hits, citations, reader="quote")
    assert [number for number, _ in number_citations(answer)] == [1, 1, 2]
    lines = [Text.from_markup(line).plain for line in answer_lines(answer)][5:]
    assert lines[0].strip() == "• [1] Guide 1 (guide1.md)" and lines[1].strip().startswith("• [2] Guide 2 (guide2.md")
    assert lines[2].strip().startswith("quoted from the documents") and len(lines) == 3


def test_answer_of_one_line_is_bold() -> None:
    assert answer_lines(Answer("Q?", "see [1] and list[int]"))[0] == "[bold]see [1] and list\\[int][/bold]"


@pytest.mark.parametrize("terminal", [True, False])
def test_code_in_answer_is_printed_verbatim(monkeypatch: pytest.MonkeyPatch, terminal: bool) -> None:
    answer = Answer("How?", f"Write this:\n\n{CODE}\n\n1. Run make.")
    out = printed(answer_lines(answer), monkeypatch, terminal=terminal)
    assert CODE in out and out.startswith("Write this:\n\n```makefile\n")


def test_long_list_item_wraps_below_its_text(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = Answer("How?", "1. " + "step " * 15 + "\n2. Next.\n- " + "item " * 15)
    lines = printed(answer_lines(answer), monkeypatch, width=40).splitlines()
    assert lines[1].startswith("   step") and lines[4].startswith("- item") and lines[5].startswith("  item")


def test_fence_that_is_not_closed_keeps_rest_verbatim(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = Answer("How?", "~~~\n```\na" + " b" * 60 + "\n~~~~\nprose " + "word " * 20)
    out = printed(answer_lines(answer), monkeypatch, width=40)
    assert "a" + " b" * 60 in out and "word " * 20 not in out, "a longer fence closes, another one does not"


def test_marks_number_the_citations() -> None:
    hits = (make_hit(1, "Unused."), make_hit(2, "It deletes. It asks."), make_hit(3, "It copies."))
    citations = (cite(hits[2], "It copies."), cite(hits[1], "It deletes."), cite(hits[1], "It asks."))
    answer = Answer("Q?", "It copies [3] and deletes. [2]", hits, citations)
    assert [number for number, _ in number_citations(answer)] == [3, 2, 2]
    assert "  [cyan]•[/cyan] [3] [bold]Guide 3[/bold] [dim](guide3.md)[/dim]: “It copies.”" in answer_lines(answer)
    for text in ("It copies.", "It copies. [9]", "list[1]"):
        unmarked = replace(answer, text=text)
        assert [number for number, _ in number_citations(unmarked)] == [1, 2, 3]
        assert "  [cyan]•[/cyan] [bold]Guide 3[/bold] [dim](guide3.md)[/dim]: “It copies.”" in answer_lines(unmarked)


def test_abstention_names_closest_passages() -> None:
    hits = tuple(
        make_hit(n, f"# Set up {n}\nNote\nRun it {n} times on this machine. Then stop.", (f"Set up {n}",), page=4)
        for n in range(1, 6)
    )
    silent = Answer("How?", "The documents do not say.", hits, abstained=True)
    lines = [line for line in answer_lines(silent) if "closest" in line]
    assert (
        lines[0]
        == "  [dim]closest:[/dim] Guide 1 › Set up 1 [dim](guide1.md, p. 4)[/dim]: “Run it 1 times on this machine.”"
        and len(lines) == 3
    )
    chinese = replace(silent, question="怎么做？", text="文档中没有说明。")
    assert sum("最接近的段落：" in line for line in answer_lines(chinese)) == 3


def test_answer_without_passages_names_no_closest_one() -> None:
    hits = (make_hit(1, "Run it."),)
    for answer in (
        Answer("How?", "The documents do not say.", (), abstained=True),
        Answer("How?", "Run it.", hits),
        Answer("How?", "I do not know.", hits, abstained=True, grounded=False),
    ):
        assert not any("closest" in line for line in answer_lines(answer))


def test_draft_shows_its_last_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "out", Console(file=io.StringIO(), width=20, height=5, force_terminal=True))
    draft = Text("\n".join(f"line {n}" for n in range(50)))
    assert draft_view.end_of_draft(draft).plain == "line 46\nline 47\nline 48\nline 49"
    assert draft_view.end_of_draft(Text("word " * 8)).plain.count("\n") == 1


def test_draft_marks_what_the_check_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "out", Console(file=io.StringIO(), width=80, force_terminal=True))
    try:
        for piece in ("Where did he die? ", "He died in Missolonghi [1].", " He was \x1b[31mtall."):
            draft_view.stream_draft(piece)
        draft_view.mark_statement(DraftStatement("He died in Missolonghi [1].", True))
        draft_view.mark_statement(DraftStatement("He was \x1b[31mtall.", False))
        draft_view.mark_statement(DraftStatement("Nothing that was shown.", False))
        assert draft_view._view is not None
        text = draft_view._view[1]
        assert [(text.plain[s.start : s.end], s.style) for s in text.spans] == [
            ("He died in Missolonghi [1].", "not dim"),
            ("He was \ufffd[31mtall.", "strike"),
        ]
    finally:
        draft_view.clear_draft()
    draft_view.mark_statement(DraftStatement("No draft is shown.", True))
    assert draft_view._view is None


def test_escape_sequences_are_not_printed(capsys: pytest.CaptureFixture[str]) -> None:
    console.print_result("a\x1b[31mb\x9b2Jc d.md")
    console.print_table([["x\x07", "y"]])
    assert capsys.readouterr().out == "a\ufffd[31mb\ufffd2Jc d.md\nx\ufffd  y\n"


def test_colons_are_no_emoji(monkeypatch: pytest.MonkeyPatch) -> None:
    assert printed(answer_lines(Answer("Q?", "host:b:80 :key:")), monkeypatch).startswith("host:b:80 :key:\n")
