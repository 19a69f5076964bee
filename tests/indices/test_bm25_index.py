"""Test the word index: scores, phrases, excluded words, typos, acronyms."""

from __future__ import annotations

import math
from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indices.acronyms import AcronymTable, find_acronyms
from indices.bm25_index import PROXIMITY_WEIGHT, BM25Index, IndexedText, index_tokens
from indices.query_weights import word_weight
from indices.similar_words import similar_words, word_signatures
from indices.tokens import token_runs
from indices.word_postings import K1, TITLE_WEIGHT, B
from indices.word_query import WordQuery, parse_query
from kgrag.storage.string_table import StringTable
from kgrag.text import tokenize
from kgrag.text.stemming import stem_word


def first(index: BM25Index, question: str) -> int:
    rows, _ = index.search(question, 1)
    return int(rows[0]) if len(rows) else -1


# --- scores ------------------------------------------------------------------------------------------------------


def naive_scores(rows: list[IndexedText], question: str) -> list[float]:
    """Score rows as the index does, for questions of known plain words: weighted BM25 and closeness of neighbours."""
    counts = []
    for title, text in rows:
        counts.append(Counter(index_tokens(text)))
        for token in index_tokens(title):
            counts[-1][token] += int(TITLE_WEIGHT)
    lengths = [sum(len(words) for field in row for words, _ in token_runs(field)) for row in rows]
    mean = sum(lengths) / len(lengths)
    known = [token for token in index_tokens(question) if any(token in count for count in counts)]
    scores = []
    for count, length, row in zip(counts, lengths, rows, strict=True):
        score = 0.0
        for token in known:
            rows_with = sum(token in other for other in counts)
            idf = math.log(1 + (len(rows) - rows_with + 0.5) / (rows_with + 0.5))
            norm = K1 * (1 - B + B * length / mean)
            score += word_weight(token) * idf * count[token] / (count[token] + norm)
        places = [[stem_word(token.text) for token in tokenize(field)] for field in row]
        stems = [*places[0], "", *places[1]]
        for one, other in pairwise(known):
            distances = [abs(a - b) for a, x in enumerate(stems) for b, y in enumerate(stems) if (x, y) == (one, other)]
            if one != other and distances and score > 0 and min(distances) <= 24:
                rarest = min(
                    word_weight(t) * math.log((len(rows) + 1) / (sum(t in c for c in counts) + 0.5))
                    for t in (one, other)
                )
                score += PROXIMITY_WEIGHT * rarest / (1 + math.log(min(distances)))
        scores.append(score)
    return scores


plain = st.lists(st.sampled_from(["alpha", "beta", "gamma", "getting", "the", "delta"]), max_size=12).map(" ".join)


@given(st.lists(st.builds(IndexedText, plain, plain), min_size=1, max_size=8), plain)
@settings(max_examples=120, deadline=None, derandomize=True)
def test_scores_equal_naive_scores(rows: list[IndexedText], question: str) -> None:
    index = BM25Index.build([*rows, IndexedText("", "alpha beta gamma getting delta")])
    expected = naive_scores([*rows, IndexedText("", "alpha beta gamma getting delta")], question)
    np.testing.assert_allclose(index.scores(question), expected, rtol=1e-4, atol=1e-5)


def test_title_counts_more_than_text() -> None:
    index = BM25Index.build([IndexedText("Notes", "About vacuum and so on"), IndexedText("Vacuum", "Notes and so on")])
    assert first(index, "vacuum") == 1


# --- identifiers -------------------------------------------------------------------------------------------------

NUMBERED = (
    IndexedText("Release notes 2.1.10", "Version 2.1.10 of Harbourly adds dark mode to the dashboard."),
    IndexedText("Release notes 2.10.1", "Version 2.10.1 of Harbourly removes the old login page."),
    IndexedText("Release notes 1.2.10", "Version 1.2.10 of Harbourly adds a Czech translation."),
    IndexedText("Release notes 10.2.1", "Version 10.2.1 of Harbourly moves the settings to a new menu."),
    IndexedText("Host 10.0.1.12", "The address 10.0.1.12 belongs to the print server."),
    IndexedText("Host 12.1.0.10", "The address 12.1.0.10 belongs to the web server."),
    IndexedText("Log of 2024-01-12", "On 2024-01-12 the crane was painted."),
    IndexedText("Log of 2024-12-01", "On 2024-12-01 the crane was sold."),
    IndexedText("Log of 2001-12-24", "On 2001-12-24 the crane was drawn."),
)


@pytest.mark.parametrize(
    ("question", "row"),
    [
        ("What does version 2.10.1 of Harbourly do?", 1),
        ("What does version v2.1.10 of Harbourly do?", 0),
        ("What belongs to the address 12.1.0.10?", 5),
        ("What happened on 2024-12-01?", 7),
        ("What happened on 1 December 2024?", 7),
        ("What happened on January 12th, 2024?", 6),
        ("2024年12月1日发生了什么？", 7),
    ],
)
def test_numbers_in_another_order_are_different(question: str, row: int) -> None:
    assert first(BM25Index.build(NUMBERED), question) == row


@pytest.mark.parametrize(
    ("question", "row"),
    [
        ("When was WHO founded?", 1),
        ("When was the WHO founded?", 1),
        ("WHO", 1),
        ("What is IT?", 3),
        ("When was IT founded?", 3),
        ("When were The Who founded?", 2),
        ("who founded OPEC?", 0),
    ],
)
def test_stop_word_in_capitals_is_a_name(question: str, row: int) -> None:
    index = BM25Index.build(
        [
            IndexedText("OPEC", "OPEC was founded in 1960 in Baghdad."),
            IndexedText("World Health Organization", "The World Health Organization (WHO) was founded in 1948."),
            IndexedText("The Who", "The Who were founded in London in 1964."),
            IndexedText("IT department", "The IT department was founded in 1999. IT is headed by Dee Marsh."),
        ]
    )
    assert first(index, question) == row


def test_title_of_stop_words_is_found() -> None:
    assert (
        first(BM25Index.build([IndexedText("It", "A novel."), IndexedText("Cujo", "A novel.")]), "Who wrote It?") == 0
    )


@pytest.mark.parametrize("identifier", ["max_size", "max-size", "maxSize", "max.size", "--max-size", "MAX_SIZE_T"])
def test_exact_spelling_comes_first(identifier: str) -> None:
    spellings = ["max_size", "max-size", "maxSize", "max.size", "--max-size", "MAX_SIZE_T"]
    index = BM25Index.build(f"Set {spelling} to 5." for spelling in spellings)
    assert first(index, f"What is {identifier}?") == spellings.index(identifier)
    assert (index.scores(f"What is {identifier}?") > 0).sum() >= 5


# --- phrases and excluded words ----------------------------------------------------------------------------------

SENTENCES = (
    "The full disk is in use, and a disk is a disk that is full of a disk.",
    "The disk is full.",
    "使用预写式日志可以提高性能。",
    "日志预写不是写式。日志日志预写预写。",
    "To be or not to be.",
    "Not to be, or to be.",
)


@pytest.mark.parametrize(
    ("question", "row"),
    [
        ('What does "disk is full" mean?', 1),
        ("What does “The full disk” mean?", 0),
        ("什么是「预写式日志」？", 2),
        ('"to be or not to be"', 4),
        ("“日志预写”", 3),
    ],
)
def test_quoted_phrase_comes_first(question: str, row: int) -> None:
    index = BM25Index.build(SENTENCES)
    assert first(index, question) == row


def test_unknown_phrase_falls_back_to_words() -> None:
    index = BM25Index.build(SENTENCES)
    np.testing.assert_array_equal(index.scores('"full is disk"'), index.scores("full is disk"))
    np.testing.assert_array_equal(index.scores('Is the disk "full"?'), index.scores("Is the disk full?"))


@pytest.mark.parametrize(
    ("question", "query"),
    [
        ("jaguar -car", WordQuery("jaguar  ", (), ("car",))),
        ("-cars jaguar -Speed?", WordQuery("  jaguar  ?", (), ("cars", "Speed"))),
        ('jaguar -"big cat"', WordQuery("jaguar  ", (), ("big cat",))),
        ("美洲豹 -汽车", WordQuery("美洲豹  ", (), ("汽车",))),
        ("ls -l", WordQuery("ls -l")),
        ("git push --force", WordQuery("git push --force")),
        ("gcc -std=c99 -O2", WordQuery("gcc -std=c99 -O2")),
        ("find -name x", WordQuery("find -name x")),
        ("well-known", WordQuery("well-known")),
        ("one - two", WordQuery("one - two")),
        ("-word", WordQuery(" word")),
        ('a "b c" “d”', WordQuery('a "b c" “d”', ("b c", "d"))),
        ('an empty "!" quote', WordQuery('an empty "!" quote')),
    ],
)
def test_parse_query(question: str, query: WordQuery) -> None:
    assert parse_query(question, {"-name"}.__contains__) == query


def test_excluded_words_leave_passages_out() -> None:
    index = BM25Index.build(
        ["The jaguar is a big cat.", "The Jaguar is a car.", "Jaguar cars are fast.", "find -name jaguar"]
    )
    assert sorted(index.search("jaguar -car", 9)[0].tolist()) == [0, 3]
    assert sorted(index.search('jaguar -"big cat"', 9)[0].tolist()) == [1, 2, 3]
    assert len(index.search("jaguar -name", 9)[0]) == 4  # an option of a passage
    excluded = index.excluded_rows("jaguar -car")
    assert excluded is not None
    assert np.flatnonzero(excluded).tolist() == [1, 2]
    assert index.excluded_rows("jaguar") is None


# --- typos -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("question", "row"),
    [
        ("databse", 0),
        ("repositroy", 1),
        ("memroy", 2),
        ("checkpiont", 3),
        ("Vaccum", 4),
        ("xacuum", 4),
        ("datbaes", -1),
    ],
)
def test_typo_finds_the_word(question: str, row: int) -> None:
    index = BM25Index.build(["a database", "the repository", "some memory", "checkpoints", "vacuum"])
    assert first(index, f"What is {question}?") == row


def test_typo_counts_less_and_known_words_stay() -> None:
    index = BM25Index.build(["a horse", "a house", "another thing"])
    assert index.scores("house").tolist()[0] == 0  # the index has the word
    assert 0 < index.scores("hoese")[0] < index.scores("horse")[0]
    assert index.scores("hors2").tolist() == [0, 0, 0]
    assert index.question_tokens("Is it a hosue or a zeppelin?") == ["hous", "zeppelin"]


letters = st.text("abc", min_size=5, max_size=9)


@given(st.lists(letters, min_size=1, max_size=20, unique=True).map(sorted), letters, st.integers(1, 2))
@settings(max_examples=150, deadline=None, derandomize=True)
def test_similar_words_equal_naive_search(vocabulary: list[str], word: str, max_edits: int) -> None:
    table = StringTable.from_strings(vocabulary)
    expected = sorted(
        (distance, number)
        for number, other in enumerate(vocabulary)
        if (distance := naive_distance(word, other)) <= (max_edits if other[0] == word[0] else 1)
    )
    assert similar_words(word, max_edits, table, word_signatures(table)) == expected


def naive_distance(one: str, other: str) -> int:
    table = {(row, 0): row for row in range(len(one) + 1)} | {(0, column): column for column in range(len(other) + 1)}
    for row in range(1, len(one) + 1):
        for column in range(1, len(other) + 1):
            cost = int(one[row - 1] != other[column - 1])
            best = min(table[row - 1, column] + 1, table[row, column - 1] + 1, table[row - 1, column - 1] + cost)
            if row > 1 and column > 1 and (one[row - 1], one[row - 2]) == (other[column - 2], other[column - 1]):
                best = min(best, table[row - 2, column - 2] + 1)
            table[row, column] = best
    return table[len(one), len(other)]


def test_similar_words_without_words() -> None:
    table = StringTable.from_strings(())
    assert similar_words("house", 1, table, word_signatures(table)) == []


# --- acronyms ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It uses write-ahead logging (WAL) now.", [("WAL", "write-ahead logging")]),
        ("It uses WAL (write-ahead logging) now.", [("WAL", "write-ahead logging")]),
        ("the World Health Organization (WHO)", [("WHO", "World Health Organization")]),
        ("使用预写式日志（WAL）。", [("WAL", "使用预写式日志")]),
        ("WAL（预写式日志）模式", [("WAL", "预写式日志")]),
        ("中国科学院（简称中科院）成立。", [("中科院", "中国科学院")]),
        ("北京大学，简称“北大”，", [("北大", "北京大学")]),
        ("run it (NOT twice)", []),
        ("see below (XYZ)", []),
        ("a function (e.g. of x)", []),
    ],
)
def test_find_acronyms(text: str, expected: list[tuple[str, str]]) -> None:
    assert list(find_acronyms(text)) == expected


@pytest.mark.parametrize(
    ("question", "found"),
    [
        ("What is WAL?", 1),
        ("what is wal?", 1),
        ("How does write-ahead logging work?", 2),
        ("中科院在哪里？", 4),
        ("中国科学院在哪里？", 5),
    ],
)
def test_acronym_finds_the_other_form(question: str, found: int) -> None:
    index = BM25Index.build(
        [
            "Write-ahead logging (WAL) is fast.",
            "Logging is done ahead, the write comes later.",
            "The WAL file grows.",
            "中国科学院（简称中科院）成立。",
            "中国科学院位于北京。",
            "中科院位于北京。",
        ]
    )
    scores = index.scores(question)
    assert scores[found] > 0
    assert scores[found] < scores.max()


def test_acronym_in_another_case_is_a_word() -> None:
    table = AcronymTable.from_pairs(Counter({("MAC", "media access control"): 1}))
    assert table.other_forms("On my Mac", index_tokens("On my Mac")) == []
    assert table.other_forms("the MAC", index_tokens("the MAC")) == ["media access control"]
    assert table.other_forms("media access control or MAC", index_tokens("media access control or MAC")) == []


def test_save_keeps_everything(tmp_path: Path) -> None:
    texts: list[str | IndexedText] = [
        IndexedText("WAL", "Write-ahead logging (WAL) is fast."),
        IndexedText("", "The disk is full."),
        "plain",
    ]
    BM25Index.build(texts).save(tmp_path / "words")
    built, loaded = BM25Index.build(texts), BM25Index.load(tmp_path / "words")
    for question in ("WAL", "write ahead loging", '"disk is full" -wal', "plain"):
        np.testing.assert_array_equal(loaded.scores(question), built.scores(question))
        assert loaded.question_tokens(question) == built.question_tokens(question)


def test_word_of_the_title_counts_more_than_one_of_the_text() -> None:
    rows = [IndexedText("Pages", "vacuum cleans pages daily"), IndexedText("Vacuum", "pages cleans pages daily")]
    assert first(BM25Index.build(rows), "vacuum") == 1
