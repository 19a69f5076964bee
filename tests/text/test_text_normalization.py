"""Normalisation, tokenization, sentences and language detection in English and Chinese."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kgrag.text import (
    casefold_text,
    content_words,
    detect_language,
    has_cjk,
    normalize_name,
    sentence_spans,
    shorten,
    to_simplified,
    tokenize,
)

MIXED = st.text(
    alphabet=st.sampled_from("aB1 .。!?！？…\n\t\"“”《》(),，;；:：#|-*字国e\u0301\u200b\u202e\u05d0😀\u200d'"),
    max_size=300,
)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("Gödel", "godel"),
        ("Go\u0308del", "Gödel"),
        ("STRASSE", "straße"),
        ("ＡＢＣ１２３", "abc123"),
        ("foo\u200bbar", "foobar"),
        ("\u202bshalom\u202c", "shalom"),
        ("co\u00adoperate", "cooperate"),
        ("O’Brien", "O'Brien"),
        ("ﬁn", "fin"),
    ],
)
def test_casefold_text_spelling_variants_are_equal(first: str, second: str) -> None:
    assert casefold_text(first) == casefold_text(second)
    assert normalize_name(first) == normalize_name(second)


def test_normalize_name_spelling_variants_are_equal() -> None:
    assert normalize_name("Gödel's") == normalize_name("Gödel’s") == "godel"
    assert normalize_name("  New-York ") == "new york"
    assert normalize_name("清华大学") == "清 华 大 学"
    assert normalize_name("Ada Lovelace") != normalize_name("Ada Lovelock")
    assert normalize_name("?!") == ""


def test_tokens_keep_their_spans() -> None:
    text = "Gödel’s 清华 AI\u200b-lab, cafe\u0301s"
    tokens = tokenize(text)
    assert [t.text for t in tokens] == ["godel", "清", "华", "ai", "lab", "cafes"]
    assert [text[t.start : t.end] for t in tokens] == ["Gödel’s", "清", "华", "AI", "lab", "cafe\u0301s"]


@given(MIXED)
def test_token_offsets_are_ordered_and_in_range(text: str) -> None:
    position = 0
    for token in tokenize(text):
        assert position <= token.start < token.end <= len(text)
        assert token.text
        position = token.end


def test_detect_language() -> None:
    assert detect_language("The capital of China is Beijing.") == "en"
    assert detect_language("北京是中国的首都。") == "zh"
    assert detect_language("使用 Transformer 的 encoder 与 decoder 架构完成序列任务") == "zh"
    assert detect_language("Beijing (北京) is the capital of the People's Republic of China.") == "en"
    assert detect_language("") == detect_language("123 !?") == "en"
    assert has_cjk("a北") and not has_cjk("abc。")


def test_content_words_drop_stop_words() -> None:
    assert content_words("Who was the wife of Alan?") == ["wife", "alan"]
    assert content_words("谁是他的妻子") == ["他", "妻", "子"]


def cut(text: str) -> list[str]:
    return [text[start:end] for start, end in sentence_spans(text)]


@pytest.mark.parametrize(
    "parts",
    [
        ["Mr. Smith met Dr. No in Washington, D.C.", "He left.", "It cost 3.14 dollars."],
        ["J. R. R. Tolkien wrote it.", "George W. Bush did not."],
        ["Robert Downey Jr. is an actor.", "Apple Inc. makes phones.", "It is in the U.S.", "The U.S. Army is not."],
        ["He moved to St. Louis on Jan. 5, 1990.", "See No. 5, p. 12, e.g. Foo et al. 1999.", "Done."],
        ["Alonso (c. 1510 – 1580, b. Spain) was a composer.", "He wrote music."],
        ['"Really?" she asked.', 'He said "Go."', "Then he left.", "(It rained.)", "Well... maybe not.", "No!"],
        ["This ends with a note.[1]", "This is next.", "At 5 p.m. EST on Monday.", "Visit example.com or v1.2.3 now."],
        ["他说：“你好！”", "然后走了。", "真的吗？！", "是的……也许吧。", "「好。」", "完"],
        ["《谁是英雄？》是一部电影。", "《你好！李焕英》也是。", "J.K.罗琳写了书。", "圆周率是3.14。"],
        ["他说。", '"你好。"', "**重点**：很好。"],
        ["模型预测概率. ", "token 是单位.", "这很好!", "对吗?", "对"],
        ["北京在中国。", "It is the capital.", "首都。"],
    ],
)
def test_sentence_spans_split_sentences(parts: list[str]) -> None:
    chinese = has_cjk(parts[0])
    assert cut(("" if chinese else " ").join(parts)) == [part.strip() for part in parts]


def test_full_stop_without_space_ends_sentence() -> None:
    assert cut("It was the war.The city fell. Node.js is fine.") == [
        "It was the war.",
        "The city fell.",
        "Node.js is fine.",
    ]


def test_separate_lines_are_sentences() -> None:
    assert cut("# Title\nText goes on here\n\n- one\n- two\n1. three\n| a. B | c |\n| d | e |") == [
        *("# Title", "Text goes on here", "- one", "- two", "1. three", "| a. B | c |", "| d | e |")
    ]
    assert cut("name: Ada\nborn: 1815\ncity: London") == ["name: Ada", "born: 1815", "city: London"]
    assert cut("Title\n=====\nText") == ["Title\n=====", "Text"]


def test_wrapped_lines_are_one_sentence() -> None:
    wrapped = "The quick brown fox jumped over the lazy dog that lay by\nMary and ran on until it met\na wolf."
    assert cut(wrapped) == [wrapped]


def test_long_line_is_a_paragraph() -> None:
    line = "a paragraph on one long line which has no full stop at its end " * 3
    assert cut(f"{line}\nAnother") == [line.strip(), "Another"]


@given(MIXED)
def test_sentence_spans_cover_all_text_once(text: str) -> None:
    position = 0
    for start, end in sentence_spans(text):
        assert start < end
        assert text[position:start].strip() == ""
        assert text[start:end] == text[start:end].strip()
        position = end
    assert text[position:].strip() == ""


@pytest.mark.parametrize("piece", ["J. ", "…", ".", "\n", " ", "a\n", '。"', "《。", "好!", ".[1]", "A. (", "**"])
def test_sentence_spans_time_is_not_quadratic(piece: str) -> None:
    begin = time.process_time()
    sentence_spans(piece * 100_000)
    assert time.process_time() - begin < 3


def test_shorten_cuts_with_ellipsis() -> None:
    assert shorten("a\n b", 10) == "a b"
    assert shorten("x" * 20, 10) == "x" * 9 + "…"


@given(st.text())
def test_to_simplified_keeps_length(text: str) -> None:
    plain = to_simplified(text)
    assert len(plain) == len(text) and to_simplified(plain) == plain
    assert normalize_name(text) == normalize_name(plain)


def test_to_simplified_changes_only_traditional_characters() -> None:
    assert to_simplified("陳省身後來出生於廣東, 2 km") == "陈省身后来出生于广东, 2 km"
    assert normalize_name("陳省身") == normalize_name("陈省身") and to_simplified("Ströme") == "Ströme"
