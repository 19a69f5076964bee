"""Index words by BM25, with identifiers, phrases, excluded words, typos and acronyms, in English and Chinese."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable
from functools import reduce
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from indices.acronyms import AcronymTable, find_acronyms
from indices.query_weights import word_weight
from indices.question_analysis import QuestionAnalyzer, WordAnalysis
from indices.similar_words import word_signatures
from indices.tokens import TokenRun, index_tokens, token_runs, word_codes
from indices.word_postings import PostingsBuilder, WordPostings
from indices.word_sequences import WordSequences
from kgrag.storage.arrays import load_arrays, pack_strings, save_arrays, unpack_strings
from kgrag.text import has_cjk, tokenize

__all__ = ["BM25Index", "IndexedText", "index_tokens", "top_k"]

Floats = NDArray[np.float32]
Rows = NDArray[np.int64]
BLOCK_ROWS = 64
_NO_ROWS: Rows = np.zeros(0, np.int64)
PROXIMITY_ROWS, PROXIMITY_WEIGHT = 100, 0.3
"""Best rows whose words are compared by distance, and the weight of two close words; 3 % more manuals in the first 5."""


class IndexedText(NamedTuple):
    """A text with the title of its document."""

    title: str
    text: str


class BM25Index:
    """A BM25 index of texts, queried with a question. Its arrays may be memory-mapped.

    Args:
        postings: the rows and scores of each token.
        sequences: the words of each row in order.
        signatures: (tokens,), the `word_signatures` of the tokens.
        acronyms: acronyms that the texts explain.
    """

    def __init__(
        self,
        postings: WordPostings,
        sequences: WordSequences,
        signatures: NDArray[np.uint32],
        acronyms: AcronymTable,
    ) -> None:
        self._postings, self._sequences = postings, sequences
        self._signatures, self._acronyms = signatures, acronyms
        self._analyzer = QuestionAnalyzer(postings, signatures, acronyms)
        self._last: tuple[str, WordAnalysis] | None = None

    @staticmethod
    def build(texts: Iterable[str | IndexedText]) -> BM25Index:
        """Index ``texts`` in row order; a plain string has no title."""
        postings, acronyms = PostingsBuilder(), Counter[tuple[str, str]]()
        begin, codes = array("q", [0]), array("I")
        for row in texts:
            title, text = ("", row) if isinstance(row, str) else row
            postings.add(_title_runs(title), token_runs(text))
            codes.extend([*word_codes(title), 0, *word_codes(text)])
            begin.append(len(codes))
            acronyms.update(find_acronyms(text))
        sequences = WordSequences(np.array(begin, np.int64), np.array(codes, np.uint32))
        built = postings.build()
        return BM25Index(built, sequences, word_signatures(built.words), AcronymTable.from_pairs(acronyms))

    def __len__(self) -> int:
        return self._postings.length

    def analyze(self, question: str) -> WordAnalysis:
        """Return the tokens, weights, phrases and excluded words of a question; the last one is kept."""
        last = self._last
        if last is None or last[0] != question:
            self._last = last = question, self._analyzer.analyze(question)
        return last[1]

    def scores(self, question: str) -> Floats:
        """Return (rows,): the score of every row, 0 where it shares no word with the question or has an excluded one.

        Rows with a quoted phrase come before all others; if no row has the phrase, its words count alone. A single
        quoted word is no phrase: 'a file "big"' asks for no other passages than without the marks.
        """
        analysis = self.analyze(question)
        total = np.zeros(len(self), np.float32)
        for token, weight in analysis.weights.items():
            if weight > 0:
                rows, scores = self._postings.find(token)
                total[rows] += scores * np.float32(weight)  # each row occurs once per word
        if len(analysis.sequence) > 1:
            self._add_proximity(analysis, total)
        for phrase in analysis.query.phrases:
            if len(word_codes(phrase)) > 1:
                total[self.rows_with_phrase(phrase)] += total.max(initial=0) + np.float32(1)
        if (excluded := self.excluded_rows(question)) is not None:
            total[excluded] = 0
        return total

    def _add_proximity(self, analysis: WordAnalysis, total: Floats) -> None:
        """Raise the scores of the best rows by the closeness of the question's neighbouring words in them."""
        words = [word for word in analysis.sequence if not has_cjk(word)]
        pairs = [
            (first, second, min(self._weighted_idf(first), self._weighted_idf(second)))
            for first, second in pairwise(words)
            if first != second
        ]
        rows, _ = top_k(total, PROXIMITY_ROWS)
        if pairs and len(rows):
            rows.sort()
            total[rows] += np.float32(PROXIMITY_WEIGHT) * self._sequences.proximity(pairs, rows)

    def _weighted_idf(self, word: str) -> float:
        return self.idf(word) * word_weight(word)

    def rows_with_phrase(self, phrase: str) -> Rows:
        """Return the rows that have the words of ``phrase`` one after the other, ascending."""
        codes = word_codes(phrase)
        rows: Rows | None = None
        for words, _ in token_runs(phrase):
            for word in words:
                found = self._postings.find(word)[0].astype(np.int64)
                rows = found if rows is None else np.intersect1d(rows, found, assume_unique=True)
        if rows is None:
            rows = np.arange(len(self))  # stop words alone, such as "to be or not to be"
        return rows[self._sequences.has_phrase(codes, rows)]

    def rows_with_words(self, text: str) -> Rows:
        """Return the rows that have every word of ``text`` in any of its forms, ascending; none for stop words alone."""
        rows = [self._postings.find(token)[0].astype(np.int64) for token in dict.fromkeys(index_tokens(text.lower()))]
        return reduce(lambda left, right: np.intersect1d(left, right, assume_unique=True), rows) if rows else _NO_ROWS

    def excluded_rows(self, question: str) -> NDArray[np.bool_] | None:
        """Return (rows,): whether a row has an excluded word of the question; None if there is none."""
        excluded = self.analyze(question).query.excluded
        if not excluded:
            return None
        mask = np.zeros(len(self), bool)
        for phrase in excluded:
            mask[self.rows_with_phrase(phrase) if len(word_codes(phrase)) > 1 else self._rows_of_word(phrase)] = True
        return mask

    def _rows_of_word(self, word: str) -> Rows:
        """Return the rows with any form of a word; a stop word is found as a phrase of one."""
        tokens = index_tokens(word.lower())
        return self._postings.find(tokens[0])[0].astype(np.int64) if tokens else self.rows_with_phrase(word)

    def question_tokens(self, question: str) -> list[str]:
        """Return the distinct tokens that a passage may share with a question; a misspelt word is replaced."""
        return self.analyze(question).tokens

    def idf(self, word: str) -> float:
        """Return the inverse document frequency of a token, natural logarithm; an unknown token has the maximum."""
        return float(np.log((len(self) + 1) / (len(self._postings.find(word)[0]) + 0.5)))

    def search(self, question: str, k: int) -> tuple[Rows, Floats]:
        """Return rows and scores of the ``k`` best rows that share a word with the question; ties in row order."""
        return top_k(self.scores(question), k)

    def scores_by_word(self, words: list[str], rows: Rows) -> Floats:
        """Return (len(rows), len(words)): each token's contribution to each row's score, 0 if absent."""
        word_scores = np.zeros((len(rows), len(words)), np.float32)
        for number, word in enumerate(words):
            posting_rows, scores = self._postings.find(word)
            if len(posting_rows):
                positions = np.minimum(np.searchsorted(posting_rows, rows), len(posting_rows) - 1)
                word_scores[:, number] = np.where(posting_rows[positions] == rows, scores[positions], np.float32(0))
        return word_scores

    def save(self, folder: Path) -> None:
        """Write the index to ``folder``, atomically."""
        arrays = self._postings.arrays() | {
            "sequence_begin": self._sequences.begin,
            "sequence_codes": self._sequences.codes,
            "signatures": self._signatures,
        }
        arrays |= pack_strings("acronyms", self._acronyms.shorts) | pack_strings("acronym_longs", self._acronyms.longs)
        save_arrays(folder, arrays)

    @staticmethod
    def load(folder: Path) -> BM25Index:
        """Load a saved index; the arrays are read from disk on demand."""
        arrays = load_arrays(folder)
        return BM25Index(
            WordPostings.from_arrays(arrays),
            WordSequences(arrays["sequence_begin"], arrays["sequence_codes"]),
            arrays["signatures"],
            AcronymTable(unpack_strings("acronyms", arrays), unpack_strings("acronym_longs", arrays)),
        )


def _title_runs(title: str) -> list[TokenRun]:
    """Return the tokens of a title; a title of stop words alone, such as "The Who", keeps them as names."""
    runs = token_runs(title)
    if not runs and title:
        names = [title[token.start : token.end] for token in tokenize(title)]
        return [((name,), ()) for name in names if len(name) > 1 and not name.islower()]
    return runs


def top_k(scores: Floats, k: int) -> tuple[Rows, Floats]:
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
