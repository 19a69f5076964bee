"""Baselines over a whole store: words, vectors and their fusion, without any choice of candidates."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from kgrag.dev.benchmarks.trec_runs import MAX_RUN_DOCUMENTS
from kgrag.dev.training.ranker.examples import RankingExample
from kgrag.retrieve.fusion import reciprocal_rank_fusion
from kgrag.retrieve.hybrid import HybridRetriever
from kgrag.types import Question

Scores = NDArray[np.float64]


class FullCorpusBaselines:
    """A ranker of a store's documents by their best passage.

    Args:
        retriever: of the store.
        rows: number of passages of the store.
    """

    def __init__(self, retriever: HybridRetriever, rows: int) -> None:
        self._retriever = retriever
        owners = [retriever.document_id_of_row(row) for row in range(rows)]
        self._documents = list(dict.fromkeys(owners))
        place = {document: number for number, document in enumerate(self._documents)}
        self._owner = np.array([place[document] for document in owners], np.int64)
        self._vectors = retriever.indices.vectors.vectors(np.arange(rows))

    def build_examples(self, questions: Sequence[Question]) -> list[RankingExample]:
        """Return for each question the best `MAX_RUN_DOCUMENTS` documents of each baseline, without features.

        ``retriever_scores``: "BM25", "dense" (empty if the embedder does not know the question's language) and
        "RRF of both", reciprocal rank fusion over all documents (Cormack et al. 2009).
        """
        return [self._build_example(question) for question in questions]

    def _build_example(self, question: Question) -> RankingExample:
        words = self._retriever.indices.words.scores(question.text)
        scores_by_baseline = {"BM25": self._best_by_document(np.where(words > 0, words, -np.inf))}
        scores_by_baseline["dense"] = np.full(len(self._documents), -np.inf)
        vector = self._retriever.embed_question(question.text)
        if vector is not None:
            scores_by_baseline["dense"] = self._best_by_document(self._vectors @ vector)
        scores_by_baseline["RRF of both"] = fuse_scores(list(scores_by_baseline.values()))
        best_by_baseline = {
            name: _rank_by_score(scores)[:MAX_RUN_DOCUMENTS] for name, scores in scores_by_baseline.items()
        }
        union = np.unique(np.concatenate(list(best_by_baseline.values())))
        alone = {
            name: np.where(np.isin(union, best_by_baseline[name]), scores[union], np.nan).astype(np.float32)
            for name, scores in scores_by_baseline.items()
        }
        document_ids = tuple(self._documents[place] for place in union)
        return RankingExample(np.zeros((len(union), 0), np.float32), document_ids, question.gold, alone)

    def _best_by_document(self, scores: NDArray[np.floating]) -> Scores:
        best = np.full(len(self._documents), -np.inf)
        np.maximum.at(best, self._owner, scores.astype(np.float64))
        return best


def fuse_scores(score_lists: Sequence[Scores]) -> Scores:
    """Fuse the rankings that score lists give by reciprocal rank: (items,), ``-inf`` for an item in no ranking.

    Args:
        score_lists: scores of the same items, higher is better; ``-inf`` or NaN for an item that was not found.
            Equal scores are ranked in the order of the items.
    """
    fused = reciprocal_rank_fusion([_rank_by_score(scores) for scores in score_lists], len(score_lists[0]))
    return np.where(fused > 0, fused, -np.inf)


def _rank_by_score(scores: Scores) -> NDArray[np.int64]:
    """Return the items that have a finite score, best first."""
    order = np.argsort(-scores, kind="stable")
    return order[np.isfinite(scores[order])]
