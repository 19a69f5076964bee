"""What words, vectors and their fusion find in a whole store: the baselines, which no choice of candidates limits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from kgrag.evaluate.examples import Example
from kgrag.evaluate.trec import LONGEST
from kgrag.retrieve.candidates import FUSION
from kgrag.retrieve.hybrid import HybridRetriever
from kgrag.types import Question

Scores = NDArray[np.float64]


class Baselines:
    """Ranks a store's documents by their best passage.

    Args:
        retriever: of the store.
        rows: passages of the store.
    """

    def __init__(self, retriever: HybridRetriever, rows: int) -> None:
        self._retriever = retriever
        owners = [retriever.document_of(row) for row in range(rows)]
        self._documents = list(dict.fromkeys(owners))
        place = {document: number for number, document in enumerate(self._documents)}
        self._owner = np.array([place[document] for document in owners], np.int64)
        self._vectors = retriever.indices.vectors.vectors(np.arange(rows))

    def examples(self, questions: Sequence[Question]) -> list[Example]:
        """For each question the best `LONGEST` documents of each baseline, without features.

        ``alone``: "BM25", "dense" (nothing where the embedder does not know the question's language) and
        "RRF of both", reciprocal rank fusion over all documents (Cormack et al. 2009).
        """
        return [self._example(question) for question in questions]

    def _example(self, question: Question) -> Example:
        words = self._retriever.indices.words.scores(question.text)
        given = {"BM25": self._by_document(np.where(words > 0, words, -np.inf))}
        given["dense"] = np.full(len(self._documents), -np.inf)
        vector = self._retriever.vector(question.text)
        if vector is not None:
            given["dense"] = self._by_document(self._vectors @ vector)
        given["RRF of both"] = fused(list(given.values()))
        best = {name: _best(scores) for name, scores in given.items()}
        union = np.unique(np.concatenate(list(best.values())))
        alone = {
            name: np.where(np.isin(union, best[name]), scores[union], np.nan).astype(np.float32)
            for name, scores in given.items()
        }
        found = tuple(self._documents[place] for place in union)
        return Example(np.zeros((len(union), 0), np.float32), found, question.gold, alone)

    def _by_document(self, scores: NDArray[np.floating]) -> Scores:
        best = np.full(len(self._documents), -np.inf)
        np.maximum.at(best, self._owner, scores.astype(np.float64))
        return best


def fused(given: Sequence[Scores]) -> Scores:
    """Reciprocal rank fusion with the constant `FUSION`: (things,), ``-inf`` for what nothing found.

    Args:
        given: scores of the same things, higher is better; ``-inf`` or NaN for what was not found. Equal scores go
            in the order of the things.
    """
    total = np.zeros(len(given[0]))
    for scores in given:
        order = np.argsort(-scores, kind="stable")
        order = order[np.isfinite(scores[order])]
        total[order] += 1.0 / (FUSION + 1 + np.arange(len(order)))
    return np.where(total > 0, total, -np.inf)


def _best(scores: Scores) -> NDArray[np.int64]:
    order = np.argsort(-scores, kind="stable")[:LONGEST]
    return order[np.isfinite(scores[order])]
