"""Passage vectors: cosines with a question's, exact up to `EXACT` passages, nearly exact above, by FAISS.

The vectors themselves stand in a plain array that is read from the disk where it is touched. Above `EXACT` an
inverted file (Jégou, Douze and Schmid 2011) over one byte a dimension says which are near, and their cosines are
taken from the vectors. `docs/experiments.md` has what that costs.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kgrag.protocols import Matrix
from kgrag.storage.arrays import load_arrays, save_arrays
from kgrag.storage.atomic import atomic_write

Rows = NDArray[np.int64]
MAX_EXACT_VECTORS = 32_768
"""Passages that are compared one by one: 2 to 5 ms on two cores."""
PROBED_LIST_SHARE, MAX_COMPARED_VECTORS = 0.5, 250_000
"""The share of the lists that is searched, and about how many vectors that may be."""
OVERSAMPLING_FACTOR = 4
"""So many times as many as wanted are taken from the lists, to be ordered by their cosines."""
SAMPLES_PER_LIST = 64
"""Vectors for each list that the lists are learned from."""
Transfer = Callable[[Any], Any]


class VectorIndex:
    """An `Index` over unit vectors; a query is a vector of shape (dimensions,).

    Args:
        vectors: (rows, dimensions); may be memory-mapped.
        lists: the inverted file, or None to compare all.
        transfer: moves a FAISS index to where it is searched, or gives it back as it is.
    """

    def __init__(self, vectors: Matrix, lists: Any = None, transfer: Transfer | None = None) -> None:
        self._vectors, self._lists, self._transfer = vectors, lists, transfer

    @cached_property
    def _faiss_index(self) -> Any:
        return (self._transfer or to_device)(
            self._lists if self._lists is not None else _build_flat_index(self._vectors)
        )

    @staticmethod
    def build(vectors: Matrix, *, exact: int = MAX_EXACT_VECTORS, transfer: Transfer | None = None) -> VectorIndex:
        """Index ``vectors`` of shape (rows, dimensions); the same vectors give the same index.

        Args:
            vectors: of length 1.
            exact: from more rows than this on an inverted file is made.
            transfer: see `VectorIndex`.
        """
        return VectorIndex(vectors, _build_inverted_index(vectors) if len(vectors) > exact else None, transfer)

    def __len__(self) -> int:
        return len(self._vectors)

    def search(self, query: Matrix, k: int) -> tuple[Rows, Matrix]:
        """Rows and cosines of the ``k`` nearest; equal cosines in row order.

        Above `EXACT` rows some of the nearest may be missing, and of equal ones at the cut any may be kept.
        """
        k = min(k, len(self))
        if k <= 0:
            return np.zeros(0, np.int64), np.zeros(0, np.float32)
        query_row = np.ascontiguousarray(query[None], np.float32)
        if self._lists is not None:
            _, results = self._faiss_index.search(query_row, min(OVERSAMPLING_FACTOR * k, len(self)))
            rows = np.sort(results[0][results[0] >= 0])
            cosines = _cosines(self._vectors[rows], query)
        else:
            cosines, rows = (found[0] for found in self._faiss_index.search(query_row, min(k + 1, len(self))))
            if len(cosines) > k and cosines[k - 1] == cosines[k]:
                # of equal ones at the cut the library keeps any: look at all of them
                rows, cosines = np.arange(len(self)), _cosines(self._vectors, query)
        order = np.lexsort((rows, -cosines))[:k]
        return rows[order].astype(np.int64), cosines[order].astype(np.float32)

    def scores(self, query: Matrix, rows: Rows) -> Matrix:
        """Cosines of ``query`` with the given rows."""
        return np.asarray(self.vectors(rows) @ query, np.float32)

    def vectors(self, rows: Rows) -> Matrix:
        """(len(rows), dimensions): the vectors themselves."""
        return np.asarray(self._vectors[np.asarray(rows, np.int64)], np.float32)

    def save(self, folder: Path) -> None:
        """Write to ``folder``; the lists after the vectors, each whole or not at all."""
        save_arrays(folder, {"vectors": self._vectors})
        if self._lists is not None:
            import faiss

            with atomic_write(folder / LISTS_FILE) as temporary:
                faiss.write_index(self._lists, str(temporary))

    @staticmethod
    def load(folder: Path, *, transfer: Transfer | None = None) -> VectorIndex:
        """Read what `save` wrote, from the disk as it is searched."""
        lists: Any = None
        if (folder / LISTS_FILE).exists():
            import faiss

            lists = faiss.read_index(str(folder / LISTS_FILE), faiss.IO_FLAG_MMAP_IFC)
            lists.nprobe = _probe_count(lists)
        return VectorIndex(load_arrays(folder)["vectors"], lists, transfer)


LISTS_FILE = "lists.faiss"


def to_device(index: Any, notice: Callable[[str], None] = lambda _: None, library: Any = None) -> Any:
    """``index`` on the first GPU, where FAISS knows one; where that fails as it was, and ``notice`` is told why.

    Args:
        index: of FAISS.
        notice: told in a sentence.
        library: FAISS itself, unless it is given.
    """
    if library is None:
        import faiss as library
    if not library.get_num_gpus():
        return index
    try:
        return library.index_cpu_to_gpu(library.StandardGpuResources(), 0, index)
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1]
        notice(f"The vectors could not be moved to the GPU ({reason}): they are searched on the processor.")
        return index


def _build_flat_index(vectors: Matrix) -> Any:
    import faiss

    index = faiss.IndexFlatIP(max(1, vectors.shape[1]))
    if len(vectors):
        index.add(np.ascontiguousarray(vectors, np.float32))
    return index


def _build_inverted_index(vectors: Matrix) -> Any:
    import faiss

    rows, dimensions = vectors.shape
    lists = max(1, round(4 * rows**0.5))
    index = faiss.IndexIVFScalarQuantizer(
        faiss.IndexFlatIP(dimensions),
        dimensions,
        lists,
        faiss.ScalarQuantizer.QT_8bit,
        faiss.METRIC_INNER_PRODUCT,
        False,
    )
    index.cp.niter, index.cp.seed, index.cp.max_points_per_centroid = 8, 1, SAMPLES_PER_LIST
    sample = np.sort(np.random.default_rng(0).permutation(rows)[: SAMPLES_PER_LIST * lists])
    index.train(np.ascontiguousarray(vectors[sample], np.float32))
    for start in range(0, rows, 65536):
        index.add(np.ascontiguousarray(vectors[start : start + 65536], np.float32))
    index.nprobe = _probe_count(index)
    return index


def _probe_count(index: Any) -> int:
    """How many of its lists are searched."""
    return max(1, int(index.nlist * min(PROBED_LIST_SHARE, MAX_COMPARED_VECTORS / max(1, index.ntotal))))


def _cosines(vectors: Matrix, query: Matrix) -> Matrix:
    # not a product of matrices, in which equal rows may get sums of another order
    cosines: Matrix = np.einsum("ij,j->i", vectors, query, dtype=np.float32)
    return cosines
