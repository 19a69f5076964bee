"""What words, vectors and their fusion find in a whole store: the baselines, which no choice of candidates limits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from kgrag.dev.benchmarks.trec_runs import MAX_RUN_DOCUMENTS
from kgrag.dev.training.ranker.examples import RankingExample
from kgrag.retrieve.candidates import FUSION_CONSTANT
from kgrag.retrieve.hybrid import HybridRetriever
from kgrag.types import Question

Scores = NDArray[np.float64]


class FullCorpusBaselines:
    """Ranks a store's documents by their best passage.

    Args:
        retriever: of the store.
        rows: passages of the store.
    """

    def __init__(self, retriever: HybridRetriever, rows: int) -> None:
        self._retriever = retriever
        owners = [retriever.document_id_of_row(row) for row in range(rows)]
        self._documents = list(dict.fromkeys(owners))
        place = {document: number for number, document in enumerate(self._documents)}
        self._owner = np.array([place[document] for document in owners], np.int64)
        self._vectors = retriever.indices.vectors.vectors(np.arange(rows))

    def build_examples(self, questions: Sequence[Question]) -> list[RankingExample]:
        """For each question the best `LONGEST` documents of each baseline, without features.

        ``alone``: "BM25", "dense" (nothing where the embedder does not know the question's language) and
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
        scores_by_baseline["RRF of both"] = reciprocal_rank_fusion(list(scores_by_baseline.values()))
        best_by_baseline = {name: _best_documents(scores) for name, scores in scores_by_baseline.items()}
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


def reciprocal_rank_fusion(score_lists: Sequence[Scores]) -> Scores:
    """Reciprocal rank fusion with the constant `FUSION`: (things,), ``-inf`` for what nothing found.

    Args:
        given: scores of the same things, higher is better; ``-inf`` or NaN for what was not found. Equal scores go
            in the order of the things.
    """
    total = np.zeros(len(score_lists[0]))
    for scores in score_lists:
        order = np.argsort(-scores, kind="stable")
        order = order[np.isfinite(scores[order])]
        total[order] += 1.0 / (FUSION_CONSTANT + 1 + np.arange(len(order)))
    return np.where(total > 0, total, -np.inf)


def _best_documents(scores: Scores) -> NDArray[np.int64]:
    order = np.argsort(-scores, kind="stable")[:MAX_RUN_DOCUMENTS]
    return order[np.isfinite(scores[order])]
