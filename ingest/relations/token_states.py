"""Words in their context: the states that the sentence encoder has of each word of a passage, in its fourth layer.

The passages are read for their vectors anyway, so that the states cost nothing more. A passage that is longer than the
encoder reads at once is read in several parts, each of whole sentences, with the document's title before it.
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
"""Numbers in a state."""
PASSAGES_PER_BATCH = 64
"""Passages that are read at once."""


class _EncodedPart(NamedTuple):
    """A stretch of a passage as it was read: where it begins and its tokens end, and the sums of its first states."""

    start: int
    token_starts: NDArray[np.int32]
    token_ends: NDArray[np.int32]
    cumulative_states: NDArray[np.float64]


class PassageStates:
    """The states of one passage's words."""

    def __init__(self, parts: Sequence[_EncodedPart]) -> None:
        self._parts = parts

    def span_means(self, sentence_start: int, spans: Sequence[tuple[int, int]]) -> Matrix:
        """(spans, `WIDTH`): the mean over the tokens of each span, 0 where none was read.

        Args:
            sentence: where a sentence begins in the passage; ``spans`` are of it.
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
    """The vector (dimensions,) and the states of each passage, given as its document's title and its text.

    The vector is that of ``"{title}. {text}"``; both depend on the passage alone, bit for bit. They are read `TOGETHER`
    passages ahead, and not kept: the states of a book do not fit into memory.
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
        vectors = vectors or [one.vector for one in encoded_texts]
        for (number, start), encoded_text in zip(pending, encoded_texts, strict=True):
            title, text = passages[number]
            part = _make_part(encoded_text, start, len(title) + 2)
            parts[number].append(part)
            read_end = int(part.token_ends[-1]) if len(part.token_ends) else start
            # of a sentence that is longer than can be read at once, the rest stays unread
            unread_starts = (begin for begin, end in sentence_spans(text) if end > read_end and begin > start)
            if read_end < len(text) and (begin := next(unread_starts, None)) is not None:
                unfinished.append((number, begin))
        pending = unfinished
    yield from zip(vectors, map(PassageStates, parts), strict=True)


def _make_part(encoded_text: TokenStates, start: int, header_chars: int) -> _EncodedPart:
    """The tokens of a text but for the special ones and those of its head, as spans of the passage."""
    is_passage_token = encoded_text.spans[:, 1] > np.maximum(encoded_text.spans[:, 0], header_chars)
    spans = encoded_text.spans[is_passage_token] - header_chars + start
    sums = np.zeros((len(spans) + 1, encoded_text.states.shape[1]))
    np.cumsum(encoded_text.states[is_passage_token], axis=0, dtype=np.float64, out=sums[1:])
    return _EncodedPart(start, spans[:, 0], spans[:, 1], sums)
