"""Tag the spans that facts are about: names, but also terms, numbers and parts of names.

The recogniser's names are made to link documents ("Judge Ralph K. Winter" is one name), but a fact may be about Ralph
K. Winter, or about banana leaves. Each word is tagged in turn as beginning, inside or outside a span, given the tag of
the previous word (a maximum-entropy Markov model, McCallum et al. 2000, with greedy decoding).
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from functools import lru_cache
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

SPAN_BUCKETS = 1 << 16
OUT, BEGIN, INSIDE = 0, 1, 2
TRANSITION_FEATURE_COUNT = 3
"""Number of features of the previous word's tag."""
_WORD = re.compile(r"[^\W\d_](?:\.[^\W\d_])+\.?|[A-Z]\.|[^\W\d_]+(?:['’][^\W\d_]+)*|\d+(?:[.,]\d+)*|\S")

WordSpan = tuple[int, int, str]


def tokenize_words(sentence: str) -> list[WordSpan]:
    """Return (start, end, text) of each word, number and punctuation mark."""
    word_spans = []
    for match in _WORD.finditer(sentence):
        start, end = match.span()
        text = match.group()
        if text[-2:] in ("'s", "’s"):
            word_spans += [(start, end - 2, text[:-2]), (end - 2, end, text[-2:])]
        else:
            word_spans.append((start, end, text))
    return word_spans


def word_features(word_spans: Sequence[WordSpan], name_spans: Sequence[tuple[int, int, str]]) -> list[list[int]]:
    """Return the hashed features of each word, without those of the previous tag (see `transition_features`).

    Args:
        word_spans: the words, from `tokenize_words`.
        name_spans: (start, end, type) of known names, ordered, without overlaps.
    """
    kinds = ["-"] * len(word_spans)
    word_index = 0
    for start, end, kind in name_spans:
        while word_index < len(word_spans) and word_spans[word_index][0] < start:
            word_index += 1
        is_first_word = True
        while word_index < len(word_spans) and word_spans[word_index][1] <= end:
            kinds[word_index] = ("B" if is_first_word else "I") + kind
            is_first_word = False
            word_index += 1
    lowercase_words = [word.lower() for _, _, word in word_spans]
    shapes = [_word_shape(word) for _, _, word in word_spans]
    pad = ["^^", "^"], ["$", "$$"]
    padded_words, padded_shapes, padded_kinds = ([*pad[0], *row, *pad[1]] for row in (lowercase_words, shapes, kinds))
    feature_rows = []
    for i in range(2, len(padded_words) - 2):
        w, s, k = padded_words[i], padded_shapes[i], padded_kinds[i]
        feature_names = [
            f"w{w}", f"s{s}", f"k{k}", f"w{w}|{k}", f"x{w[-3:]}|{s}", f"y{w[:3]}|{s}",
            f"-{padded_words[i - 1]}", f"-{padded_words[i - 1]}|{k}", f"-{padded_words[i - 1]} {w}", f"={padded_words[i - 2]} {padded_words[i - 1]}|{s}",
            f"+{padded_words[i + 1]}", f"+{padded_words[i + 1]}|{k}", f"+{w} {padded_words[i + 1]}", f"#{padded_words[i + 1]} {padded_words[i + 2]}|{s}",
            f"K{padded_kinds[i - 1]} {k} {padded_kinds[i + 1]}", f"S{padded_shapes[i - 1]} {s} {padded_shapes[i + 1]}",
            f"T{padded_shapes[i - 2]} {padded_shapes[i - 1]} {s}", f"U{s} {padded_shapes[i + 1]} {padded_shapes[i + 2]}",
            f"L{padded_kinds[i + 1]} {padded_kinds[i + 2]}|{k}", f"a{k}|{s}|{i == 2}", f"z{w[-2:]}|{padded_words[i - 1]}",
        ]  # fmt: skip
        feature_rows.append([crc32(f.encode()) % SPAN_BUCKETS for f in feature_names])
    return feature_rows


@lru_cache(maxsize=1 << 16)
def transition_features(decision: int, word: str) -> tuple[int, ...]:
    """Return the hashed features of the previous word's tag."""
    feature_names = (f"d{decision}", f"d{decision}|{word.lower()}", f"d{decision}|{_word_shape(word)}")
    return tuple(crc32(f.encode()) % SPAN_BUCKETS for f in feature_names)


def decode_spans(
    logits: NDArray[np.float32], weights: NDArray[np.float32], word_spans: Sequence[WordSpan]
) -> list[tuple[int, int]]:
    """Return the spans of the greedy tag sequence, ordered.

    Args:
        logits: (words, 3), without the features of the previous tag.
        weights: (buckets, 3), of the hashed features.
        word_spans: the words, from `tokenize_words`.
    """
    spans: list[tuple[int, int]] = []
    previous_tag = OUT
    for (start, end, word), word_logits in zip(word_spans, logits, strict=True):
        tag_scores = word_logits + weights[list(transition_features(previous_tag, word))].sum(0)
        if previous_tag == OUT:
            tag_scores[INSIDE] = -np.inf
        previous_tag = int(tag_scores.argmax())
        if previous_tag == BEGIN:
            spans.append((start, end))
        elif previous_tag == INSIDE:
            spans[-1] = (spans[-1][0], end)
    return spans


def to_word_spans(word_spans: Sequence[WordSpan], spans: Sequence[tuple[int, int, str]]) -> list[tuple[int, int, str]]:
    """Convert character spans to word spans (first word, end, type) over all words that they touch."""
    starts, ends = [start for start, _, _ in word_spans], [end for _, end, _ in word_spans]
    return [(i := bisect_right(ends, start), max(i, bisect_left(starts, end)), kind) for start, end, kind in spans]


def _word_shape(word: str) -> str:
    if word.isdigit():
        return f"0{min(len(word), 5)}"
    if word[:1].isupper():
        return "A." if word[-1:] == "." else "AA" if word.isupper() and len(word) > 1 else "Aa"
    return "a" if word[:1].isalpha() else "0," if word[:1].isdigit() else word[:1]
