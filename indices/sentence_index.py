"""Index the words and known names of each sentence, read from disk for a few passages at a time.

Words are stored as 32-bit hashes. Among the ten thousand words of a question's candidates, two different words collide
about once in half a million questions.
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

from indices.bm25_index import index_tokens
from kgrag.storage.arrays import Arrays, expand_ranges, load_arrays, save_arrays
from kgrag.text import sentence_spans

Ints = NDArray[np.int32]


@dataclass(frozen=True)
class SentenceRows:
    """The sentences of some passages, ``s`` in all; the first sentence of each passage is its title.

    Attributes:
        owner: (s,), the position of each sentence's passage in the query.
        words: (s, t), whether a sentence or its passage's title contains each query word.
        names: the columns of the names in the sentences.
        begin: (s + 1,), offset of each sentence in ``names``.
    """

    owner: Ints
    words: NDArray[np.bool_]
    names: Ints
    begin: NDArray[np.int64]


class SentenceIndex:
    """The words and names of each sentence of each passage; its arrays may be memory-mapped.

    Args:
        passage_begin: (passages + 1,), the first sentence of each passage, which is its title.
        word_begin: (sentences + 1,), offset of each sentence in ``words``.
        words: the hashes of the distinct words of each sentence.
        name_begin: (sentences + 1,), offset of each sentence in ``names``.
        names: the columns of the names in each sentence, ascending.
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

    def rows_for(self, rows: NDArray[np.int64], words: Sequence[str]) -> SentenceRows:
        """Return the sentences of the passages ``rows``, compared with distinct ``words`` (see `index_tokens`)."""
        owner, sentence = expand_ranges(self._passages, rows)
        word_owner, word_positions = expand_ranges(self._word_begin, sentence)
        query_hashes = np.fromiter(map(_hash, words), np.uint32, len(words))
        order = np.argsort(query_hashes, kind="stable")
        has_word = np.zeros((len(sentence), len(words)), bool)
        if len(words):
            word_hashes = self._words[word_positions]
            nearest = np.minimum(np.searchsorted(query_hashes[order], word_hashes), len(words) - 1)
            is_equal = query_hashes[order[nearest]] == word_hashes
            has_word[word_owner[is_equal], order[nearest[is_equal]]] = True
        first = np.searchsorted(owner, np.arange(len(rows)))
        if len(sentence):
            has_word |= has_word[first[owner]]
        _, name_positions = expand_ranges(self._name_begin, sentence)
        count = self._name_begin[sentence + 1] - self._name_begin[sentence]
        begin = np.concatenate([[0], np.cumsum(count)]).astype(np.int64)
        return SentenceRows(owner.astype(np.int32), has_word, self._names[name_positions], begin)

    def save(self, folder: Path) -> None:
        """Write the index to ``folder``, atomically."""
        arrays: Arrays = {"passages": self._passages, "word_begin": self._word_begin, "words": self._words}
        save_arrays(folder, arrays | {"name_begin": self._name_begin, "names": self._names})

    @staticmethod
    def load(folder: Path) -> SentenceIndex:
        """Load a saved index; the arrays are read from disk on demand."""
        arrays = load_arrays(folder)
        return SentenceIndex(*(arrays[part] for part in ("passages", "word_begin", "words", "name_begin", "names")))


class SentenceBuilder:
    """Builds a `SentenceIndex` from passages in row order."""

    def __init__(self) -> None:
        self._passages, self._word_begin, self._name_begin = array("q", [0]), array("q", [0]), array("q", [0])
        self._words, self._names = array("I"), array("i")

    def add(self, title: str, text: str, names: Iterable[tuple[int, int, int]]) -> None:
        """Add a passage: its title, its text, and its names as (column, start, end), ordered by position."""
        self._add_sentence(title, ())
        name_spans = list(names)
        for start, end in sentence_spans(text):
            sentence_names = [name for name in name_spans if start <= name[1] and name[2] <= end]
            self._add_sentence(text[start:end], (column for column, _, _ in sentence_names))
        self._passages.append(len(self._word_begin) - 1)

    def _add_sentence(self, text: str, columns: Iterable[int]) -> None:
        self._words.extend(sorted({_hash(word) for word in index_tokens(text)}))
        self._names.extend(sorted(set(columns)))
        self._word_begin.append(len(self._words))
        self._name_begin.append(len(self._names))

    def build(self) -> SentenceIndex:
        """Build the index of all added passages."""
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
