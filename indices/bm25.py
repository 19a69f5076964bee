"""Words in BM25 (Robertson and Walker 1994; Lucene's form), by the bm25s library, with tokens for both languages."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kgrag.text import STOPWORDS, is_cjk, tokens


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
    """An `Index` over texts; a query is a string."""

    def __init__(self, model: Any, rows: int) -> None:
        self._model = model
        self._rows = rows

    @staticmethod
    def build(texts: Iterable[str]) -> WordIndex:
        """Index ``texts`` in row order."""
        import bm25s

        corpus = [search_tokens(text) for text in texts]
        if not any(corpus):
            return WordIndex(None, len(corpus))
        model = bm25s.BM25(k1=1.2, b=0.75)
        model.index(corpus, show_progress=False)
        return WordIndex(model, len(corpus))

    def __len__(self) -> int:
        return self._rows

    def scores(self, query: str) -> NDArray[np.float32]:
        """(rows,): the score of every row, 0 where no word is shared."""
        words = search_tokens(query)
        if self._model is None or not words:
            return np.zeros(self._rows, np.float32)
        return np.asarray(self._model.get_scores(words), np.float32)

    def idf(self, word: str) -> float:
        """Inverse document frequency of a token, natural logarithm; as rare as can be if it is unknown."""
        term = None if self._model is None else self._model.vocab_dict.get(word)
        columns = None if self._model is None else self._model.scores
        known = 0 if term is None or columns is None else int(columns["indptr"][term + 1] - columns["indptr"][term])
        return float(np.log((self._rows + 1) / (known + 0.5)))

    def search(self, query: str, k: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Rows and scores of the ``k`` best that share a word; equal scores in row order."""
        return best(self.scores(query), k)

    def matches(self, words: list[str], rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """(len(rows), len(words)): what each word gives to the score of each row; 0 where the word is absent."""
        given = np.zeros((len(rows), len(words)), np.float32)
        if self._model is None or not len(rows):
            return given
        order = np.argsort(rows, kind="stable")
        wanted = rows[order]
        columns = self._model.scores
        for number, word in enumerate(words):
            term = self._model.vocab_dict.get(word)
            if term is None:
                continue
            begin, end = columns["indptr"][term], columns["indptr"][term + 1]
            places = columns["indices"][begin:end]
            at = np.searchsorted(places, wanted)
            hit = at < len(places)
            hit[hit] = places[at[hit]] == wanted[hit]
            given[order[hit], number] = columns["data"][begin:end][at[hit]]
        return given

    def save(self, path: Path) -> None:
        """Write the folder ``path``, whole or not at all."""
        beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        beside.mkdir(parents=True)
        try:
            (beside / "rows").write_text(str(self._rows))
            if self._model is not None:
                self._model.save(beside / "model", show_progress=False)
            if path.exists():
                shutil.rmtree(path)
            beside.rename(path)
        finally:
            shutil.rmtree(beside, ignore_errors=True)

    @staticmethod
    def load(path: Path) -> WordIndex:
        """Read what `save` wrote."""
        import bm25s

        rows = int((path / "rows").read_text())
        model = bm25s.BM25.load(path / "model") if (path / "model").is_dir() else None
        return WordIndex(model, rows)


def best(scores: NDArray[np.float32], k: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Rows and values of the ``k`` highest scores above 0, best first, equal ones in row order."""
    rows = np.flatnonzero(scores > 0)
    if len(rows) > 4 * k:
        floor = np.partition(scores[rows], len(rows) - k)[len(rows) - k] if k else np.inf
        rows = rows[scores[rows] >= floor]
    rows = rows[np.lexsort((rows, -scores[rows]))][:k]
    return rows.astype(np.int64), scores[rows]
