"""What a sentence relates, word by word: names as the recogniser has them, but also terms, numbers and parts of names.

The recogniser's names are made to join documents ("Judge Ralph K. Winter" is one name); a fact is about Ralph K.
Winter, or about banana leaves. Each word is decided in turn, whether it begins, continues or stays out of a span,
seeing what was decided for the word before (a maximum-entropy Markov model, McCallum et al. 2000, greedy).
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from functools import lru_cache
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

BUCKETS = 1 << 16
OUT, BEGIN, INSIDE = 0, 1, 2
AFTER = 3
"""Features of the decision before a word."""
_WORD = re.compile(r"[^\W\d_](?:\.[^\W\d_])+\.?|[A-Z]\.|[^\W\d_]+(?:['’][^\W\d_]+)*|\d+(?:[.,]\d+)*|\S")

Word = tuple[int, int, str]


def words(sentence: str) -> list[Word]:
    """(start, end, text) of each word, number and sign."""
    found = []
    for match in _WORD.finditer(sentence):
        start, end = match.span()
        text = match.group()
        if text[-2:] in ("'s", "’s"):
            found += [(start, end - 2, text[:-2]), (end - 2, end, text[-2:])]
        else:
            found.append((start, end, text))
    return found


def features(heard: Sequence[Word], named: Sequence[tuple[int, int, str]]) -> list[list[int]]:
    """Hashed features of each word but for the decision before it (see `after`).

    Args:
        named: (start, end, type) of the names that are known, not overlapping, ordered.
    """
    kinds = ["-"] * len(heard)
    place = 0
    for start, end, kind in named:
        while place < len(heard) and heard[place][0] < start:
            place += 1
        first = True
        while place < len(heard) and heard[place][1] <= end:
            kinds[place] = ("B" if first else "I") + kind
            first = False
            place += 1
    low = [word.lower() for _, _, word in heard]
    shapes = [_shape(word) for _, _, word in heard]
    pad = ["^^", "^"], ["$", "$$"]
    low_, shapes_, kinds_ = ([*pad[0], *row, *pad[1]] for row in (low, shapes, kinds))
    found = []
    for i in range(2, len(low_) - 2):
        w, s, k = low_[i], shapes_[i], kinds_[i]
        said = [
            f"w{w}", f"s{s}", f"k{k}", f"w{w}|{k}", f"x{w[-3:]}|{s}", f"y{w[:3]}|{s}",
            f"-{low_[i - 1]}", f"-{low_[i - 1]}|{k}", f"-{low_[i - 1]} {w}", f"={low_[i - 2]} {low_[i - 1]}|{s}",
            f"+{low_[i + 1]}", f"+{low_[i + 1]}|{k}", f"+{w} {low_[i + 1]}", f"#{low_[i + 1]} {low_[i + 2]}|{s}",
            f"K{kinds_[i - 1]} {k} {kinds_[i + 1]}", f"S{shapes_[i - 1]} {s} {shapes_[i + 1]}",
            f"T{shapes_[i - 2]} {shapes_[i - 1]} {s}", f"U{s} {shapes_[i + 1]} {shapes_[i + 2]}",
            f"L{kinds_[i + 1]} {kinds_[i + 2]}|{k}", f"a{k}|{s}|{i == 2}", f"z{w[-2:]}|{low_[i - 1]}",
        ]  # fmt: skip
        found.append([crc32(f.encode()) % BUCKETS for f in said])
    return found


@lru_cache(maxsize=1 << 16)
def after(decision: int, word: str) -> tuple[int, ...]:
    """The features of the decision before a word."""
    said = (f"d{decision}", f"d{decision}|{word.lower()}", f"d{decision}|{_shape(word)}")
    return tuple(crc32(f.encode()) % BUCKETS for f in said)


def decode(odds: NDArray[np.float32], weights: NDArray[np.float32], heard: Sequence[Word]) -> list[tuple[int, int]]:
    """The spans, ordered.

    Args:
        odds: (words, 3), without what the decision before says.
        weights: (buckets, 3), of the features of the decision before.
    """
    spans: list[tuple[int, int]] = []
    before = OUT
    for (start, end, word), odd in zip(heard, odds, strict=True):
        row = odd + weights[list(after(before, word))].sum(0)
        if before == OUT:
            row[INSIDE] = -np.inf
        before = int(row.argmax())
        if before == BEGIN:
            spans.append((start, end))
        elif before == INSIDE:
            spans[-1] = (spans[-1][0], end)
    return spans


def placed(heard: Sequence[Word], spans: Sequence[tuple[int, int, str]]) -> list[tuple[int, int, str]]:
    """Spans of characters as words from and to (end exclusive), with their types: all words that they touch."""
    starts, ends = [start for start, _, _ in heard], [end for _, end, _ in heard]
    return [(i := bisect_right(ends, start), max(i, bisect_left(starts, end)), kind) for start, end, kind in spans]


def _shape(word: str) -> str:
    if word.isdigit():
        return f"0{min(len(word), 5)}"
    if word[:1].isupper():
        return "A." if word[-1:] == "." else "AA" if word.isupper() and len(word) > 1 else "Aa"
    return "a" if word[:1].isalpha() else "0," if word[:1].isdigit() else word[:1]
