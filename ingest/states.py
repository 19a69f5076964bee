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

from kgrag.embed import Tokens, load_reader
from kgrag.protocols import Matrix
from kgrag.text import sentences

WIDTH = 384
"""Numbers in a state."""
TOGETHER = 64
"""Passages that are read at once."""


class _Part(NamedTuple):
    """A stretch of a passage as it was read: where it begins and its tokens end, and the sums of its first states."""

    start: int
    starts: NDArray[np.int32]
    ends: NDArray[np.int32]
    sums: NDArray[np.float64]


class States:
    """The states of one passage's words."""

    def __init__(self, parts: Sequence[_Part]) -> None:
        self._parts = parts

    def of(self, sentence: int, spans: Sequence[tuple[int, int]]) -> Matrix:
        """(spans, `WIDTH`): the mean over the tokens of each span, 0 where none was read.

        Args:
            sentence: where a sentence begins in the passage; ``spans`` are of it.
        """
        part = next(p for p in reversed(self._parts) if p.start <= sentence)
        bounds = sentence + np.array(spans, np.int64).reshape(-1, 2)
        begin = np.searchsorted(part.ends, bounds[:, 0], "right")
        end = np.maximum(begin, np.searchsorted(part.starts, bounds[:, 1], "left"))
        mean: NDArray[np.float64] = (part.sums[end] - part.sums[begin]) / np.maximum(end - begin, 1)[:, None]
        return mean.astype(np.float32)


def read_states(passages: Iterable[tuple[str, str]]) -> Iterator[tuple[Matrix, States]]:
    """The vector (dimensions,) and the states of each passage, given as its document's title and its text.

    The vector is that of ``"{title}. {text}"``; both depend on the passage alone, bit for bit. They are read `TOGETHER`
    passages ahead, and not kept: the states of a book do not fit into memory.
    """
    rest = iter(passages)
    while group := list(islice(rest, TOGETHER)):
        yield from _group(group)


def _group(passages: Sequence[tuple[str, str]]) -> Iterator[tuple[Matrix, States]]:
    reader = load_reader()
    vectors: list[Matrix] = []
    parts: list[list[_Part]] = [[] for _ in passages]
    due = [(number, 0) for number in range(len(passages))]
    while due:
        rest = []
        texts = [f"{passages[number][0]}. {passages[number][1][start:]}" for number, start in due]
        read = reader.read(texts)
        vectors = vectors or [one.vector for one in read]
        for (number, start), one in zip(due, read, strict=True):
            title, text = passages[number]
            part = _part(one, start, len(title) + 2)
            parts[number].append(part)
            reach = int(part.ends[-1]) if len(part.ends) else start
            # of a sentence that is longer than can be read at once, the rest stays unread
            left = (begin for begin, end in sentences(text) if end > reach and begin > start)
            if reach < len(text) and (begin := next(left, None)) is not None:
                rest.append((number, begin))
        due = rest
    yield from zip(vectors, map(States, parts), strict=True)


def _part(read: Tokens, start: int, head: int) -> _Part:
    """The tokens of a text but for the special ones and those of its head, as spans of the passage."""
    kept = read.spans[:, 1] > np.maximum(read.spans[:, 0], head)
    spans = read.spans[kept] - head + start
    sums = np.zeros((len(spans) + 1, read.states.shape[1]))
    np.cumsum(read.states[kept], axis=0, dtype=np.float64, out=sums[1:])
    return _Part(start, spans[:, 0], spans[:, 1], sums)
