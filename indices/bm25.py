"""Words in BM25 (Robertson and Walker 1994; Lucene's form), by the bm25s library, with tokens for both languages."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kgrag.arrays import load_arrays, packed, save_arrays, unpacked
from kgrag.strings import Strings
from kgrag.text import STOPWORDS, is_cjk, tokens

Ints = NDArray[np.int32]
Longs = NDArray[np.int64]
Floats = NDArray[np.float32]
BLOCK = 64


def search_tokens(text: str) -> list[str]:
    """English words, stemmed, without stop words; Chinese as pairs of neighbouring characters."""
    found: list[str] = []
    words = tokens(text)
    for number, word in enumerate(words):
        if not is_cjk(word.text):
            if word.text not in STOPWORDS:
                found.append(_stem(word.text))
            continue
        after = words[number + 1] if number + 1 < len(words) else None
        paired = after is not None and after.start == word.end and is_cjk(after.text)
        before = words[number - 1] if number else None
        if paired and after is not None:
            found.append(word.text + after.text)
        elif not (before is not None and before.end == word.start and is_cjk(before.text)):
            found.append(word.text)
    return found


@lru_cache(maxsize=100_000)
def _stem(word: str) -> str:
    return str(_stemmer().stemWord(word))


@lru_cache(maxsize=1)
def _stemmer() -> Any:
    import Stemmer

    return Stemmer.Stemmer("english")


class WordIndex:
    """An `Index` over texts; a query is a string. Its arrays may be memory-mapped.

    Args:
        words: sorted, each word that a text has.
        columns: (words,), the column of each.
        begin, rows, scores: compressed columns: (columns + 1,), and for each column its rows, ascending, and what
            the word gives to their score.
        length: how many texts there are.
    """

    def __init__(self, words: Strings, columns: Ints, begin: Longs, rows: Ints, scores: Floats, length: int) -> None:
        self._words, self._columns = words, columns
        self._begin, self._rows, self._scores = begin, rows, scores
        self._length = length

    @staticmethod
    def build(texts: Iterable[str]) -> WordIndex:
        """Index ``texts`` in row order; what is kept meanwhile is a number for each of their words."""
        import bm25s

        column_of: dict[str, int] = {}
        corpus = [
            array("i", [column_of.setdefault(word, len(column_of)) for word in search_tokens(text)]) for text in texts
        ]
        words = sorted(column_of)
        columns = np.fromiter(map(column_of.__getitem__, words), np.int32, len(words))
        if not words:
            empty = np.zeros(1, np.int64), np.zeros(0, np.int32), np.zeros(0, np.float32)
            return WordIndex(Strings.of(()), columns, *empty, len(corpus))
        model = bm25s.BM25(k1=1.2, b=0.75)
        model.index((corpus, column_of), create_empty_token=False, show_progress=False)
        found = model.scores
        begin = found["indptr"].astype(np.int64)
        return WordIndex(Strings.of(words), columns, begin, found["indices"], found["data"], len(corpus))

    def __len__(self) -> int:
        return self._length

    def _column(self, word: str) -> tuple[Ints, Floats]:
        """The rows that have a word, ascending, and what it gives each."""
        place = bisect_left(self._words, word)
        if place == len(self._words) or self._words[place] != word:
            return self._rows[:0], self._scores[:0]
        column = int(self._columns[place])
        span = slice(int(self._begin[column]), int(self._begin[column + 1]))
        return self._rows[span], self._scores[span]

    def scores(self, query: str) -> Floats:
        """(rows,): the score of every row, 0 where no word is shared."""
        total = np.zeros(self._length, np.float32)
        for word in search_tokens(query):
            rows, scores = self._column(word)
            total[rows] += scores  # a word has each row once
        return total

    def idf(self, word: str) -> float:
        """Inverse document frequency of a token, natural logarithm; as rare as can be if it is unknown."""
        return float(np.log((self._length + 1) / (len(self._column(word)[0]) + 0.5)))

    def search(self, query: str, k: int) -> tuple[NDArray[np.int64], Floats]:
        """Rows and scores of the ``k`` best that share a word; equal scores in row order."""
        return best(self.scores(query), k)

    def matches(self, words: list[str], rows: NDArray[np.int64]) -> Floats:
        """(len(rows), len(words)): what each word gives to the score of each row; 0 where the word is absent."""
        given = np.zeros((len(rows), len(words)), np.float32)
        for number, word in enumerate(words):
            places, scores = self._column(word)
            if len(places):
                at = np.minimum(np.searchsorted(places, rows), len(places) - 1)
                given[:, number] = np.where(places[at] == rows, scores[at], np.float32(0))
        return given

    def save(self, folder: Path) -> None:
        """Write the folder, whole or not at all."""
        arrays = packed("words", self._words)
        arrays |= {"columns": self._columns, "begin": self._begin, "rows": self._rows, "scores": self._scores}
        save_arrays(folder, {**arrays, "length": np.array(self._length)})

    @staticmethod
    def load(folder: Path) -> WordIndex:
        """Read what `save` wrote, from the disk as it is used."""
        arrays = load_arrays(folder)
        columns, begin, rows, scores = (arrays[part] for part in ("columns", "begin", "rows", "scores"))
        return WordIndex(unpacked("words", arrays), columns, begin, rows, scores, int(arrays["length"]))


def best(scores: Floats, k: int) -> tuple[NDArray[np.int64], Floats]:
    """Rows and values of the ``k`` highest scores above 0, best first, equal ones in row order."""
    if not k:
        return np.zeros(0, np.int64), np.zeros(0, np.float32)
    # the k-th best of the bests of blocks is no better than the k-th best of all: what is below it cannot be among them
    whole = len(scores) // BLOCK * BLOCK
    blocks = scores[:whole].reshape(BLOCK, -1).max(axis=0)  # each of rows far apart: that way it is ten times as fast
    floor = np.partition(blocks, len(blocks) - k)[len(blocks) - k] if len(blocks) > k else np.float32(0)
    rows = np.flatnonzero(scores >= floor if floor > 0 else scores > 0)
    rows = rows[np.lexsort((rows, -scores[rows]))][:k]
    return rows.astype(np.int64), scores[rows]
