"""Index words by BM25 (Robertson and Walker 1994; Lucene's variant) with bm25s, in English and Chinese."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kgrag.storage.arrays import load_arrays, pack_strings, save_arrays, unpack_strings
from kgrag.storage.string_table import StringTable
from kgrag.text import STOPWORDS, has_cjk, tokenize
from kgrag.text.stemming import stem_word

Ints = NDArray[np.int32]
Longs = NDArray[np.int64]
Floats = NDArray[np.float32]
BLOCK_ROWS = 64


def index_tokens(text: str) -> list[str]:
    """Return stemmed English words without stop words, and Chinese as pairs of neighbouring characters."""
    terms: list[str] = []
    words = tokenize(text)
    for number, word in enumerate(words):
        if not has_cjk(word.text):
            if word.text not in STOPWORDS:
                terms.append(stem_word(word.text))
            continue
        next_word = words[number + 1] if number + 1 < len(words) else None
        is_paired = next_word is not None and next_word.start == word.end and has_cjk(next_word.text)
        previous_word = words[number - 1] if number else None
        if is_paired and next_word is not None:
            terms.append(word.text + next_word.text)
        elif not (previous_word is not None and previous_word.end == word.start and has_cjk(previous_word.text)):
            terms.append(word.text)
    return terms


class BM25Index:
    """A BM25 index of texts, queried with a string. Its arrays may be memory-mapped.

    Args:
        words: sorted and distinct words of the texts.
        columns: (words,), the column of each word.
        begin: (columns + 1,), offset of each column in ``rows`` and ``scores``.
        rows: the texts that contain each word, ascending.
        scores: the word's contribution to the score of each of them.
        length: number of texts.
    """

    def __init__(
        self, words: StringTable, columns: Ints, begin: Longs, rows: Ints, scores: Floats, length: int
    ) -> None:
        self._words, self._columns = words, columns
        self._begin, self._rows, self._scores = begin, rows, scores
        self._length = length

    @staticmethod
    def build(texts: Iterable[str]) -> BM25Index:
        """Index ``texts`` in row order, storing one number for each of their words meanwhile."""
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
        """Return the rows that contain a word, ascending, and its contribution to the score of each."""
        position = bisect_left(self._words, word)
        if position == len(self._words) or self._words[position] != word:
            return self._rows[:0], self._scores[:0]
        column = int(self._columns[position])
        span = slice(int(self._begin[column]), int(self._begin[column + 1]))
        return self._rows[span], self._scores[span]

    def scores(self, query: str) -> Floats:
        """Return (rows,): the score of every row, 0 where it shares no word with the query."""
        total = np.zeros(self._length, np.float32)
        for word in index_tokens(query):
            rows, scores = self._postings(word)
            total[rows] += scores  # each row occurs once per word
        return total

    def idf(self, word: str) -> float:
        """Return the inverse document frequency of a token, natural logarithm; an unknown token has the maximum."""
        return float(np.log((self._length + 1) / (len(self._postings(word)[0]) + 0.5)))

    def search(self, query: str, k: int) -> tuple[NDArray[np.int64], Floats]:
        """Return rows and scores of the ``k`` best rows that share a word with the query; ties in row order."""
        return top_k(self.scores(query), k)

    def scores_by_word(self, words: list[str], rows: NDArray[np.int64]) -> Floats:
        """Return (len(rows), len(words)): each word's contribution to each row's score, 0 if absent."""
        word_scores = np.zeros((len(rows), len(words)), np.float32)
        for number, word in enumerate(words):
            posting_rows, scores = self._postings(word)
            if len(posting_rows):
                positions = np.minimum(np.searchsorted(posting_rows, rows), len(posting_rows) - 1)
                word_scores[:, number] = np.where(posting_rows[positions] == rows, scores[positions], np.float32(0))
        return word_scores

    def save(self, folder: Path) -> None:
        """Write the index to ``folder``, atomically."""
        arrays = pack_strings("words", self._words)
        arrays |= {"columns": self._columns, "begin": self._begin, "rows": self._rows, "scores": self._scores}
        save_arrays(folder, {**arrays, "length": np.array(self._length)})

    @staticmethod
    def load(folder: Path) -> BM25Index:
        """Load a saved index; the arrays are read from disk on demand."""
        arrays = load_arrays(folder)
        columns, begin, rows, scores = (arrays[part] for part in ("columns", "begin", "rows", "scores"))
        return BM25Index(unpack_strings("words", arrays), columns, begin, rows, scores, int(arrays["length"]))


def top_k(scores: Floats, k: int) -> tuple[NDArray[np.int64], Floats]:
    """Return rows and values of the ``k`` highest scores above 0, descending; ties in row order."""
    if not k:
        return np.zeros(0, np.int64), np.zeros(0, np.float32)
    # the k-th best block maximum is at most the k-th best score: rows below it cannot be in the result
    blocked_length = len(scores) // BLOCK_ROWS * BLOCK_ROWS
    # a block is a column of rows far apart: ten times as fast as a block of neighbours
    blocks = scores[:blocked_length].reshape(BLOCK_ROWS, -1).max(axis=0)
    lower_bound = np.partition(blocks, len(blocks) - k)[len(blocks) - k] if len(blocks) > k else np.float32(0)
    rows = np.flatnonzero(scores >= lower_bound if lower_bound > 0 else scores > 0)
    rows = rows[np.lexsort((rows, -scores[rows]))][:k]
    return rows.astype(np.int64), scores[rows]
