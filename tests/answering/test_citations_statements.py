"""Tests of how an answer is split into the statements that are verified one by one."""

from __future__ import annotations

import pytest

from kgrag.answering.guards.citations import verify_citations
from kgrag.answering.guards.statements import find_statements, move_marks, split_statements
from tests.support.answering import select_whole
from tests.support.fake_retriever import make_hit


@pytest.mark.parametrize(
    ("answer", "statements"),
    [
        ("He died in 1824. [1] He was a poet [2].", ["He died in 1824 [1].", "He was a poet [2]."]),
        ("能。用 ps 找到进程号 [1]。", ["能。用 ps 找到进程号 [1]。"]),
        ("No. It is off [1]. Use -f [2].", ["No. It is off [1].", "Use -f [2]."]),
        ("Run `a. B c` first [1]. Then stop [1].", ["Run `a. B c` first [1].", "Then stop [1]."]),
        ("1. Stop it [1]\n2. Start it [2]", ["1. Stop it [1]", "2. Start it [2]"]),
        ("- Stop it.\n  [1]\n- Start it [2]", ["- Stop it [1].", "- Start it [2]"]),
        ("| a | b |\n|---|---|\n| 1 | 2 [1] |", ["| a | b |", "| 1 | 2 [1] |"]),
        ("Do:\n```sh\nrm a\nrm b\n```\n[1]", ["Do:", "```sh\nrm a\nrm b\n```\n[1]"]),
        ("```sh\nrm a", ["```sh\nrm a"]),
        ("[1]", []),
        ("", []),
    ],
)
def test_split_statements_by_form(answer: str, statements: list[str]) -> None:
    assert split_statements(answer) == statements


def test_find_statements_has_offsets_of_its_text() -> None:
    answer = move_marks("Three ways. [1]\n\n- one [1]\n- two. And more [2].\n\n```\ncode\n```\nEnd [3].")
    found = find_statements(answer)
    assert len(found) == 6 and all(answer[s.start : s.end] == s.text for s in found)


def test_items_have_their_lead_in() -> None:
    lead, first, second, after = find_statements("Set one of these [1]:\n- a [1]\n- b [1]\nThat is all.")
    assert lead.is_lead_in and first.lead_in == second.lead_in == lead.lead_in_text == "Set one of these :"
    assert not after.lead_in and not first.is_lead_in
    assert (first.claim_text, second.claim_text) == ("a", "b")


def test_colon_at_the_end_introduces_nothing() -> None:
    (statement,) = find_statements("The command is:")
    assert not statement.is_lead_in


def test_claim_text_of_code_has_no_fence() -> None:
    (statement,) = find_statements("```sh\nrm a\n```\n[1]")
    assert statement.is_code and statement.claim_text == "rm a"


def test_code_is_supported_by_one_passage() -> None:
    pool = select_whole(
        make_hit("git-clone", "Use git clone --sparse URL to check out only the files at the top."),
        make_hit("Getting The Code", "fossil clone https://www.sqlite.org/src sqlite.fossil copies the repository.", 2),
    )
    question = "How do I clone only a part of a repository?"
    gathered = verify_citations(question, "```\ngit clone --sparse https://www.sqlite.org/src sqlite.fossil\n```", pool)
    assert not gathered.supported and not gathered.citations
    whole = verify_citations(question, "```\nfossil clone https://www.sqlite.org/src sqlite.fossil\n```", pool)
    assert [citation.passage_id for citation in whole.citations] == [pool[1].hit.passage.id]
