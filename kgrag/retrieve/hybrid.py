"""Hybrid retriever: gather candidates, compute their features, rank them, and explain each hit."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from copy import copy
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from kgrag.errors import UsageError
from kgrag.filters import Filter
from kgrag.protocols import Embedder, GraphStore, Matrix, Reranker
from kgrag.retrieve.boosted_trees import TreeEnsemble
from kgrag.retrieve.candidates import PAGERANK_VARIANTS, Candidates, IndexSet, RowNumbers, gather_candidates
from kgrag.retrieve.cross_encoder import RERANK_DEPTH, fuse_with_ranker
from kgrag.retrieve.diversity import QuestionCopies, copy_ids
from kgrag.retrieve.explanations import PathExplainer
from kgrag.retrieve.fusion_vote import fusion_vote
from kgrag.retrieve.passage_features import inverse_rank, passage_features
from kgrag.retrieve.passages import load_passages
from kgrag.retrieve.sentence_matches import match_sentences
from kgrag.retrieve.two_sided import QuestionSides
from kgrag.text import content_words, detect_language
from kgrag.types import Hit, Path

MAX_QUESTION_CHARS = 4000
"""Maximum characters of a question; a longer one is refused rather than cut."""

PATH_DEPTH = 20
"""Number of top passages among which paths are searched."""


class HybridRetriever:
    """Retrieves passages from one store by words, vectors, names and graph walks.

    Args:
        graph: the store, for the passages' texts.
        indices: the indices of the store.
        embedder: embeds questions in the languages it supports; others are retrieved by words and names alone.
        ranker: loads the ranker on first use; a program that trains one has none yet.
        explainer: finds the paths that lead to a hit.
        reranker: loads a cross-encoder that votes on the best `RERANK_DEPTH` passages, or None. A hit's score stays the
            ranker's, so scores may then not decrease with the rank.
    """

    def __init__(
        self,
        graph: GraphStore,
        indices: IndexSet,
        embedder: Embedder,
        ranker: Callable[[], TreeEnsemble],
        explainer: PathExplainer,
        reranker: Callable[[], Reranker] | None = None,
    ) -> None:
        self.indices = indices
        self._graph, self._embedder, self._load_ranker, self._explainer = graph, embedder, ranker, explainer
        self._load_reranker = reranker

    @cached_property
    def _ranker(self) -> TreeEnsemble:
        return self._load_ranker()

    @cached_property
    def _reranker(self) -> Reranker:
        assert self._load_reranker is not None
        return self._load_reranker()

    def restrict(self, condition: Filter) -> HybridRetriever:
        """Return a retriever of the documents that fulfil ``condition``, with the same models.

        Raises:
            UsageError: no document has a field of the condition.
        """
        restricted = copy(self)
        restricted.indices = self.indices.restrict(condition)
        return restricted

    def document_id_of_row(self, row: int) -> str:
        """Return the id of the document that an index row belongs to."""
        return self.indices.rows[int(row)].document_id

    def embed_question(self, question: str) -> Matrix | None:
        """Return the question's embedding, or None if the embedder does not support its language."""
        return self._embedder.embed_query(question) if detect_language(question) in self._embedder.languages else None

    def retrieve(self, question: str, k: int) -> list[Hit]:
        """Return the best ``k`` passages, best first; fewer if fewer passages share anything with the question.

        Copies of a passage take no place: the hit names them (`Hit.copies`). If the question compares, each of its
        sides has a passage among the first five.
        A question of stop words alone, none of which is a known name, has no hits.

        Raises:
            UsageError: the question is empty or longer than `MAX_QUESTION_CHARS`, or ``k`` is below 1.
        """
        validate_question(question, k)
        if not self.indices.rows:
            return []
        vector = self.embed_question(question)
        candidates = gather_candidates(question, vector, self.indices)
        if not candidates.linked_names and not content_words(question) and not self._asks_for_capitals(question):
            return []  # "what is the": the nearest passages would be arbitrary
        if sides := QuestionSides(question, self.indices):
            candidates = sides.add_candidates(candidates, vector)
        matches = match_sentences(question, candidates, self.indices)
        names, rows = passage_features(question, candidates, matches, self.indices)
        scores = self._ranker.score(names, rows) if len(rows) else np.zeros(0)
        votes = scores + fusion_vote(candidates)
        # break ties by walk, then by row, so that the ranking is deterministic
        order = np.lexsort((candidates.rows, -candidates.fused, -candidates.walk_scores.sum(axis=1), -votes))
        place_scores = np.empty_like(scores)
        place_scores[order] = -np.sort(-scores)  # a vote moves passages, and each place keeps its probability
        copies = QuestionCopies(question, self.indices.rows, self.indices.words)
        order = order[copies.first_places(candidates.rows[order])]
        parts = _score_breakdown(candidates, scores)
        if self._load_reranker is not None:
            order = self._rerank(question, candidates.rows, order, parts)
        if sides:
            order = order[sides.place(candidates.rows[order])]
        best = order[:k]
        shown = {int(row) for row in candidates.rows[best]}
        # one query for all passages: on a server each query costs as much as a search
        texts = load_passages(self._graph, self.indices, candidates.rows[order[: max(k, PATH_DEPTH)]])
        paths = self._explainer.find_paths(question, texts, candidates.rows[best])
        return [
            Hit(
                passage=text.passage,
                title=text.header.title,
                source=text.header.source,
                score=1.0 / (1.0 + math.exp(-float(place_scores[i]))),
                rank=rank,
                paths=self._allowed_paths(path),
                component_scores=parts[i],
                copies=copy_ids(int(candidates.rows[i]), shown, self.indices.rows, self.indices.allowed_rows),
            )
            for rank, (i, path) in enumerate(zip(best, paths, strict=True), 1)
            for text in [texts[int(candidates.rows[i])]]
        ]

    def _asks_for_capitals(self, question: str) -> bool:
        """Whether a word of the question is a name by its capitals: "What is IT?"."""
        return any(token != token.lower() for token in self.indices.words.question_tokens(question))

    def _allowed_paths(self, paths: Sequence[Path]) -> tuple[Path, ...]:
        """Return the paths without a fact of a document that a filter leaves out."""
        if self.indices.allowed_rows is None:
            return tuple(paths)
        hidden = self.indices.hidden_documents
        return tuple(p for p in paths if all(t.passage_id.rpartition("#")[0] not in hidden for t in p.triples))

    def _rerank(
        self, question: str, rows: RowNumbers, order: NDArray[np.int64], parts: list[dict[str, float]]
    ) -> NDArray[np.int64]:
        """Return ``order`` with the cross-encoder's vote on its first passages; adds its scores to ``parts``."""
        top_places = order[:RERANK_DEPTH]
        texts = [
            t.passage.indexed_text(t.header.title)
            for t in load_passages(self._graph, self.indices, rows[top_places]).values()
        ]
        scores = self._reranker.score(question, texts)
        for rank, place in enumerate(np.lexsort((np.arange(len(top_places)), -scores)), 1):
            parts[top_places[place]] |= {"cross": round(float(scores[place]), 6), "cross rank": rank}
        return np.concatenate([top_places[fuse_with_ranker(scores)], order[RERANK_DEPTH:]])


def validate_question(question: str, k: int) -> None:
    """Check a question and the number of passages.

    Raises:
        UsageError: the question is empty or too long, or ``k`` is below 1.
    """
    if not question.strip():
        raise UsageError("Expected a question, found only white space: write a question.")
    if len(question) > MAX_QUESTION_CHARS:
        raise UsageError(
            f"Expected a question of at most {MAX_QUESTION_CHARS:,} characters, found {len(question):,}: "
            "ask about it in a sentence or two, and ingest the long text as a document."
        )
    if k < 1:
        raise UsageError(f"Expected at least 1 passage, found -k {k}: pass a positive number.")


def _score_breakdown(candidates: Candidates, scores: NDArray[np.float64]) -> list[dict[str, float]]:
    """Return for each candidate the score and the rank that each component gave it, if any."""
    scores_by_retriever = {"bm25": candidates.bm25, "rrf": candidates.fused}
    if not np.isnan(candidates.cosine).any():
        scores_by_retriever["vector"] = candidates.cosine
    scores_by_retriever |= {
        f"graph:{walk}": candidates.walk_scores[:, number] for number, walk in enumerate(PAGERANK_VARIANTS)
    }
    parts: list[dict[str, float]] = [{"ranker": round(float(s), 4)} for s in scores]
    for name, values in scores_by_retriever.items():
        ranks = inverse_rank(values)
        for place, (value, inverse) in enumerate(zip(values, ranks, strict=True)):
            if inverse > 0:
                parts[place][name] = round(float(value), 6)
                parts[place][f"{name} rank"] = round(1 / float(inverse))
    return parts
