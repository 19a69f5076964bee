"""Retrievers that are one part of the hybrid alone: by vectors, and by walking the graph from the question's names.

They are what the hybrid is compared with. Their hits have that part's score, not the chance of being evidence.
"""

from __future__ import annotations

from indices.bm25_index import top_k
from kgrag.protocols import Embedder, GraphStore
from kgrag.retrieve.candidates import IndexSet, gather_candidates
from kgrag.retrieve.explanations import PassageWithHeader, PathExplainer
from kgrag.retrieve.passages import load_passages
from kgrag.text import detect_language
from kgrag.types import Hit, Path


class VectorRetriever:
    """A `Retriever` by cosine alone."""

    def __init__(self, graph: GraphStore, indices: IndexSet, embedder: Embedder) -> None:
        self._graph, self._indices, self._embedder = graph, indices, embedder

    def supports_language_of(self, question: str) -> bool:
        """Whether the embedder knows the question's language: what it finds of another is by accident."""
        return detect_language(question) in self._embedder.languages

    def retrieve(self, question: str, k: int) -> list[Hit]:
        """The ``k`` passages nearest to the question, nearest first; ``score`` is the cosine."""
        if not self._indices.rows:
            return []
        rows, cosines = self._indices.vectors.search(self._embedder.embed_query(question), k)
        texts = load_passages(self._graph, self._indices, rows)
        return [
            _to_hit(texts[int(row)], float(c), rank) for rank, (row, c) in enumerate(zip(rows, cosines, strict=True), 1)
        ]


class GraphRetriever:
    """A `Retriever` by personalised PageRank from the names in the question alone."""

    def __init__(self, graph: GraphStore, indices: IndexSet, explainer: PathExplainer) -> None:
        self._graph, self._indices, self._explainer = graph, indices, explainer

    def retrieve(self, question: str, k: int) -> list[Hit]:
        """The ``k`` passages that the walk comes by most, with the paths that lead there; none without a known name."""
        if not self._indices.rows:
            return []
        candidates = gather_candidates(question, None, self._indices, frozenset({"graph"}))
        places, scores = top_k(candidates.walk_scores[:, 0], k)
        rows = candidates.rows[places]
        if not len(rows):
            return []
        texts = load_passages(self._graph, self._indices, rows)
        paths = self._explainer.find_paths(question, texts, rows)
        return [
            _to_hit(texts[int(row)], float(score), rank, path)
            for rank, (row, score, path) in enumerate(zip(rows, scores, paths, strict=True), 1)
        ]


def _to_hit(text: PassageWithHeader, score: float, rank: int, paths: tuple[Path, ...] = ()) -> Hit:
    return Hit(text.passage, text.header.title, text.header.source, score, rank, paths)
