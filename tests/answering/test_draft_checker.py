"""A draft is checked while the model writes it, with the same result as the check of the whole answer."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kgrag.answering.draft_checker import DraftChecker
from kgrag.answering.guards.citations import verify_citations
from kgrag.answering.profiles import STRONG
from kgrag.types import DraftStatement
from tests.support.answering import make_pipeline, select_whole
from tests.support.fake_retriever import make_hit

PRUNE = make_hit(
    "git-prune-loose(1)",
    "Removes loose objects that no branch reaches. Objects are kept for two weeks by default.\n\n"
    "- --dry-run: only list the objects.\n- --expire: change the two weeks.\n\n```\ngit prune-loose --expire now\n```\n\n"
    "默认保留两周。可以用 --expire 修改。",
)
QUESTION = "How long do unused objects stay?"
DRAFTS = [
    "Objects are kept for two weeks by default [1]. They are kept for nine months elsewhere [1]. This is safe.",
    "Objects are kept for two weeks by default.[1] It removes loose objects that no branch reaches.[1][7]",
    "There are two options:\n\n1. --dry-run: only list the objects [1]\n2. --force: list nothing [1]\n\nNo more.",
    "Run it now:\n```\ngit prune-loose --expire now\n```\n[1]\nObjects are kept for two weeks by default [1].",
    "Yes. Objects are kept for two weeks by default [1].\n\n| a | b |\n|---|---|\n| --expire | change the two weeks [1] |",
    "默认保留两周【1】。默认保留三周【1】。可以用 --expire 修改【1】。",
]


def check_draft(draft: str, cuts: set[int]) -> list[DraftStatement]:
    """Return what is reported of a draft that comes in pieces."""
    statements: list[DraftStatement] = []
    checker = DraftChecker(QUESTION, select_whole(PRUNE), statements.append)
    edges = sorted({0, len(draft), *(cut for cut in cuts if cut < len(draft))})
    for start, end in itertools.pairwise(edges):
        checker.add(draft[start:end])
    checker.finish()
    return statements


@pytest.mark.parametrize("draft", DRAFTS)
@settings(deadline=None, max_examples=40)
@given(cuts=st.sets(st.integers(1, 200)))
def test_statements_are_those_of_the_whole_answer(draft: str, cuts: set[int]) -> None:
    whole = verify_citations(QUESTION, draft, select_whole(PRUNE))
    statements = check_draft(draft, cuts)
    assert [s.reason for s in statements if not s.is_supported] == list(whole.reasons)
    assert {c for s in statements for c in s.citations} == {*whole.citations}
    position = 0
    for statement in statements:  # in order, as written
        position = draft.index(statement.text, position) + len(statement.text)
    assert len(statements) == len(whole.supported) + len(whole.unsupported)


def test_statement_is_reported_when_the_next_one_begins() -> None:
    statements: list[DraftStatement] = []
    checker = DraftChecker(QUESTION, select_whole(PRUNE), statements.append)
    checker.add("Objects are kept for two weeks by default [1]. They are")
    assert [s.text for s in statements] == ["Objects are kept for two weeks by default [1]."]
    checker.add(" kept for nine months elsewhere [1].")
    assert len(statements) == 1, "its end may be still to come"
    checker.finish()
    assert [s.is_supported for s in statements] == [True, False] and statements[1].reason


def test_statement_waits_for_its_mark() -> None:
    statements: list[DraftStatement] = []
    checker = DraftChecker(QUESTION, select_whole(PRUNE), statements.append)
    checker.add("Objects are kept for two weeks by default.[1")
    assert not statements
    checker.add("] They are kept for nine months elsewhere [1].")
    assert [s.text for s in statements] == ["Objects are kept for two weeks by default.[1]"]


@pytest.mark.parametrize(
    "draft",
    [
        "",
        "[1]",
        "The documents do not say.",
        "文档中没有说明。",
        "Lord Byron – place of death: Missolonghi [1]\nAnswer: Missolonghi",
    ],
)
def test_abstention_and_reasoning_steps_are_no_statements(draft: str) -> None:
    assert not check_draft(draft, set())


def test_pipeline_reports_statements_of_the_answer_and_not_of_lookups() -> None:
    pipeline, _ = make_pipeline("It keeps objects for two weeks [1]. It keeps 7 logs [1].", PRUNE)
    texts: list[str] = []
    statements: list[DraftStatement] = []
    answer = replace(pipeline, profile=STRONG).answer(QUESTION, on_text=texts.append, on_statement=statements.append)
    assert [s.text for s in statements if s.is_supported] == [answer.text]
    assert "".join(texts) == "It keeps objects for two weeks [1]. It keeps 7 logs [1]."
    statements.clear()
    unchecked = replace(pipeline, profile=STRONG.without({"citations"}))
    unchecked.answer(QUESTION, on_statement=statements.append)
    assert not statements, "what no guard checks is not reported as checked"


def test_generation_stops_when_the_listener_asks_for_it() -> None:
    pipeline, _ = make_pipeline("It keeps objects for two weeks [1]. It keeps 7 logs [1].", PRUNE)
    texts: list[str] = []
    answer = replace(pipeline, profile=STRONG).answer(
        QUESTION, on_text=lambda piece: texts.append(piece) or len(texts) > 40, on_statement=lambda _: None
    )
    assert len(texts) < 45 and answer.text.startswith("It keeps objects for two weeks [1]")
