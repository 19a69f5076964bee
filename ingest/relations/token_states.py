"""Contextual states of words: the fourth layer of the sentence encoder.

Passages are encoded for their vectors anyway, so the states cost nothing extra. A passage longer than the encoder's
limit is encoded in several parts of whole sentences, each after the document's title and headings.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from kgrag.embedders import TokenStates, load_token_encoder
from kgrag.protocols import Matrix
from kgrag.text import sentence_spans

STATE_SIZE = 384
"""Dimension of a state."""
PASSAGES_PER_BATCH = 64
"""Passages encoded at once."""
RUN_CHARS = 400
"""Maximum length of neighbouring sentences that are encoded together, where single sentences are encoded."""


class _EncodedPart:
    """An encoded part of a passage.

    Attributes:
        start: Start of the part in the passage.
        token_starts: (tokens,) starts of the tokens in the passage.
        token_ends: (tokens,) their ends, exclusive.

    Args:
        encoded_text: the part after its header.
        start: start of the part in the passage.
        header_chars: length of the header, whose tokens are left out, as are special tokens.
    """

    def __init__(self, encoded_text: TokenStates, start: int, header_chars: int) -> None:
        is_passage_token = encoded_text.spans[:, 1] > np.maximum(encoded_text.spans[:, 0], header_chars)
        spans = encoded_text.spans[is_passage_token] - header_chars + start
        self.start, self.token_starts, self.token_ends = start, spans[:, 0], spans[:, 1]
        self._states = encoded_text.states[is_passage_token]

    @property
    def read_end(self) -> int:
        """End of the last token; the start of the part if it has none."""
        return int(self.token_ends[-1]) if len(self.token_ends) else self.start

    @cached_property
    def cumulative_states(self) -> NDArray[np.float64]:
        """Return (tokens + 1, width) sums of the states before each token."""
        sums = np.zeros((len(self._states) + 1, self._states.shape[1]))
        np.cumsum(self._states, axis=0, dtype=np.float64, out=sums[1:])
        return sums


class PassageStates:
    """States of the words of one passage. The parts after the first are encoded when they are needed.

    Args:
        context: title and headings, which stand before each part.
        text: the passage.
        first_text: the encoding of the beginning of ``"{context}. {text}"``.
    """

    def __init__(self, context: str, text: str, first_text: TokenStates) -> None:
        self._context, self._text = context, text
        self._parts = [_EncodedPart(first_text, 0, len(context) + 2)]
        self._next_start = self._find_next_start()

    def encode_sentences(self, sentences: Sequence[tuple[int, int]]) -> None:
        """Encode only these sentences of the rest of the passage, neighbours of up to `RUN_CHARS` together."""
        read_end, self._next_start = self._parts[0].read_end, None
        runs: list[tuple[int, int]] = []
        for start, end in sentences:
            if end <= read_end:
                continue
            if runs and end - runs[-1][0] <= RUN_CHARS and not self._text[runs[-1][1] : start].strip():
                runs[-1] = (runs[-1][0], end)
            else:
                runs.append((start, end))
        self._encode_parts(runs)

    def span_means(self, sentence_start: int, spans: Sequence[tuple[int, int]]) -> Matrix:
        """Return (spans, `STATE_SIZE`): the mean state over the tokens of each span, 0 for spans not encoded.

        Args:
            sentence_start: start of a sentence in the passage.
            spans: spans of that sentence.
        """
        while self._next_start is not None and self._next_start <= sentence_start:
            self._encode_parts([(self._next_start, len(self._text))])
            self._next_start = self._find_next_start()
        part = next(p for p in reversed(self._parts) if p.start <= sentence_start)
        bounds = sentence_start + np.array(spans, np.int64).reshape(-1, 2)
        begin = np.searchsorted(part.token_ends, bounds[:, 0], "right")
        end = np.maximum(begin, np.searchsorted(part.token_starts, bounds[:, 1], "left"))
        sums = part.cumulative_states
        mean: NDArray[np.float64] = (sums[end] - sums[begin]) / np.maximum(end - begin, 1)[:, None]
        return mean.astype(np.float32)

    def _encode_parts(self, spans: Sequence[tuple[int, int]]) -> None:
        texts = [f"{self._context}. {self._text[start:end]}" for start, end in spans]
        encoded_texts = load_token_encoder().compute_token_states(texts, with_vectors=False)
        for (start, _), encoded_text in zip(spans, encoded_texts, strict=True):
            self._parts.append(_EncodedPart(encoded_text, start, len(self._context) + 2))

    def _find_next_start(self) -> int | None:
        """Return the start of the first sentence that the last part does not cover, if any.

        The rest of a sentence that exceeds the encoder's limit is not encoded.
        """
        last = self._parts[-1]
        if last.read_end >= len(self._text):
            return None
        unread = (begin for begin, end in sentence_spans(self._text) if end > last.read_end and begin > last.start)
        return next(unread, None)


def encode_token_states(passages: Iterable[tuple[str, str]]) -> Iterator[tuple[Matrix, PassageStates]]:
    """Yield the vector (dimensions,) and the states of each passage, given as its context and text.

    The vector is that of ``"{context}. {text}"`` (see `Passage.indexed_text`). Both depend on the passage alone, bit
    for bit. At most `PASSAGES_PER_BATCH` passages are held at once, since the states of a book do not fit into memory.
    """
    remaining = iter(passages)
    while group := list(islice(remaining, PASSAGES_PER_BATCH)):
        encoded_texts = load_token_encoder().compute_token_states([f"{context}. {text}" for context, text in group])
        for (context, text), encoded_text in zip(group, encoded_texts, strict=True):
            yield encoded_text.vector, PassageStates(context, text, encoded_text)
