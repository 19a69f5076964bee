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

from kgrag.storage.arrays import load_arrays, pack_strings, save_arrays, unpack_strings
from kgrag.storage.string_table import StringTable
from kgrag.text import STOPWORDS, has_cjk, tokenize

Ints = NDArray[np.int32]
Longs = NDArray[np.int64]
Floats = NDArray[np.float32]
BLOCK_ROWS = 64


def index_tokens(text: str) -> list[str]:
    """English words, stemmed, without stop words; Chinese as pairs of neighbouring characters."""
    terms: list[str] = []
    words = tokenize(text)
    for number, word in enumerate(words):
        if not has_cjk(word.text):
            if word.text not in STOPWORDS:
                terms.append(_stem(word.text))
            continue
        next_word = words[number + 1] if number + 1 < len(words) else None
        is_paired = next_word is not None and next_word.start == word.end and has_cjk(next_word.text)
        previous_word = words[number - 1] if number else None
        if is_paired and next_word is not None:
            terms.append(word.text + next_word.text)
        elif not (previous_word is not None and previous_word.end == word.start and has_cjk(previous_word.text)):
            terms.append(word.text)
    return terms


@lru_cache(maxsize=100_000)
def _stem(word: str) -> str:
    return str(_stemmer().stemWord(word))


@lru_cache(maxsize=1)
def _stemmer() -> Any:
    import Stemmer

    return Stemmer.Stemmer("english")


class BM25Index:
    """An `Index` over texts; a query is a string. Its arrays may be memory-mapped.

    Args:
        words: sorted, each word that a text has.
        columns: (words,), the column of each.
        begin, rows, scores: compressed columns: (columns + 1,), and for each column its rows, ascending, and what
            the word gives to their score.
        length: how many texts there are.
    """

    def __init__(
        self, words: StringTable, columns: Ints, begin: Longs, rows: Ints, scores: Floats, length: int
    ) -> None:
        self._words, self._columns = words, columns
        self._begin, self._rows, self._scores = begin, rows, scores
        self._length = length

    @staticmethod
    def build(texts: Iterable[str]) -> BM25Index:
        """Index ``texts`` in row order; what is kept meanwhile is a number for each of their words."""
        import bm25s

        column_of: dict[str, int] = {}
        corpus = [
            array("i", [column_of.setdefault(word, len(column_of)) for word in index_tokens(text)]) for text in texts
        ]
        words = sorted(column_of)
        columns = np.fromiter(map(column_of.__getitem__, words), np.int32, len(words))
        if not words:
            empty = np.zeros(1, np.int64), np.zeros(0, np.int32), np.zeros(0, np.float32)
            return BM25Index(StringTable.from_strings(()), columns, *empty, len(corpus))
        model = bm25s.BM25(k1=1.2, b=0.75)
        model.index((corpus, column_of), create_empty_token=False, show_progress=False)
        score_matrix = model.scores
        begin = score_matrix["indptr"].astype(np.int64)
        return BM25Index(
            StringTable.from_strings(words), columns, begin, score_matrix["indices"], score_matrix["data"], len(corpus)
        )

    def __len__(self) -> int:
        return self._length

    def _postings(self, word: str) -> tuple[Ints, Floats]:
        """The rows that have a word, ascending, and what it gives each."""
        position = bisect_left(self._words, word)
        if position == len(self._words) or self._words[position] != word:
            return self._rows[:0], self._scores[:0]
        column = int(self._columns[position])
        span = slice(int(self._begin[column]), int(self._begin[column + 1]))
        return self._rows[span], self._scores[span]

    def scores(self, query: str) -> Floats:
        """(rows,): the score of every row, 0 where no word is shared."""
        total = np.zeros(self._length, np.float32)
        for word in index_tokens(query):
            rows, scores = self._postings(word)
            total[rows] += scores  # a word has each row once
        return total

    def idf(self, word: str) -> float:
        """Inverse document frequency of a token, natural logarithm; as rare as can be if it is unknown."""
        return float(np.log((self._length + 1) / (len(self._postings(word)[0]) + 0.5)))

    def search(self, query: str, k: int) -> tuple[NDArray[np.int64], Floats]:
        """Rows and scores of the ``k`` best that share a word; equal scores in row order."""
        return top_k(self.scores(query), k)

    def scores_by_word(self, words: list[str], rows: NDArray[np.int64]) -> Floats:
        """(len(rows), len(words)): what each word gives to the score of each row; 0 where the word is absent."""
        word_scores = np.zeros((len(rows), len(words)), np.float32)
        for number, word in enumerate(words):
            posting_rows, scores = self._postings(word)
            if len(posting_rows):
                positions = np.minimum(np.searchsorted(posting_rows, rows), len(posting_rows) - 1)
                word_scores[:, number] = np.where(posting_rows[positions] == rows, scores[positions], np.float32(0))
        return word_scores

    def save(self, folder: Path) -> None:
        """Write the folder, whole or not at all."""
        arrays = pack_strings("words", self._words)
        arrays |= {"columns": self._columns, "begin": self._begin, "rows": self._rows, "scores": self._scores}
        save_arrays(folder, {**arrays, "length": np.array(self._length)})

    @staticmethod
    def load(folder: Path) -> BM25Index:
        """Read what `save` wrote, from the disk as it is used."""
        arrays = load_arrays(folder)
        columns, begin, rows, scores = (arrays[part] for part in ("columns", "begin", "rows", "scores"))
        return BM25Index(unpack_strings("words", arrays), columns, begin, rows, scores, int(arrays["length"]))


def top_k(scores: Floats, k: int) -> tuple[NDArray[np.int64], Floats]:
    """Rows and values of the ``k`` highest scores above 0, best first, equal ones in row order."""
    if not k:
        return np.zeros(0, np.int64), np.zeros(0, np.float32)
    # the k-th best of the bests of blocks is no better than the k-th best of all: what is below it cannot be among them
    blocked_length = len(scores) // BLOCK_ROWS * BLOCK_ROWS
    blocks = (
        scores[:blocked_length].reshape(BLOCK_ROWS, -1).max(axis=0)
    )  # each of rows far apart: that way it is ten times as fast
    lower_bound = np.partition(blocks, len(blocks) - k)[len(blocks) - k] if len(blocks) > k else np.float32(0)
    rows = np.flatnonzero(scores >= lower_bound if lower_bound > 0 else scores > 0)
    rows = rows[np.lexsort((rows, -scores[rows]))][:k]
    return rows.astype(np.int64), scores[rows]
