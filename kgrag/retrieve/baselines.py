"""Baseline retrievers that use a single component of the hybrid: the vectors or the graph walk.

Their hits have that component's score, not the probability of being evidence.
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
    """Retrieves by cosine similarity alone."""

    def __init__(self, graph: GraphStore, indices: IndexSet, embedder: Embedder) -> None:
        self._graph, self._indices, self._embedder = graph, indices, embedder

    def supports_language_of(self, question: str) -> bool:
        """Whether the embedder supports the question's language; for another language its results are arbitrary."""
        return detect_language(question) in self._embedder.languages

    def retrieve(self, question: str, k: int) -> list[Hit]:
        """Return the ``k`` passages nearest to the question, nearest first; ``score`` is the cosine."""
        if not self._indices.rows:
            return []
        rows, cosines = self._indices.vectors.search(self._embedder.embed_query(question), k)
        texts = load_passages(self._graph, self._indices, rows)
        return [
            _to_hit(texts[int(row)], float(c), rank) for rank, (row, c) in enumerate(zip(rows, cosines, strict=True), 1)
        ]


class GraphRetriever:
    """Retrieves by personalised PageRank from the names in the question alone."""

    def __init__(self, graph: GraphStore, indices: IndexSet, explainer: PathExplainer) -> None:
        self._graph, self._indices, self._explainer = graph, indices, explainer

    def retrieve(self, question: str, k: int) -> list[Hit]:
        """Return the ``k`` passages with the highest PageRank, with the paths to them; none without a known name."""
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
