"""Provide the edges of a graph in both directions to a walk, from local arrays or from a server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from kgrag.storage.arrays import expand_ranges

Ints = NDArray[np.int64]
Floats = NDArray[np.float32]
Numbers = NDArray[np.integer[Any]]


class Transitions(Protocol):
    """The edges and their weights, as a walk queries them. Passages are rows, names are columns, both from 0."""

    @property
    def passage_count(self) -> int:
        """Number of passages."""

    @property
    def name_count(self) -> int:
        """Number of names."""

    def names_of_passages(self, rows: Ints) -> tuple[Numbers, Numbers, Floats]:
        """Return the names of each passage that other passages have too, ordered by passage, then by name.

        Returns:
            For each edge: the position of its passage in ``rows``, its name, its weight.
        """

    def passages_of_names(self, names: Ints, max_passages: Ints | None = None) -> tuple[Numbers, Numbers, Floats]:
        """Return at most ``max_passages`` passages of each name, by descending weight; ties by row.

        Returns:
            For each edge: the position of its name in ``names``, its passage, the share of the name's mass that it
                gets.
        """

    def row_scales(self, rows: Ints) -> tuple[Floats, Floats]:
        """Return (rows,) twice: the inverse of each passage's weight sum, and its share of mass that stays.

        The mass that stays is what names without other passages send straight back.
        """

    def name_scales(self, names: Ints) -> Floats:
        """Return (names,): the inverse of each name's weight sum, 0 for a name without edges."""


@dataclass(frozen=True)
class LocalTransitions:
    """`Transitions` in arrays, each of which may be memory-mapped.

    Attributes:
        row_begin: (rows + 1,), offset of each passage in ``row_names`` and ``row_weights``.
        row_names: the names of each passage that other passages have too.
        row_weights: the weights of their edges.
        name_begin: (names + 1,), offset of each name in ``name_rows`` and ``name_shares``.
        name_rows: the passages of each name, by descending weight.
        name_shares: the share of the name's mass that each of them gets.
        row_scale: see `Transitions.row_scales`.
        name_scale: see `Transitions.name_scales`.
        stays: see `Transitions.row_scales`.
    """

    row_begin: NDArray[np.int32]
    row_names: NDArray[np.int32]
    row_weights: Floats
    name_begin: NDArray[np.int32]
    name_rows: NDArray[np.int32]
    name_shares: Floats
    row_scale: Floats
    name_scale: Floats
    stays: Floats

    @staticmethod
    def from_edges(edges: sparse.csr_array) -> LocalTransitions:
        """Build the transitions of edges of shape (passages, names)."""
        rows, columns = edges.shape
        row_scale, name_scale = _inverse(edges.sum(axis=1)), _inverse(edges.sum(axis=0))
        row_of = np.repeat(np.arange(rows, dtype=np.int32), np.diff(edges.indptr))
        count = np.bincount(edges.indices, minlength=columns)
        is_shared = count[edges.indices] > 1
        stays = np.bincount(row_of[~is_shared], edges.data[~is_shared], rows) * row_scale
        order = np.lexsort((row_of, -edges.data, edges.indices))
        return LocalTransitions(
            row_begin=_offsets(np.bincount(row_of[is_shared], minlength=rows)),
            row_names=edges.indices[is_shared].astype(np.int32),
            row_weights=edges.data[is_shared].astype(np.float32),
            name_begin=_offsets(count),
            name_rows=row_of[order],
            name_shares=(edges.data * name_scale[edges.indices])[order].astype(np.float32),
            row_scale=row_scale,
            name_scale=name_scale,
            stays=stays.astype(np.float32),
        )

    @property
    def passage_count(self) -> int:
        """Number of passages."""
        return len(self.row_scale)

    @property
    def name_count(self) -> int:
        """Number of names."""
        return len(self.name_scale)

    def names_of_passages(self, rows: Ints) -> tuple[Numbers, Numbers, Floats]:
        """See `Transitions`."""
        positions, edge_positions = expand_ranges(self.row_begin, rows)
        return positions, self.row_names[edge_positions], self.row_weights[edge_positions]

    def passages_of_names(self, names: Ints, max_passages: Ints | None = None) -> tuple[Numbers, Numbers, Floats]:
        """See `Transitions`."""
        positions, edge_positions = expand_ranges(self.name_begin, names, max_passages)
        return positions, self.name_rows[edge_positions], self.name_shares[edge_positions]

    def row_scales(self, rows: Ints) -> tuple[Floats, Floats]:
        """See `Transitions`."""
        return self.row_scale[rows], self.stays[rows]

    def name_scales(self, names: Ints) -> Floats:
        """See `Transitions`."""
        return self.name_scale[names]


def _inverse(sums: object) -> Floats:
    values = np.asarray(sums, np.float64).ravel()
    return np.divide(1.0, values, out=np.zeros_like(values), where=values > 0).astype(np.float32)


def _offsets(counts: NDArray[np.int64]) -> NDArray[np.int32]:
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
