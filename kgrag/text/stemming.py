"""Stem English words with the Snowball stemmer (Porter 2001)."""

from __future__ import annotations

from functools import lru_cache
from typing import Any


@lru_cache(maxsize=100_000)
def stem_word(word: str) -> str:
    """Return the stem of a casefolded English word."""
    return str(_load_stemmer().stemWord(word))


@lru_cache(maxsize=1)
def _load_stemmer() -> Any:
    import Stemmer

    return Stemmer.Stemmer("english")
