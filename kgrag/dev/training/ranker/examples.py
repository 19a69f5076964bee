"""Examples for training and measuring the ranker: candidates of questions with known evidence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from kgrag.retrieve.candidates import COMPONENTS, PAGERANK_VARIANTS, gather_candidates
from kgrag.retrieve.fusion_vote import fusion_vote
from kgrag.retrieve.hybrid import HybridRetriever
from kgrag.retrieve.passage_features import passage_features
from kgrag.retrieve.sentence_matches import match_sentences
from kgrag.types import Question


@dataclass(frozen=True)
class RankingExample:
    """The candidates of a question: features, documents, and the ``gold`` documents.

    ``rows`` is (candidates, features). ``retriever_scores`` are the scores of single retrievers, each (candidates,),
    NaN for a candidate that the retriever did not find: the baselines of the ranker. ``votes`` are (candidates,), the
    `fusion_vote` to add to the ranker's scores; empty for none.
    """

    rows: NDArray[np.float32]
    documents: tuple[str, ...]
    gold: tuple[str, ...]
    retriever_scores: dict[str, NDArray[np.float32]]
    votes: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))

    @property
    def labels(self) -> NDArray[np.int8]:
        """1 for a passage of a gold document, else 0."""
        return np.array([document in self.gold for document in self.documents], np.int8)


def build_examples(
    retriever: HybridRetriever, questions: Sequence[Question], parts: frozenset[str] = frozenset(COMPONENTS)
) -> tuple[list[str], list[RankingExample]]:
    """Return feature names and an example for each question that has gold documents, from some `COMPONENTS` only."""
    names: list[str] = []
    built = []
    for question in questions:
        if question.gold:
            names, example = build_example(retriever, question.text, question.gold, retriever.document_id_of_row, parts)
            built.append(example)
    return names, built


def build_example(
    retriever: HybridRetriever,
    question: str,
    gold: tuple[str, ...],
    document_of_row: Callable[[int], str],
    parts: frozenset[str] = frozenset(COMPONENTS),
) -> tuple[list[str], RankingExample]:
    """Return feature names, and the example of one question; ``document_of_row`` gives the ids that ``gold`` has."""
    candidates = gather_candidates(question, retriever.embed_question(question), retriever.indices, parts)
    matches = match_sentences(question, candidates, retriever.indices)
    names, rows = passage_features(question, candidates, matches, retriever.indices)
    retriever_scores = {
        "BM25": _nan_where_missing(candidates.bm25),
        "dense": candidates.cosine,
        "RRF": _nan_where_missing(candidates.fused),
    }
    retriever_scores |= {
        f"walk {walk}": _nan_where_missing(candidates.walk_scores[:, number])
        for number, walk in enumerate(PAGERANK_VARIANTS)
    }
    documents = tuple(document_of_row(int(row)) for row in candidates.rows)
    return names, RankingExample(rows, documents, gold, retriever_scores, fusion_vote(candidates))


def _nan_where_missing(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.where(scores > 0, scores, np.float32(np.nan))
