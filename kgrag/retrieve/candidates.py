"""Who might be evidence: the best of words, of vectors and of several walks, with what each of them gave."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from graphs.adjacency import Adjacency, Neighbourhood
from graphs.facts import Facts
from graphs.groups import Merges
from graphs.walk import Seeds, Walker
from indices.bm25 import WordIndex, best
from indices.rows import Rows
from indices.sentences import SentenceIndex
from indices.vectors import VectorIndex
from kgrag.protocols import Matrix

Numbers = NDArray[np.int64]
FUSION = 60
"""The constant of reciprocal rank fusion (Cormack et al. 2009)."""
WALKS = ("names", "names+1", "names+3", "far")
PARTS = ("words", "vectors", "graph", "sentences")
"""What finds candidates and describes them; a bench takes one away to see what it gives. ``sentences``: what single
sentences say."""
NARROW, WIDE = 20, 30


@dataclass(frozen=True)
class Indices:
    """All that is derived from one store, row for row."""

    rows: Rows
    words: WordIndex
    sentences: SentenceIndex
    vectors: VectorIndex
    graph: Adjacency
    walker: Walker
    facts: Facts
    merges: Merges


@dataclass(frozen=True)
class Candidates:
    """Rows worth ordering and the scores they came with.

    ``linked``: names found in the question, column -> idf. ``walks``: (rows, len(WALKS)). ``fused`` is reciprocal
    rank fusion of words and vectors over the whole store's best; ``cosine`` is NaN where vectors were not asked.
    ``near``: the rows' names.
    """

    rows: Numbers
    linked: Mapping[int, float]
    bm25: NDArray[np.float32]
    cosine: NDArray[np.float32]
    fused: NDArray[np.float32]
    walks: NDArray[np.float32]
    seeds: Numbers
    near: Neighbourhood
    parts: frozenset[str] = frozenset(PARTS)


def gather(
    question: str, vector: Matrix | None, indices: Indices, parts: frozenset[str] = frozenset(PARTS)
) -> Candidates:
    """The union of the best of every retriever.

    Args:
        question: not empty.
        vector: its embedding, or None where the embedder does not know the question's language.
        indices: of one store.
        parts: of `PARTS`; the others bring no candidate, seed no walk and say nothing of any.
    """
    graph = indices.graph
    vector = vector if "vectors" in parts else None
    word_scores = indices.words.scores(question if "words" in parts else "")
    word_rows, _ = best(word_scores, NARROW * 5)
    near_rows = np.zeros(0, np.int64)
    if vector is not None:
        near_rows, _ = indices.vectors.search(vector, NARROW * 5)
    fusion = reciprocal_rank_fusion([word_rows, near_rows])
    fused_rows = np.array(sorted(fusion, key=lambda row: (-fusion[row], row)), np.int64)
    found = graph.gazetteer.find(question, any_case=question.islower()) if "graph" in parts else []
    linked = {f.name: float(graph.idf[f.name]) for f in found if graph.idf[f.name] > 0}
    walks = np.zeros((len(indices.words), len(WALKS)), np.float32)
    if "graph" in parts:
        walks = indices.walker.pagerank(_seedings(linked, fused_rows))
    union = [word_rows[:NARROW], near_rows[:NARROW], fused_rows[:NARROW]]
    union += [best(walks[:, walk], WIDE)[0] for walk in range(len(WALKS))]
    rows = np.unique(np.concatenate(union))
    return Candidates(
        rows=rows,
        linked=linked,
        bm25=word_scores[rows],
        cosine=indices.vectors.scores(vector, rows) if vector is not None else np.full(len(rows), np.nan, np.float32),
        fused=np.array([fusion.get(int(row), 0.0) for row in rows], np.float32),
        walks=walks[rows],
        seeds=fused_rows[:3],
        near=graph.among(rows),
        parts=parts,
    )


def reciprocal_rank_fusion(rankings: list[Numbers]) -> dict[int, float]:
    """row -> sum over rankings of 1 / (FUSION + rank)."""
    fusion: dict[int, float] = {}
    for ranking in rankings:
        for rank, row in enumerate(ranking.tolist(), 1):
            fusion[row] = fusion.get(row, 0.0) + 1.0 / (FUSION + rank)
    return fusion


def _seedings(linked: Mapping[int, float], fused: Numbers) -> list[Seeds]:
    """One for each of `WALKS`. A passage at rank 1 weighs as much as one middling name."""
    scale = float(np.mean(list(linked.values()))) if linked else 1.0
    top = {int(row): scale / rank for rank, row in enumerate(fused[:3], 1)}
    first = dict(list(top.items())[:1])
    return [Seeds({}, linked), Seeds(first, linked), Seeds(top, linked), Seeds(top, linked, damping=0.8)]
