"""Build a hybrid retriever over a few pages without models: fake vectors, and a ranker that trusts BM25 alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from graphs.sqlite.store import SQLiteGraph
from kgrag.retrieve.boosted_trees import TreeEnsemble
from kgrag.retrieve.explanations import PathExplainer
from kgrag.retrieve.hybrid import HybridRetriever
from kgrag.retrieve.index_set import open_index_set
from kgrag.text import normalize_name
from kgrag.types import Extraction, Passage
from tests.support.documents import FakeEmbedder, build_document


class BM25Ranker:
    """A ranker whose score is the share of the best BM25 score, times ``weight``."""

    def __init__(self, weight: float = 1.0) -> None:
        self._weight = weight

    def score(self, names: Sequence[str], rows: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return (rows,)."""
        return self._weight * rows[:, list(names).index("bm25/best")].astype(np.float64)


def build_retriever(folder: Path, pages: Sequence[tuple[str, str, str]], weight: float = 1.0) -> HybridRetriever:
    """Return a retriever over pages of one passage each.

    Args:
        folder: an empty folder.
        pages: (document id, title, text), in the order of the ids.
        weight: of the BM25 score in the ranker; below 0, the passage with the best score is the last.
    """
    graph = SQLiteGraph(folder / "graph.db")
    embedder = FakeEmbedder()
    extractions = []
    for id, title, text in pages:
        document = build_document(id, text, title)
        passage = Passage(f"{id}#0001", id, document.text, 0, len(document.text))
        extraction = Extraction(document, (passage,), ((normalize_name(title), title, "MISC"),), (), ())
        extractions.append((extraction, embedder.embed([passage.indexed_text(title)])))
    graph.put_many(extractions)
    indices = open_index_set(graph, folder / "indices", lambda _: None, persist=True)
    explainer = PathExplainer(indices.graph, graph.triples_in)
    return HybridRetriever(graph, indices, embedder, lambda: cast(TreeEnsemble, BM25Ranker(weight)), explainer)


def hit_ids(retriever: HybridRetriever, question: str, k: int = 8) -> list[str]:
    """Return the documents of the hits, best first."""
    return [hit.passage.document_id for hit in retriever.retrieve(question, k)]
