"""Word lists for yes/no answers."""

from __future__ import annotations

import pytest

from kgrag.text import normalize_name
from kgrag.text.polarity import (
    CANONICAL_ANSWERS,
    CLAIM_ANSWERS,
    EXPLICIT_ANSWERS,
    NO_WORDS,
    YES_NO_WORDS,
    YES_WORDS,
    yes_no_answer,
)


def test_polarity_sets_are_nested() -> None:
    assert CANONICAL_ANSWERS < EXPLICIT_ANSWERS < CLAIM_ANSWERS < YES_NO_WORDS
    assert not YES_WORDS & NO_WORDS


def test_polarity_words_are_normalized() -> None:
    assert all(normalize_name(word) == word for word in YES_NO_WORDS)


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_yes_no_answer_is_canonical(lang: str) -> None:
    yes, no = yes_no_answer(True, lang), yes_no_answer(False, lang)
    assert {yes, no} <= CANONICAL_ANSWERS and yes in YES_WORDS and no in NO_WORDS
