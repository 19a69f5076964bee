"""Passages are exact, ordered, of whole sentences and even length, within the limit."""

from __future__ import annotations

import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ingest.splitter import MAX_WHOLE_BLOCKS, split_document
from kgrag.text import detect_language, sentence_spans
from kgrag.types import Document, Passage

PROSE = ["The cat sat. ", "他说：“你好。”", "a" * 97, "字" * 61, "“q” ", "3.14, ", "；", "…", "x, y; z: ", "."]
MARKS = ["# Heading\n", "```\n", "- item\n", "| a | b |\n", "\n", "\n\n", " ", "\t", "\u3000", "\x0b"]
ODD = ["😀\u200d👩", "e\u0301", "\u200b", "\u202e\u05d0\u05d1 "]
PIECES = st.sampled_from(PROSE + MARKS + ODD)
TEXTS = st.lists(PIECES, max_size=120).map("".join) | st.text(max_size=300)


def document(text: str, lang: str = "en") -> Document:
    return Document("doc", "Title", text, "doc.txt", lang, "0")


def check(text: str, passages: list[Passage], limit: int) -> None:
    position = 0
    for number, passage in enumerate(passages, 1):
        assert passage.id == f"doc#{number:04}"
        assert passage.document_id == "doc"
        assert text[passage.start : passage.end] == passage.text
        assert passage.text and passage.text == passage.text.strip()
        may_be_whole = any(mark in text for mark in ("```", "~~~", "|", "    ", "\t"))  # code and rows
        assert len(passage.text) <= (limit * MAX_WHOLE_BLOCKS if may_be_whole else limit)
        assert text[position : passage.start].strip() == ""
        position = passage.end
    assert text[position:].strip() == ""


@given(TEXTS, st.integers(2, 400), st.sampled_from(["en", "zh"]))
@example("```\n；```\n “q” ", 10, "zh")  # the last piece of cut code began with its indentation
@example("```\n - item\nThe cat sat. ", 14, "en")
def test_passages_are_exact_and_cover_all_text(text: str, size: int, lang: str) -> None:
    passages = split_document(document(text, lang), size)
    check(text, passages, size if lang == "en" else size // 2)
    joined = "".join(passage.text for passage in passages)
    assert "".join(joined.split()) == "".join(text.split()), "nothing is lost, doubled or moved"


@given(TEXTS)
def test_text_within_limit_is_one_passage(text: str) -> None:
    assert len(split_document(document(text), len(text) + 2)) == (1 if text.strip() else 0)


@given(TEXTS, st.integers(60, 400))
def test_passage_ids_sort_in_order(text: str, size: int) -> None:
    passages = split_document(document(text), size)
    assert sorted(passages, key=lambda p: p.id) == passages


@given(st.lists(st.integers(1, 30), min_size=1, max_size=60), st.integers(200, 500))
def test_short_sentences_stay_whole(lengths: list[int], size: int) -> None:
    text = " ".join(" ".join(["Word", *["word"] * n]) + "." for n in lengths)
    ends = {end for _, end in sentence_spans(text)}
    assert all(passage.end in ends for passage in split_document(document(text), size))


def test_limit_is_halved_for_chinese() -> None:
    text = "北京是中国的首都。" * 30
    assert detect_language(text) == "zh"
    passages = split_document(document(text, "zh"), 200)
    check(text, passages, 100)
    assert all(passage.text.endswith("。") for passage in passages)
    assert len(split_document(document(text, "en"), 300)) == 1


def test_passages_have_even_lengths() -> None:
    text = " ".join(["This sentence has forty characters in it."] * 27)  # 1,133 characters
    lengths = [len(passage.text) for passage in split_document(document(text), 1000)]
    assert len(lengths) == 2
    assert min(lengths) > 500


def test_heading_begins_a_passage() -> None:
    body = "A sentence about the thing at hand. " * 12
    text = f"# One\n\n{body}\n\n## Two\n\n{body}\n\n## Three\n\n{body}"
    passages = split_document(document(text), 500)
    assert [passage.text.split("\n")[0] for passage in passages] == ["# One", "## Two", "## Three"]
    for size in range(175, 260):
        text = f"{'Words that come first. ' * 20}\n\n## Last\n\n{'Words that come last. ' * 8}"
        assert not any(passage.text.endswith("## Last") for passage in split_document(document(text), size))


def test_list_item_is_not_split_from_its_parts() -> None:
    item = "- Q1 What is it?\n\n    - It is a thing which is here and does this and that.\n    - It is good.\n\n"
    passages = split_document(document(item * 12), 330)
    assert len(passages) > 2
    assert all(passage.text.startswith("- Q1") for passage in passages)


@pytest.mark.parametrize(
    "block",
    ["```python\nprint('One. Two.')\n\nprint('Three')\n```", "| a | b |\n|---|---|\n| One. Two | x |\n| y | z |"],
)
def test_table_or_code_within_limit_stays_whole(block: str) -> None:
    for before in range(150, 260, 10):
        text = f"{'Some words. ' * (before // 12)}\n\n{block}\n\n{'More words. ' * 12}"
        passages = split_document(document(text), 250)
        check(text, passages, 250)
        assert any(block in passage.text for passage in passages)


def test_long_sentence_is_split_at_commas_or_spaces() -> None:
    passages = split_document(document("one two three four, " * 20), 100)
    assert all(passage.text.endswith(",") for passage in passages)
    passages = split_document(document("four " * 100), 102)
    assert {word for passage in passages for word in passage.text.split()} == {"four"}
    text = "e\u0301" * 200
    assert not any(passage.text.startswith("\u0301") for passage in split_document(document(text), 61))
    assert max(len(p.text) for p in split_document(document("x" * 1000), 100)) <= 100


def test_empty_document_gives_no_passages() -> None:
    assert split_document(document(" \n\u3000"), 100) == []
    with pytest.raises(ValueError, match="2 or more"):
        split_document(document("text"), 1)


@pytest.mark.parametrize("piece", ["a. ", "# h\n", "a\n\n", "```\n", "| a |\n", "字", "word "])
def test_split_document_time_is_not_quadratic(piece: str) -> None:
    begin = time.process_time()
    split_document(document(piece * 50_000), 1800)
    assert time.process_time() - begin < 4
