"""Search passage vectors by cosine with FAISS: exact up to `MAX_EXACT_VECTORS`, approximate above.

The vectors are a plain array that is read from disk on demand. Above `MAX_EXACT_VECTORS`, an inverted file (Jégou,
Douze and Schmid 2011) with one byte per dimension selects near vectors, and cosines are computed from the vectors
themselves. `docs/benchmarks/log` reports the loss of recall.
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
"""Maximum number of vectors that are compared one by one: 2 to 5 ms on two cores."""
PROBED_LIST_SHARE, MAX_COMPARED_VECTORS = 0.5, 250_000
"""Share of the inverted lists that is searched, and approximate maximum of vectors compared."""
OVERSAMPLING_FACTOR = 4
"""Candidates taken from the lists per result, to be reordered by exact cosines."""
SAMPLES_PER_LIST = 64
"""Training vectors per inverted list."""
ROWS_PER_BLOCK = 65_536
"""Vectors read from disk at once when the rows of a filter are compared."""
Transfer = Callable[[Any], Any]


class VectorIndex:
    """An index over unit vectors, queried with a vector of shape (dimensions,).

    Args:
        vectors: (rows, dimensions); may be memory-mapped.
        lists: the inverted file, or None to compare all vectors.
        transfer: moves a FAISS index to the device it is searched on, or returns it unchanged.
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
            exact: maximum number of rows without an inverted file.
            transfer: see `VectorIndex`.
        """
        return VectorIndex(vectors, _build_inverted_index(vectors) if len(vectors) > exact else None, transfer)

    def __len__(self) -> int:
        return len(self._vectors)

    def search(self, query: Matrix, k: int, allowed: NDArray[np.bool_] | None = None) -> tuple[Rows, Matrix]:
        """Return rows and cosines of the ``k`` nearest vectors; ties in row order.

        Above `MAX_EXACT_VECTORS` rows, some of the nearest may be missing, and ties at the cut are resolved
        arbitrarily. With ``allowed`` (rows,), only these rows are compared, and all of them.
        """
        if allowed is not None:
            return self._search_rows(query, k, np.flatnonzero(allowed))
        k = min(k, len(self))
        if k <= 0:
            return np.zeros(0, np.int64), np.zeros(0, np.float32)
        query_row = np.ascontiguousarray(query[None], np.float32)
        if self._lists is not None:
            _, results = self._faiss_index.search(query_row, min(OVERSAMPLING_FACTOR * k, len(self)))
            rows = np.sort(results[0][results[0] >= 0])
            cosines = _cosines(self._vectors[rows], query)
        else:
            cosines, rows = (results[0] for results in self._faiss_index.search(query_row, min(k + 1, len(self))))
            if len(cosines) > k and cosines[k - 1] == cosines[k]:
                # FAISS resolves ties at the cut arbitrarily: compare all vectors
                rows, cosines = np.arange(len(self)), _cosines(self._vectors, query)
        order = np.lexsort((rows, -cosines))[:k]
        return rows[order].astype(np.int64), cosines[order].astype(np.float32)

    def _search_rows(self, query: Matrix, k: int, rows: Rows) -> tuple[Rows, Matrix]:
        cosines = np.concatenate(
            [np.zeros(0, np.float32)]
            + [
                _cosines(self._vectors[rows[start : start + ROWS_PER_BLOCK]], query)
                for start in range(0, len(rows), ROWS_PER_BLOCK)
            ]
        )
        order = np.lexsort((rows, -cosines))[:k]
        return rows[order].astype(np.int64), cosines[order].astype(np.float32)

    def scores(self, query: Matrix, rows: Rows) -> Matrix:
        """Return the cosines of ``query`` with the given rows."""
        return np.asarray(self.vectors(rows) @ query, np.float32)

    def vectors(self, rows: Rows) -> Matrix:
        """Return (len(rows), dimensions): the vectors themselves."""
        return np.asarray(self._vectors[np.asarray(rows, np.int64)], np.float32)

    def save(self, folder: Path) -> None:
        """Write the vectors and then the lists to ``folder``, each file atomically."""
        save_arrays(folder, {"vectors": self._vectors})
        if self._lists is not None:
            import faiss

            with atomic_write(folder / LISTS_FILE) as temporary:
                faiss.write_index(self._lists, str(temporary))

    @staticmethod
    def load(folder: Path, *, transfer: Transfer | None = None) -> VectorIndex:
        """Load a saved index, read from disk as it is searched."""
        lists: Any = None
        if (folder / LISTS_FILE).exists():
            import faiss

            lists = faiss.read_index(str(folder / LISTS_FILE), faiss.IO_FLAG_MMAP_IFC)
            lists.nprobe = _probe_count(lists)
        return VectorIndex(load_arrays(folder)["vectors"], lists, transfer)


LISTS_FILE = "lists.faiss"


def to_device(index: Any, notice: Callable[[str], None] = lambda _: None, library: Any = None) -> Any:
    """Move ``index`` to the first GPU that FAISS supports; return it unchanged if that fails.

    Args:
        index: a FAISS index.
        notice: called with the reason of a failure.
        library: the faiss module, or None to import it.
    """
    if library is None:
        import faiss as library
    if not library.get_num_gpus():
        return index
    try:
        return library.index_cpu_to_gpu(library.StandardGpuResources(), 0, index)
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1]
        notice(f"The vectors could not be moved to the GPU ({reason}): searching on the CPU.")
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
    """Return the number of inverted lists that are searched."""
    return max(1, int(index.nlist * min(PROBED_LIST_SHARE, MAX_COMPARED_VECTORS / max(1, index.ntotal))))


def _cosines(vectors: Matrix, query: Matrix) -> Matrix:
    # not a matrix product, which may add up equal rows in different orders
    cosines: Matrix = np.einsum("ij,j->i", vectors, query, dtype=np.float32)
    return cosines
