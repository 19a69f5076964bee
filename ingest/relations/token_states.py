"""Contextual states of words: the fourth layer of the sentence encoder.

Passages are encoded for their vectors anyway, so the states cost nothing extra. A passage longer than the encoder's
limit is encoded in several parts of whole sentences, each after the document's title.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kgrag.embedders import TokenStates, load_token_encoder
from kgrag.protocols import Matrix
from kgrag.text import sentence_spans

STATE_SIZE = 384
"""Dimension of a state."""
PASSAGES_PER_BATCH = 64
"""Passages encoded at once."""


class _EncodedPart(NamedTuple):
    """An encoded part of a passage: its start, its token spans, and the cumulative sums of their states."""

    start: int
    token_starts: NDArray[np.int32]
    token_ends: NDArray[np.int32]
    cumulative_states: NDArray[np.float64]


class PassageStates:
    """States of the words of one passage."""

    def __init__(self, parts: Sequence[_EncodedPart]) -> None:
        self._parts = parts

    def span_means(self, sentence_start: int, spans: Sequence[tuple[int, int]]) -> Matrix:
        """Return (spans, `STATE_SIZE`): the mean state over the tokens of each span, 0 for spans not encoded.

        Args:
            sentence_start: start of a sentence in the passage.
            spans: spans of that sentence.
        """
        part = next(p for p in reversed(self._parts) if p.start <= sentence_start)
        bounds = sentence_start + np.array(spans, np.int64).reshape(-1, 2)
        begin = np.searchsorted(part.token_ends, bounds[:, 0], "right")
        end = np.maximum(begin, np.searchsorted(part.token_starts, bounds[:, 1], "left"))
        mean: NDArray[np.float64] = (part.cumulative_states[end] - part.cumulative_states[begin]) / np.maximum(
            end - begin, 1
        )[:, None]
        return mean.astype(np.float32)


def encode_token_states(passages: Iterable[tuple[str, str]]) -> Iterator[tuple[Matrix, PassageStates]]:
    """Yield the vector (dimensions,) and the states of each passage, given as its document's title and text.

    The vector is that of ``"{title}. {text}"``. Both depend on the passage alone, bit for bit. At most
    `PASSAGES_PER_BATCH` passages are held at once, since the states of a book do not fit into memory.
    """
    remaining = iter(passages)
    while group := list(islice(remaining, PASSAGES_PER_BATCH)):
        yield from _encode_group(group)


def _encode_group(passages: Sequence[tuple[str, str]]) -> Iterator[tuple[Matrix, PassageStates]]:
    encoder = load_token_encoder()
    vectors: list[Matrix] = []
    parts: list[list[_EncodedPart]] = [[] for _ in passages]
    pending = [(number, 0) for number in range(len(passages))]
    while pending:
        unfinished = []
        texts = [f"{passages[number][0]}. {passages[number][1][start:]}" for number, start in pending]
        encoded_texts = encoder.compute_token_states(texts)
        vectors = vectors or [encoded_text.vector for encoded_text in encoded_texts]
        for (number, start), encoded_text in zip(pending, encoded_texts, strict=True):
            title, text = passages[number]
            part = _make_part(encoded_text, start, len(title) + 2)
            parts[number].append(part)
            read_end = int(part.token_ends[-1]) if len(part.token_ends) else start
            # the rest of a sentence that exceeds the encoder's limit is not encoded
            unread_starts = (begin for begin, end in sentence_spans(text) if end > read_end and begin > start)
            if read_end < len(text) and (begin := next(unread_starts, None)) is not None:
                unfinished.append((number, begin))
        pending = unfinished
    yield from zip(vectors, map(PassageStates, parts), strict=True)


def _make_part(encoded_text: TokenStates, start: int, header_chars: int) -> _EncodedPart:
    """Return the tokens of a text, without special tokens and those of the title, as spans of the passage."""
    is_passage_token = encoded_text.spans[:, 1] > np.maximum(encoded_text.spans[:, 0], header_chars)
    spans = encoded_text.spans[is_passage_token] - header_chars + start
    sums = np.zeros((len(spans) + 1, encoded_text.states.shape[1]))
    np.cumsum(encoded_text.states[is_passage_token], axis=0, dtype=np.float64, out=sums[1:])
    return _EncodedPart(start, spans[:, 0], spans[:, 1], sums)
