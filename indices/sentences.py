"""Sentences as search sees them: which words each has and which known names, read from the disk for a few passages.

Words are kept as numbers of 32 bits, their hashes: among the ten thousand words of a question's candidates two that
differ are taken for one about once in half a million questions.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from indices.bm25 import search_tokens
from kgrag.arrays import Arrays, load_arrays, save_arrays, spread
from kgrag.text import sentences

Ints = NDArray[np.int32]


@dataclass(frozen=True)
class Seen:
    """The sentences of some passages, ``s`` in all; the first of each passage is its title.

    ``owner``: (s,) place of the passage among those asked for. ``words``: (s, t), whether a sentence or its passage's
    title has each word asked for. ``names``, ``begin``: the columns of the names in each sentence, from ``begin[i]`` to
    ``begin[i + 1]``.
    """

    owner: Ints
    words: NDArray[np.bool_]
    names: Ints
    begin: NDArray[np.int64]


class SentenceIndex:
    """What each sentence of each passage says; its arrays may be memory-mapped.

    Args:
        passage_begin: (passages + 1,), the first sentence of each passage, which is its title.
        word_begin, words: for each sentence the hashes of its distinct words.
        name_begin, names: for each sentence the columns of the names in it, ascending.
    """

    def __init__(
        self,
        passage_begin: NDArray[np.int64],
        word_begin: NDArray[np.int64],
        words: NDArray[np.uint32],
        name_begin: NDArray[np.int64],
        names: Ints,
    ) -> None:
        self._passages = passage_begin
        self._word_begin, self._words = word_begin, words
        self._name_begin, self._names = name_begin, names

    def __len__(self) -> int:
        return len(self._passages) - 1

    def of(self, rows: NDArray[np.int64], words: Sequence[str]) -> Seen:
        """The sentences of the passages ``rows``, laid beside distinct ``words`` (see `search_tokens`)."""
        owner, sentence = spread(self._passages, rows)
        at, place = spread(self._word_begin, sentence)
        wanted = np.fromiter(map(_hash, words), np.uint32, len(words))
        order = np.argsort(wanted, kind="stable")
        has = np.zeros((len(sentence), len(words)), bool)
        if len(words):
            here = self._words[place]
            nearest = np.minimum(np.searchsorted(wanted[order], here), len(words) - 1)
            equal = wanted[order[nearest]] == here
            has[at[equal], order[nearest[equal]]] = True
        first = np.searchsorted(owner, np.arange(len(rows)))
        if len(sentence):
            has |= has[first[owner]]
        _, named = spread(self._name_begin, sentence)
        count = self._name_begin[sentence + 1] - self._name_begin[sentence]
        begin = np.concatenate([[0], np.cumsum(count)]).astype(np.int64)
        return Seen(owner.astype(np.int32), has, self._names[named], begin)

    def save(self, folder: Path) -> None:
        """Write the folder, whole or not at all."""
        arrays: Arrays = {"passages": self._passages, "word_begin": self._word_begin, "words": self._words}
        save_arrays(folder, arrays | {"name_begin": self._name_begin, "names": self._names})

    @staticmethod
    def load(folder: Path) -> SentenceIndex:
        """Read what `save` wrote, from the disk as it is used."""
        arrays = load_arrays(folder)
        return SentenceIndex(*(arrays[part] for part in ("passages", "word_begin", "words", "name_begin", "names")))


class SentenceBuilder:
    """Takes passages in row order and makes a `SentenceIndex` of them."""

    def __init__(self) -> None:
        self._passages, self._word_begin, self._name_begin = array("q", [0]), array("q", [0]), array("q", [0])
        self._words, self._names = array("I"), array("i")

    def add(self, title: str, text: str, names: Iterable[tuple[int, int, int]]) -> None:
        """Add a passage: its title, its text, and what is named in it as (column, start, end) by place."""
        self._sentence(title, ())
        rest = list(names)
        for start, end in sentences(text):
            here = [name for name in rest if start <= name[1] and name[2] <= end]
            self._sentence(text[start:end], (column for column, _, _ in here))
        self._passages.append(len(self._word_begin) - 1)

    def _sentence(self, text: str, columns: Iterable[int]) -> None:
        self._words.extend(sorted({_hash(word) for word in search_tokens(text)}))
        self._names.extend(sorted(set(columns)))
        self._word_begin.append(len(self._words))
        self._name_begin.append(len(self._names))

    def done(self) -> SentenceIndex:
        """The index of all that was added."""
        return SentenceIndex(
            np.array(self._passages, np.int64),
            np.array(self._word_begin, np.int64),
            np.array(self._words, np.uint32),
            np.array(self._name_begin, np.int64),
            np.array(self._names, np.int32),
        )


@lru_cache(maxsize=1 << 17)
def _hash(word: str) -> int:
    return crc32(word.encode())
