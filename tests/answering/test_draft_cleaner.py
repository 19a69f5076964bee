"""What a model writes is cleaned in pieces as it is cleaned as a whole."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kgrag.answering.draft_cleaner import MAX_DRAFT_CHARS, DraftCleaner, clean_draft
from kgrag.answering.profiles import STRONG
from kgrag.protocols import GenerationOptions
from tests.support.answering import make_pipeline
from tests.support.fake_llm import FakeLLM
from tests.support.fake_retriever import make_hit

DRAFTS = {
    "<think>Is it 5 < 6?</think>\n\nIt is.": "\n\nIt is.",
    "It is.<THINKING>Or </think not>.</thinking> Really.": "It is. Really.",
    "It <thinks>. <think>never ends": "It <thinks>. ",
    "a < b <": "a < b <",
    "a </th": "a </th",
    "n\u200bot\x1b[1m \ud800\r\n\tend\u202e": "not[1m \n\tend",
    "<thi\u200bnk>hidden</think>shown": "shown",
    "": "",
}


@pytest.mark.parametrize(("draft", "clean"), DRAFTS.items())
@settings(deadline=None, max_examples=40)
@given(cuts=st.sets(st.integers(1, 60)))
def test_pieces_give_what_the_whole_gives(draft: str, clean: str, cuts: set[int]) -> None:
    cleaner = DraftCleaner()
    edges = sorted({0, len(draft), *(cut for cut in cuts if cut < len(draft))})
    assert "".join([*(cleaner.add(draft[a:b]) for a, b in pairwise(edges)), cleaner.finish()]) == clean
    assert clean_draft(draft) == clean


@pytest.mark.parametrize("piece", ["word ", "<think>", "\u200b", "<"])
def test_draft_has_a_limit(piece: str) -> None:
    cleaner = DraftCleaner()
    pieces = [cleaner.add(piece) for _ in range(MAX_DRAFT_CHARS)]
    assert len("".join([*pieces, cleaner.finish()])) <= MAX_DRAFT_CHARS
    assert cleaner.is_full is (piece in ("word ", "<"))


def test_endless_generation_is_stopped() -> None:
    pipeline, llm = make_pipeline("It is true. " * MAX_DRAFT_CHARS, make_hit("Guide", "It is true that it is so."))
    llm.context = 10 * MAX_DRAFT_CHARS
    written: list[int] = []

    class Endless(FakeLLM):
        def generate(self, messages, options=GenerationOptions(), *, on_text=None):  # type: ignore[no-untyped-def]
            while len(written) < 10 * MAX_DRAFT_CHARS:
                written.append(1)
                if on_text is not None and on_text("It is true. "):
                    break
            return "It is true. " * len(written)

    heard: list[str] = []
    endless = replace(pipeline, profile=STRONG, llm=lambda: Endless())
    endless.answer("Is it true?", on_text=heard.append)
    assert len(written) <= MAX_DRAFT_CHARS // len("It is true. ") + 1
    assert len("".join(heard)) == MAX_DRAFT_CHARS


def test_last_characters_of_a_draft_are_heard() -> None:
    pipeline, _ = make_pipeline("It is true, a <", make_hit("Guide", "It is true that it is so."))
    heard: list[str] = []
    replace(pipeline, profile=STRONG).answer("Is it true?", on_text=heard.append)
    assert "".join(heard) == "It is true, a <"
