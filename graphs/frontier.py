"""Which passages a walk from some seeds matters to, found without looking at the others.

Forward push (Andersen, Chung and Lang 2006): the seeds' mass flows along the ties, and what is less than `LEAST`
flows no further. A name sends at most `MOST` passages their share, those that it is tied to most first: the
passages that a very common name leads to say next to nothing, and looking at each would take the whole time.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphs.ways import Ints, Ways

Mass = NDArray[np.float64]
LEAST = 3e-6
"""Of all that begins at the seeds, the part that is still sent on."""
MOST = 5_000
FORWARD = 0.8
"""The chance of going on: that of the walk that goes furthest."""
STEPS = 4


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
        from_, to, weights = ways.of_rows(at_p)
        sent = FORWARD * (mass_p * ways.row_scales(at_p)[0])[from_] * weights
        at_n, mass_n = _gathered(np.concatenate([at_n, to]), np.concatenate([mass_n, sent]), slots)
        enough = mass_n > LEAST
        at_n, mass_n = at_n[enough], mass_n[enough]
        # no more than this many ties can each get the least that is sent on
        most = np.minimum(np.ceil(FORWARD * mass_n / LEAST), MOST).astype(np.int64)
        from_, to, shares = ways.of_names(at_n, most)
        at_p, mass_p = _gathered(to, FORWARD * mass_n[from_] * shares, slots)
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
