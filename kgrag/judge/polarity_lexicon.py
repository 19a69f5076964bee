"""Words that reverse a claim: opposites and negations, in both languages (``data/judge_words.toml``)."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files
from typing import NamedTuple


class JudgeWordLists(NamedTuple):
    """``opposites``: word -> contradicting words. ``question_words``: Chinese question words, longest first."""

    opposites: Mapping[str, frozenset[str]]
    negations: frozenset[str]
    question_words: tuple[str, ...]
    numerals: Mapping[str, str]
    """English number words -> digits."""
    synonyms: Mapping[str, str]
    """English words -> the synonym that replaces them in comparisons."""


@lru_cache(maxsize=1)
def load_word_lists() -> JudgeWordLists:
    """Load the word lists of both languages, once."""
    data = tomllib.loads((files("kgrag") / "data" / "judge_words.toml").read_text("utf-8"))
    opposites: dict[str, set[str]] = {}
    for pair in f"{data['opposites_en']} {data['opposites_zh']}".split():
        left_word, right_word = pair.split("/")
        opposites.setdefault(left_word, set()).add(right_word)
        opposites.setdefault(right_word, set()).add(left_word)
    return JudgeWordLists(
        {word: frozenset(others) for word, others in opposites.items()},
        frozenset(f"{data['negations_en']} {data['negations_zh']}".split()),
        tuple(sorted(data["asks_zh"].split(), key=len, reverse=True)),
        {word: str(number) for number, word in enumerate(data["numbers_en"].split())},
        {word: line.split("/")[0] for line in data["same_en"].split() for word in line.split("/")[1:]},
    )
