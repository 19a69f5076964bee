"""Gather candidate passages: the best by words, by vectors and by several graph walks, with all their scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial

import numpy as np
from numpy.typing import NDArray

from graphs.facts.fact_index import FactIndex
from graphs.merging.merge_sets import Merges
from graphs.walk.adjacency import Adjacency, Neighbourhood
from graphs.walk.pagerank import PersonalizedPageRank, SeedWeights
from indices.bm25_index import BM25Index, top_k
from indices.document_index import DocumentIndex
from indices.row_map import RowMap
from indices.sentence_index import SentenceIndex
from indices.vector_index import VectorIndex
from kgrag.filters import Filter
from kgrag.protocols import Matrix
from kgrag.retrieve.diversity import QuestionCopies
from kgrag.retrieve.fusion import reciprocal_rank_fusion

RowNumbers = NDArray[np.int64]
PAGERANK_VARIANTS = ("names", "names+1", "names+3", "far")
COMPONENTS = ("words", "vectors", "graph", "sentences")
"""Components that find and describe candidates; an ablation benchmark disables one. ``sentences``: sentence matches."""
TOP_PER_RETRIEVER, TOP_PER_WALK = 20, 30


@dataclass(frozen=True)
class IndexSet:
    """All indices of one store, aligned by row number."""

    rows: RowMap
    words: BM25Index
    sentences: SentenceIndex
    vectors: VectorIndex
    graph: Adjacency
    walker: PersonalizedPageRank
    facts: FactIndex
    merges: Merges
    documents: DocumentIndex
    allowed_rows: NDArray[np.bool_] | None = None
    """Rows that a filter on metadata leaves; None for all."""
    allowed_documents: NDArray[np.bool_] | None = None
    """The same by document number."""

    def restrict(self, condition: Filter) -> IndexSet:
        """Return the same indices with only the passages of documents that fulfil ``condition``.

        Raises:
            UsageError: no document has a field of the condition.
        """
        selected = self.documents.select(condition)
        return replace(self, allowed_rows=self.rows.select_rows(selected), allowed_documents=selected)

    @cached_property
    def hidden_documents(self) -> frozenset[str]:
        """Ids of the documents that a filter leaves out."""
        if self.allowed_documents is None:
            return frozenset()
        ids = self.rows.document_ids()
        return frozenset(ids[int(number)] for number in np.flatnonzero(~self.allowed_documents))


@dataclass(frozen=True)
class Candidates:
    """Candidate rows and their scores.

    ``linked_names``: names in the question, column -> idf. ``walk_scores``: shape (rows, `PAGERANK_VARIANTS`). ``fused``:
    reciprocal rank fusion of words and vectors over the store's best. ``cosine``: NaN without vectors. ``seed_rows``: the
    best fused rows. ``neighbourhood``: the names in the rows. ``components``: the enabled components.
    """

    rows: RowNumbers
    linked_names: Mapping[int, float]
    bm25: NDArray[np.float32]
    cosine: NDArray[np.float32]
    fused: NDArray[np.float32]
    walk_scores: NDArray[np.float32]
    seed_rows: RowNumbers
    neighbourhood: Neighbourhood
    components: frozenset[str] = frozenset(COMPONENTS)


def gather_candidates(
    question: str, vector: Matrix | None, indices: IndexSet, components: frozenset[str] = frozenset(COMPONENTS)
) -> Candidates:
    """Return the union of the best rows of every component.

    Args:
        question: a non-empty question.
        vector: its embedding, or None if the embedder does not support the question's language.
        indices: the indices of one store.
        components: the enabled ones of `COMPONENTS`; the others give no candidates, seeds or scores.
    """
    graph = indices.graph
    vector = vector if "vectors" in components else None
    word_scores = indices.words.scores(question if "words" in components else "")
    allowed = indices.allowed_rows
    excluded = indices.words.excluded_rows(question) if "words" in components else None
    if excluded is not None:
        allowed = ~excluded if allowed is None else allowed & ~excluded
    if allowed is not None:
        word_scores[~allowed] = 0
    copies = QuestionCopies(question, indices.rows, indices.words)

    def best_rows(scores: NDArray[np.float32], count: int) -> RowNumbers:
        return copies.best(lambda size: top_k(scores, size)[0], count)

    word_rows = best_rows(word_scores, TOP_PER_RETRIEVER * 5)
    vector_rows = np.zeros(0, np.int64)
    if vector is not None:
        search = partial(indices.vectors.search, vector, allowed=allowed)
        vector_rows = copies.best(lambda size: search(size)[0], TOP_PER_RETRIEVER * 5)
    fused_scores = reciprocal_rank_fusion([word_rows, vector_rows], len(indices.words))
    fused_rows = np.flatnonzero(fused_scores)
    fused_rows = fused_rows[np.argsort(-fused_scores[fused_rows], kind="stable")]
    name_matches = graph.gazetteer.find(question, any_case=question.islower()) if "graph" in components else []
    linked = {f.name: float(graph.idf[f.name]) for f in name_matches if graph.idf[f.name] > 0}
    walks = np.zeros((len(indices.words), len(PAGERANK_VARIANTS)), np.float32)
    if "graph" in components:
        walks = indices.walker.pagerank(_pagerank_seeds(linked, fused_rows))
        if allowed is not None:
            walks[~allowed] = 0
    union = [word_rows[:TOP_PER_RETRIEVER], vector_rows[:TOP_PER_RETRIEVER], fused_rows[:TOP_PER_RETRIEVER]]
    union += [best_rows(walks[:, walk], TOP_PER_WALK) for walk in range(len(PAGERANK_VARIANTS))]
    rows = np.unique(np.concatenate(union))
    return Candidates(
        rows=rows,
        linked_names=linked,
        bm25=word_scores[rows],
        cosine=indices.vectors.scores(vector, rows) if vector is not None else np.full(len(rows), np.nan, np.float32),
        fused=fused_scores[rows].astype(np.float32),
        walk_scores=walks[rows],
        seed_rows=fused_rows[:3],
        neighbourhood=graph.neighbourhood(rows),
        components=components,
    )


def _pagerank_seeds(linked: Mapping[int, float], fused: RowNumbers) -> list[SeedWeights]:
    """Return the seeds of each of `PAGERANK_VARIANTS`; a passage at rank 1 weighs as much as an average name."""
    scale = float(np.mean(list(linked.values()))) if linked else 1.0
    top = {int(row): scale / rank for rank, row in enumerate(fused[:3], 1)}
    first = dict(list(top.items())[:1])
    return [
        SeedWeights({}, linked),
        SeedWeights(first, linked),
        SeedWeights(top, linked),
        SeedWeights(top, linked, damping=0.8),
    ]
