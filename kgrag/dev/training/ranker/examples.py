"""What the ranker learns from and is measured on: the candidates of questions whose evidence is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kgrag.retrieve.candidates import COMPONENTS, PAGERANK_VARIANTS, gather_candidates
from kgrag.retrieve.hybrid import HybridRetriever
from kgrag.retrieve.passage_features import passage_features
from kgrag.retrieve.sentence_matches import match_sentences
from kgrag.types import Question


@dataclass(frozen=True)
class RankingExample:
    """One question's candidates: ``rows`` (candidates, features), their ``documents``, and the ``gold`` documents.

    ``alone`` are the scores that single retrievers gave, each (candidates,), NaN where a retriever did not find one:
    what the ranker must beat.
    """

    rows: NDArray[np.float32]
    documents: tuple[str, ...]
    gold: tuple[str, ...]
    retriever_scores: dict[str, NDArray[np.float32]]

    @property
    def labels(self) -> NDArray[np.int8]:
        """1 for a passage of a gold document."""
        return np.array([document in self.gold for document in self.documents], np.int8)


def build_examples(
    retriever: HybridRetriever, questions: Sequence[Question], parts: frozenset[str] = frozenset(COMPONENTS)
) -> tuple[list[str], list[RankingExample]]:
    """Feature names and an `Example` for each question that has gold documents, from some `PARTS` alone."""
    names: list[str] = []
    built = []
    for question in questions:
        if not question.gold:
            continue
        candidates = gather_candidates(question.text, retriever.embed_question(question.text), retriever.indices, parts)
        matches = match_sentences(question.text, candidates, retriever.indices)
        names, rows = passage_features(question.text, candidates, matches, retriever.indices)
        retriever_scores = {
            "BM25": _nan_where_missing(candidates.bm25),
            "dense": candidates.cosine,
            "RRF": _nan_where_missing(candidates.fused),
        }
        retriever_scores |= {
            f"walk {walk}": _nan_where_missing(candidates.walk_scores[:, number])
            for number, walk in enumerate(PAGERANK_VARIANTS)
        }
        documents = tuple(retriever.document_id_of_row(row) for row in candidates.rows)
        built.append(RankingExample(rows, documents, question.gold, retriever_scores))
    return names, built


def _nan_where_missing(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.where(scores > 0, scores, np.float32(np.nan))
