"""Passage vectors in FAISS: exact inner product, which for unit vectors is the cosine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kgrag.files import replaced
from kgrag.protocols import Matrix


class VectorIndex:
    """An `Index` over unit vectors; a query is a vector of shape (dimensions,)."""

    def __init__(self, index: Any) -> None:
        self._index = index

    @staticmethod
    def build(vectors: Matrix) -> VectorIndex:
        """Index ``vectors`` of shape (rows, dimensions)."""
        import faiss

        index = faiss.IndexFlatIP(max(1, vectors.shape[1]))
        if len(vectors):
            index.add(np.ascontiguousarray(vectors, np.float32))
        return VectorIndex(index)

    def __len__(self) -> int:
        return int(self._index.ntotal)

    def search(self, query: Matrix, k: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Rows and cosines of the ``k`` nearest; equal cosines in row order."""
        k = min(k, len(self))
        if k <= 0:
            return np.zeros(0, np.int64), np.zeros(0, np.float32)
        asked = np.ascontiguousarray(query[None], np.float32)
        scores, rows = (found[0] for found in self._index.search(asked, min(k + 1, len(self))))
        if len(scores) > k and scores[k - 1] == scores[k]:
            # of equal ones at the cut the library keeps any: take all of them, then the first rows
            _, scores, rows = self._index.range_search(asked, float(np.nextafter(scores[k], np.float32(-2))))
        order = np.lexsort((rows, -scores))[:k]
        return rows[order].astype(np.int64), scores[order].astype(np.float32)

    def scores(self, query: Matrix, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Cosines of ``query`` with the given rows."""
        vectors = self.vectors(rows)
        return np.asarray(vectors @ query, np.float32)

    def vectors(self, rows: NDArray[np.int64]) -> Matrix:
        """(len(rows), dimensions): the vectors themselves."""
        if not len(rows):
            return np.zeros((0, self._index.d), np.float32)
        return np.asarray(self._index.reconstruct_batch(np.asarray(rows, np.int64)), np.float32)

    def save(self, path: Path) -> None:
        """Write to ``path``, whole or not at all."""
        import faiss

        with replaced(path) as beside:
            faiss.write_index(self._index, str(beside))

    @staticmethod
    def load(path: Path) -> VectorIndex:
        """Read what `save` wrote."""
        import faiss

        return VectorIndex(faiss.read_index(str(path)))
