"""The retriever: gather candidates, describe them, order them, and say for each what brought it."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from kgrag.errors import UsageError
from kgrag.protocols import Embedder, Graph, Matrix, Reranker
from kgrag.rerank import READ, fused
from kgrag.retrieve.candidates import WALKS, Candidates, Indices, Numbers, gather
from kgrag.retrieve.features import features, inverse_rank
from kgrag.retrieve.matches import match
from kgrag.retrieve.paths import Explainer
from kgrag.retrieve.ranker import Ranker
from kgrag.retrieve.single import texts_of
from kgrag.text import content_words, language
from kgrag.types import Hit

LONGEST_QUESTION = 4000
"""Characters of a question that are searched for; what follows cannot change the ordering, and is not silently cut."""

WIDE = 20
"""Passages, the best ones, among which paths are looked for."""


class HybridRetriever:
    """A `Retriever` over one store.

    Args:
        graph: the store, for the texts of what was found.
        indices: built from it.
        embedder: for questions in a language it knows; others are found by words and names alone.
        ranker: gives what orders the candidates, when it is first needed: who trains a ranker has none yet.
        explainer: finds the paths that lead to a hit.
        reranker: gives a cross-encoder that has a vote on the best `READ` passages, if one is wanted; a hit's score
            stays the ranker's, and is then not always above that of the hit below it.
    """

    def __init__(
        self,
        graph: Graph,
        indices: Indices,
        embedder: Embedder,
        ranker: Callable[[], Ranker],
        explainer: Explainer,
        reranker: Callable[[], Reranker] | None = None,
    ) -> None:
        self.indices = indices
        self._graph, self._embedder, self._load, self._explainer = graph, embedder, ranker, explainer
        self._load_reranker = reranker

    @cached_property
    def _ranker(self) -> Ranker:
        return self._load()

    @cached_property
    def _reranker(self) -> Reranker:
        assert self._load_reranker is not None
        return self._load_reranker()

    def document_of(self, row: int) -> str:
        """The document that an index row belongs to."""
        return self.indices.rows[int(row)].document_id

    def vector(self, question: str) -> Matrix | None:
        """The question's embedding, or None if the embedder does not know its language."""
        return self._embedder.embed_query(question) if language(question) in self._embedder.languages else None

    def retrieve(self, question: str, k: int) -> list[Hit]:
        """The best ``k`` passages, best first; fewer if the store has fewer that share anything with the question.

        A question of stop words alone, none of which is a name here, has none.

        Raises:
            UsageError: the question is empty or longer than `LONGEST_QUESTION`, or ``k`` is below 1.
        """
        check(question, k)
        if not self.indices.rows:
            return []
        found = gather(question, self.vector(question), self.indices)
        if not found.linked and not content_words(question):
            return []  # "what is the": whatever lies nearest is near by accident
        matches = match(question, found, self.indices)
        names, rows = features(question, found, matches, self.indices)
        scores = self._ranker.score(names, rows) if len(rows) else np.zeros(0)
        # equal scores fall to the walk, then to the row, so that the same input has one ranking
        order = np.lexsort((found.rows, -found.fused, -found.walks.sum(axis=1), -scores))
        parts = _parts(found, scores)
        if self._load_reranker is not None:
            order = self._reread(question, found.rows, order, parts)
        best = order[:k]
        # what a store is asked for is asked for together: on a server each time costs as much as a search
        texts = texts_of(self._graph, self.indices, found.rows[order[: max(k, WIDE)]])
        paths = self._explainer.paths(question, texts, found.rows[best])
        return [
            Hit(
                passage=text.passage,
                title=text.heading.title,
                source=text.heading.source,
                score=1.0 / (1.0 + math.exp(-float(scores[i]))),
                rank=rank,
                paths=path,
                parts=parts[i],
            )
            for rank, (i, path) in enumerate(zip(best, paths, strict=True), 1)
            for text in [texts[int(found.rows[i])]]
        ]

    def _reread(
        self, question: str, rows: Numbers, order: NDArray[np.int64], parts: list[dict[str, float]]
    ) -> NDArray[np.int64]:
        """``order`` with the cross-encoder's vote on its first; what it gave stands in ``parts``."""
        first = order[:READ]
        texts = [
            f"{t.heading.title}. {t.passage.text}" for t in texts_of(self._graph, self.indices, rows[first]).values()
        ]
        scores = self._reranker.score(question, texts)
        for rank, place in enumerate(np.lexsort((np.arange(len(first)), -scores)), 1):
            parts[first[place]] |= {"cross": round(float(scores[place]), 6), "cross rank": rank}
        return np.concatenate([first[fused(scores)], order[READ:]])


def check(question: str, k: int) -> None:
    """Raises UsageError, in a sentence, for a question that cannot be asked."""
    if not question.strip():
        raise UsageError("Expected a question, found only white space: write what you want to know.")
    if len(question) > LONGEST_QUESTION:
        raise UsageError(
            f"Expected a question of at most {LONGEST_QUESTION:,} characters, found {len(question):,}: "
            "ask about it in a sentence or two, and ingest the long text as a document."
        )
    if k < 1:
        raise UsageError(f"Expected at least 1 passage, found -k {k}: give a positive number.")


def _parts(found: Candidates, scores: NDArray[np.float64]) -> list[dict[str, float]]:
    """For each candidate the raw score and the rank that each retriever gave it, where it gave any."""
    given = {"bm25": found.bm25, "rrf": found.fused}
    if not np.isnan(found.cosine).any():
        given["vector"] = found.cosine
    given |= {f"graph:{walk}": found.walks[:, number] for number, walk in enumerate(WALKS)}
    parts: list[dict[str, float]] = [{"ranker": round(float(s), 4)} for s in scores]
    for name, values in given.items():
        ranks = inverse_rank(values)
        for place, (value, inverse) in enumerate(zip(values, ranks, strict=True)):
            if inverse > 0:
                parts[place][name] = round(float(value), 6)
                parts[place][f"{name} rank"] = round(1 / float(inverse))
    return parts
