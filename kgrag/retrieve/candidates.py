"""Who might be evidence: the best of words, of vectors and of several walks, with what each of them gave."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from graphs.facts.fact_index import FactIndex
from graphs.merging.merge_sets import Merges
from graphs.walk.adjacency import Adjacency, Neighbourhood
from graphs.walk.pagerank import PersonalizedPageRank, SeedWeights
from indices.bm25_index import BM25Index, top_k
from indices.row_map import RowMap
from indices.sentence_index import SentenceIndex
from indices.vector_index import VectorIndex
from kgrag.protocols import Matrix

RowNumbers = NDArray[np.int64]
FUSION_CONSTANT = 60
"""The constant of reciprocal rank fusion (Cormack et al. 2009)."""
PAGERANK_VARIANTS = ("names", "names+1", "names+3", "far")
COMPONENTS = ("words", "vectors", "graph", "sentences")
"""What finds candidates and describes them; a bench takes one away to see what it gives. ``sentences``: what single
sentences say."""
TOP_PER_RETRIEVER, TOP_PER_WALK = 20, 30


@dataclass(frozen=True)
class IndexSet:
    """All that is derived from one store, row for row."""

    rows: RowMap
    words: BM25Index
    sentences: SentenceIndex
    vectors: VectorIndex
    graph: Adjacency
    walker: PersonalizedPageRank
    facts: FactIndex
    merges: Merges


@dataclass(frozen=True)
class Candidates:
    """Rows worth ordering and the scores they came with.

    ``linked``: names found in the question, column -> idf. ``walks``: (rows, len(WALKS)). ``fused`` is reciprocal
    rank fusion of words and vectors over the whole store's best; ``cosine`` is NaN where vectors were not asked.
    ``near``: the rows' names.
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
    """The union of the best of every retriever.

    Args:
        question: not empty.
        vector: its embedding, or None where the embedder does not know the question's language.
        indices: of one store.
        parts: of `PARTS`; the others bring no candidate, seed no walk and say nothing of any.
    """
    graph = indices.graph
    vector = vector if "vectors" in components else None
    word_scores = indices.words.scores(question if "words" in components else "")
    word_rows, _ = top_k(word_scores, TOP_PER_RETRIEVER * 5)
    vector_rows = np.zeros(0, np.int64)
    if vector is not None:
        vector_rows, _ = indices.vectors.search(vector, TOP_PER_RETRIEVER * 5)
    fusion = reciprocal_rank_fusion([word_rows, vector_rows])
    fused_rows = np.array(sorted(fusion, key=lambda row: (-fusion[row], row)), np.int64)
    name_matches = graph.gazetteer.find(question, any_case=question.islower()) if "graph" in components else []
    linked = {f.name: float(graph.idf[f.name]) for f in name_matches if graph.idf[f.name] > 0}
    walks = np.zeros((len(indices.words), len(PAGERANK_VARIANTS)), np.float32)
    if "graph" in components:
        walks = indices.walker.pagerank(_pagerank_seeds(linked, fused_rows))
    union = [word_rows[:TOP_PER_RETRIEVER], vector_rows[:TOP_PER_RETRIEVER], fused_rows[:TOP_PER_RETRIEVER]]
    union += [top_k(walks[:, walk], TOP_PER_WALK)[0] for walk in range(len(PAGERANK_VARIANTS))]
    rows = np.unique(np.concatenate(union))
    return Candidates(
        rows=rows,
        linked_names=linked,
        bm25=word_scores[rows],
        cosine=indices.vectors.scores(vector, rows) if vector is not None else np.full(len(rows), np.nan, np.float32),
        fused=np.array([fusion.get(int(row), 0.0) for row in rows], np.float32),
        walk_scores=walks[rows],
        seed_rows=fused_rows[:3],
        neighbourhood=graph.neighbourhood(rows),
        components=components,
    )


def reciprocal_rank_fusion(rankings: list[RowNumbers]) -> dict[int, float]:
    """row -> sum over rankings of 1 / (FUSION + rank)."""
    fusion: dict[int, float] = {}
    for ranking in rankings:
        for rank, row in enumerate(ranking.tolist(), 1):
            fusion[row] = fusion.get(row, 0.0) + 1.0 / (FUSION_CONSTANT + rank)
    return fusion


def _pagerank_seeds(linked: Mapping[int, float], fused: RowNumbers) -> list[SeedWeights]:
    """One for each of `WALKS`. A passage at rank 1 weighs as much as one middling name."""
    scale = float(np.mean(list(linked.values()))) if linked else 1.0
    top = {int(row): scale / rank for rank, row in enumerate(fused[:3], 1)}
    first = dict(list(top.items())[:1])
    return [
        SeedWeights({}, linked),
        SeedWeights(first, linked),
        SeedWeights(top, linked),
        SeedWeights(top, linked, damping=0.8),
    ]
