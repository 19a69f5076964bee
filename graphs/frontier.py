"""Which passages a walk from some seeds matters to, found without looking at the others.

Forward push (Andersen, Chung and Lang 2006): the seeds' mass flows along the ties, and what is less than `LEAST`
flows no further. A name sends at most `MOST` passages their share, those that it is tied to most first: the
passages that a very common name leads to say next to nothing, and looking at each would take the whole time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from kgrag.arrays import spread

Ints = NDArray[np.int64]
Floats = NDArray[np.float32]
Mass = NDArray[np.float64]
LEAST = 3e-6
"""Of all that begins at the seeds, the part that is still sent on."""
MOST = 5_000
FORWARD = 0.8
"""The chance of going on: that of the walk that goes furthest."""
STEPS = 4


@dataclass(frozen=True)
class Ways:
    """The ties of a graph in both directions; every array may be memory-mapped.

    ``row_begin`` (rows + 1,), ``row_names`` and ``row_weights``: the names of each passage that other passages have
    too. ``name_begin`` (names + 1,), ``name_rows`` and ``name_shares``: the passages of each name, heaviest tie
    first, and which part of a name's mass each gets. ``row_scale``, ``name_scale``: 1 over the sum of all ties, 0
    where there are none. ``stays``: which part of a passage's mass its other names send straight back.
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
    def of(ties: sparse.csr_array) -> Ways:
        """The ways of ties of shape (passages, names)."""
        rows, columns = ties.shape
        row_scale, name_scale = _inverse(ties.sum(axis=1)), _inverse(ties.sum(axis=0))
        row_of = np.repeat(np.arange(rows, dtype=np.int32), np.diff(ties.indptr))
        count = np.bincount(ties.indices, minlength=columns)
        shared = count[ties.indices] > 1
        stays = np.bincount(row_of[~shared], ties.data[~shared], rows) * row_scale
        order = np.lexsort((row_of, -ties.data, ties.indices))
        return Ways(
            row_begin=_begin(np.bincount(row_of[shared], minlength=rows)),
            row_names=ties.indices[shared].astype(np.int32),
            row_weights=ties.data[shared].astype(np.float32),
            name_begin=_begin(count),
            name_rows=row_of[order],
            name_shares=(ties.data * name_scale[ties.indices])[order].astype(np.float32),
            row_scale=row_scale,
            name_scale=name_scale,
            stays=stays.astype(np.float32),
        )

    @property
    def rows(self) -> int:
        """How many passages there are."""
        return len(self.row_scale)

    @property
    def names(self) -> int:
        """How many names there are."""
        return len(self.name_scale)

    def rows_of(self, name: int) -> NDArray[np.int32]:
        """The passages of one name, heaviest tie first."""
        return self.name_rows[self.name_begin[name] : self.name_begin[name + 1]]


def _inverse(sums: object) -> Floats:
    values = np.asarray(sums, np.float64).ravel()
    return np.divide(1.0, values, out=np.zeros_like(values), where=values > 0).astype(np.float32)


def _begin(counts: NDArray[np.int64]) -> NDArray[np.int32]:
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)


class Slots:
    """Groups node numbers without sorting them: one slot for each node, made once and never cleared.

    Args:
        size: node numbers are below this.
    """

    def __init__(self, size: int) -> None:
        self._slot = np.zeros(size, np.int32)

    def group(self, nodes: NDArray[np.integer[Any]]) -> tuple[Ints, NDArray[np.int32]]:
        """The distinct nodes, in the order of their last places, and for each of ``nodes`` its place among them."""
        places = np.arange(len(nodes), dtype=np.int32)
        self._slot[nodes] = places
        distinct = nodes[self._slot[nodes] == places].astype(np.int64)
        self._slot[distinct] = places[: len(distinct)]
        return distinct, self._slot[nodes]

    def places(self, grouped: Ints, nodes: Ints) -> tuple[NDArray[np.bool_], NDArray[np.int32]]:
        """Which of ``nodes`` are among ``grouped``, and the places of those."""
        self._slot[grouped] = np.arange(len(grouped), dtype=np.int32)
        place = self._slot[nodes]
        known = np.zeros(len(nodes), bool)
        if len(grouped):
            known = grouped[np.clip(place, 0, len(grouped) - 1)] == nodes
        return known, place[known]


def reach(ways: Ways, passages: Mapping[int, float], names: Mapping[int, float], near: int, slots: Slots) -> Ints:
    """The rows, in order, that a walk from the seeds passes through most.

    Args:
        ways: of the graph.
        passages: row -> mass above 0 that begins there; always among what is found.
        names: column -> mass above 0 that begins there.
        near: how many rows at most, besides those of ``passages``.
        slots: for as many nodes as there are rows and names.
    """
    at_p, mass_p = _parts(passages)
    at_n, mass_n = _parts(names)
    visited, passed = [at_p], [mass_p]
    for _ in range(STEPS):
        enough = mass_p > LEAST
        at_p, mass_p = at_p[enough], mass_p[enough]
        from_, ties = spread(ways.row_begin, at_p)
        sent = FORWARD * (mass_p * ways.row_scale[at_p])[from_] * ways.row_weights[ties]
        at_n, mass_n = _gathered(np.concatenate([at_n, ways.row_names[ties]]), np.concatenate([mass_n, sent]), slots)
        enough = mass_n > LEAST
        at_n, mass_n = at_n[enough], mass_n[enough]
        # no more than this many ties can each get the least that is sent on
        from_, ties = spread(ways.name_begin, at_n, np.minimum(np.ceil(FORWARD * mass_n / LEAST), MOST).astype(int))
        at_p, mass_p = _gathered(ways.name_rows[ties], FORWARD * mass_n[from_] * ways.name_shares[ties], slots)
        if not len(at_p):
            break
        visited.append(at_p)
        passed.append(mass_p)
        at_n, mass_n = _parts({})
    rows, total = _gathered(np.concatenate(visited), np.concatenate(passed), slots)
    if len(rows) > near:
        # equal ones in row order, so that the same question has one answer
        rows = rows[np.lexsort((rows, -total))[:near]]
    return np.union1d(rows, np.fromiter(passages, np.int64, len(passages)))


def _parts(mass: Mapping[int, float]) -> tuple[Ints, Mass]:
    return np.fromiter(mass, np.int64, len(mass)), np.fromiter(mass.values(), np.float64, len(mass))


def _gathered(nodes: NDArray[np.integer[Any]], mass: Mass, slots: Slots) -> tuple[Ints, Mass]:
    """Each node once, with all that came to it."""
    distinct, places = slots.group(nodes)
    return distinct, np.bincount(places, mass, len(distinct)).astype(np.float64, copy=False)
