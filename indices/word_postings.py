"""Postings of the word index: the passages of each token, with its BM25 contribution."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections import defaultdict
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from indices.tokens import TokenRun
from kgrag.storage.arrays import Arrays, pack_strings, unpack_strings
from kgrag.storage.string_table import StringTable

K1, B = 1.2, 0.75
"""Saturation of a token's frequency, and share of length normalisation."""
TITLE_WEIGHT = 3.0
"""Frequency of a token of the title: on questions over encyclopedic prose 3 finds 2.5 % more than 1, on manuals as much.

Weights of headings, of code and of table cells, and BM25F with a length for each field, find no more.
"""
Ints = NDArray[np.int32]
Floats = NDArray[np.float32]


class WordPostings:
    """The rows of each token and its contribution to their scores; the arrays may be memory-mapped.

    Args:
        words: sorted and distinct tokens.
        begin: (words + 1,), offset of each token in ``rows`` and ``scores``.
        rows: the rows that contain each token, ascending.
        scores: the token's contribution to the score of each of them.
        length: number of rows.
    """

    def __init__(self, words: StringTable, begin: NDArray[np.int64], rows: Ints, scores: Floats, length: int) -> None:
        self.words, self.begin, self.rows, self.scores = words, begin, rows, scores
        self.length = length
        self.position = lru_cache(maxsize=4096)(self._find_position)
        """Return the number of a token, or None."""

    def _find_position(self, token: str) -> int | None:
        position = bisect_left(self.words, token)
        return position if position < len(self.words) and self.words[position] == token else None

    def find(self, token: str) -> tuple[Ints, Floats]:
        """Return the rows that contain a token, ascending, and its contribution to the score of each."""
        position = self.position(token)
        span = slice(0, 0) if position is None else slice(int(self.begin[position]), int(self.begin[position + 1]))
        return self.rows[span], self.scores[span]

    def row_count(self, position: int) -> int:
        """Return the number of rows that contain the token with a number."""
        return int(self.begin[position + 1] - self.begin[position])

    def arrays(self) -> Arrays:
        """Return the arrays to save."""
        arrays = pack_strings("words", self.words)
        return arrays | {
            "begin": self.begin,
            "rows": self.rows,
            "scores": self.scores,
            "length": np.array(self.length),
        }

    @staticmethod
    def from_arrays(arrays: Arrays) -> WordPostings:
        """Return the postings saved as `arrays`."""
        words = unpack_strings("words", arrays)
        return WordPostings(words, arrays["begin"], arrays["rows"], arrays["scores"], int(arrays["length"]))


class PostingsBuilder:
    """Counts tokens of rows, and computes their scores: Okapi BM25 (Robertson and Walker 1994) in Lucene's variant.

    The length of a row is its number of words: further forms of identifiers do not make it longer.
    """

    def __init__(self) -> None:
        self._columns: dict[str, int] = {}
        self._begin, self._tokens, self._frequencies = array("q", [0]), array("i"), array("f")
        self._lengths = array("i")

    def add(self, title: list[TokenRun], text: list[TokenRun]) -> None:
        """Add a row."""
        frequencies: defaultdict[str, float] = defaultdict(float)
        length = 0
        for runs, weight in ((title, TITLE_WEIGHT), (text, 1.0)):
            for words, forms in runs:
                length += len(words)
                for token in (*words, *forms):
                    frequencies[token] += weight
        columns = self._columns
        self._tokens.extend([columns.setdefault(token, len(columns)) for token in frequencies])
        self._frequencies.extend(frequencies.values())
        self._begin.append(len(self._tokens))
        self._lengths.append(length)

    def build(self) -> WordPostings:
        """Return the postings of all rows."""
        from scipy import sparse

        count = len(self._lengths)
        words = sorted(self._columns)
        order = np.fromiter(map(self._columns.__getitem__, words), np.int64, len(words))
        number = np.empty(len(words), np.int32)
        number[order] = np.arange(len(words), dtype=np.int32)
        lengths = np.array(self._lengths, np.float32)
        normalisation = 1 - B + B * lengths / max(float(lengths.mean()) if count else 0.0, 1e-9)
        begin = np.array(self._begin, np.int64)
        frequencies = np.array(self._frequencies, np.float32)
        frequencies /= frequencies + K1 * np.repeat(normalisation, np.diff(begin)).astype(np.float32)
        tokens = number[np.array(self._tokens, np.int64)] if words else np.zeros(0, np.int32)
        # columns of a sparse matrix in row order: the postings of each token with ascending rows
        postings = sparse.csr_array((frequencies, tokens, begin), (count, len(words))).tocsc()
        offsets = postings.indptr.astype(np.int64)
        row_counts = np.diff(offsets)
        idf = np.log(1 + (count - row_counts + 0.5) / (row_counts + 0.5)).astype(np.float32)
        scores = postings.data * np.repeat(idf, row_counts)
        return WordPostings(StringTable.from_strings(words), offsets, postings.indices.astype(np.int32), scores, count)
