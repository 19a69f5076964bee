"""Personalised PageRank (Haveliwala 2002) over passages and names, several seedings at once, near the seeds.

A walk goes from a passage to a name in it and on to another passage with that name. Names with one passage lead
nowhere but back, so they are folded into a share that stays. In a store of up to `NEAR` passages every one is walked;
in a larger one those that a forward push (`graphs.frontier`) finds to matter, which is exact but for what leaves them.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from graphs.adjacency import Adjacency
from graphs.frontier import Slots, reach
from graphs.ways import LocalWays, Ways
from kgrag.arrays import load_arrays, save_arrays

Matrix = NDArray[np.float32]
Rows = NDArray[np.int64]
NEAR = 8192
"""Passages that are walked at most."""


@dataclass(frozen=True)
class Seeds:
    """Where a walk begins and returns to: rows and columns with weights above 0; ``damping`` in (0, 1) is the chance
    of going on rather than back."""

    passages: Mapping[int, float]
    names: Mapping[int, float]
    damping: float = 0.5


@dataclass(frozen=True)
class _Part:
    """``ties``: (rows, names) weights among some passages and the names that they share with any other; the rest as
    `Ways` gives it of those."""

    rows: Rows
    names: Rows
    ties: sparse.csr_array
    row_scale: Matrix
    stays: Matrix
    name_scale: Matrix


class Walker:
    """Walks one graph.

    Args:
        ways: of the graph; in memory, on the disk, or on a server.
        near: passages that are walked at most.
    """

    def __init__(self, ways: Ways, near: int = NEAR) -> None:
        self._ways, self._near = ways, near
        self._lock = threading.Lock()  # walks share the slots
        self._slots = Slots(max(ways.names, ways.rows))

    @staticmethod
    def of(graph: Adjacency, near: int = NEAR) -> Walker:
        """A walker of ``graph``; takes one pass over its ties."""
        return Walker(LocalWays.of(graph.ties), near)

    def pagerank(self, seeds: Sequence[Seeds], steps: int = 8) -> Matrix:
        """Scores of all passages for each seeding.

        Args:
            seeds: one walk each.
            steps: times from passages to names and back; ``damping ** (2 * steps)`` is what is neglected.

        Returns:
            (passages, seedings), column by column in memory; 0 or more; a column of zeros where there were no seeds.
        """
        ways = self._ways
        scores = np.zeros((len(seeds), ways.rows), np.float32).T
        damping = np.array([seed.damping for seed in seeds], np.float32)
        start_p, start_n = self._starts(seeds)
        with self._lock:
            part = self._part(start_p, start_n)
            at_p = np.zeros((len(part.rows), len(seeds)), np.float32)
            at_n = np.zeros((len(part.names), len(seeds)), np.float32)
            at_p[np.searchsorted(part.rows, list(start_p))] = np.array(list(start_p.values())).reshape(-1, len(seeds))
            kept, places = self._slots.places(part.names, np.array(list(start_n), np.int64))
            at_n[places] = np.array(list(start_n.values())).reshape(-1, len(seeds))[kept]
        out_of_name = damping * part.name_scale[:, None]
        through = damping * out_of_name
        out_of_passage = part.row_scale[:, None]
        stays = part.stays[:, None] * damping**2
        begun = out_of_name * at_n
        backward = part.ties.T
        passages = at_p
        for _ in range(steps):
            names = begun + through * (backward @ (out_of_passage * passages))
            passages = at_p + part.ties @ names + stays * passages
        scores[part.rows] = passages
        return scores

    def _starts(self, seeds: Sequence[Seeds]) -> tuple[dict[int, Matrix], dict[int, Matrix]]:
        """row -> and column -> what each walk begins with there; a name with one passage is that passage."""
        start_p: dict[int, Matrix] = {}
        start_n: dict[int, Matrix] = {}

        def add(where: dict[int, Matrix], node: int, walk: int, weight: float) -> None:
            where.setdefault(node, np.zeros(len(seeds), np.float32))[walk] += weight

        named = np.array(sorted({column for seed in seeds for column in seed.names}), np.int64)
        place, found, _ = self._ways.of_names(named, np.full(len(named), 2))  # two tell whether there is one
        rows_of = {int(column): found[place == n] for n, column in enumerate(named)}
        for walk, seed in enumerate(seeds):
            total = sum(seed.passages.values()) + sum(seed.names.values())
            for row, weight in seed.passages.items():
                add(start_p, row, walk, weight / total)
            for column, weight in seed.names.items():
                rows = rows_of[column]
                if len(rows) == 1:
                    add(start_p, int(rows[0]), walk, seed.damping * weight / total)
                elif len(rows):
                    add(start_n, column, walk, weight / total)
        return start_p, start_n

    def _part(self, start_p: Mapping[int, Matrix], start_n: Mapping[int, Matrix]) -> _Part:
        if self._ways.rows <= self._near:
            return self._whole
        means = [{node: float(each.mean()) for node, each in start.items()} for start in (start_p, start_n)]
        return self._among(reach(self._ways, means[0], means[1], self._near, self._slots))

    @cached_property
    def _whole(self) -> _Part:
        return self._among(np.arange(self._ways.rows))

    def _among(self, rows: Rows) -> _Part:
        """The part of some rows, in order."""
        place, tied, weights = self._ways.of_rows(rows)
        names, local = self._slots.group(tied)
        begin = np.zeros(len(rows) + 1, np.int64)
        np.cumsum(np.bincount(place, minlength=len(rows)), out=begin[1:])
        ties = sparse.csr_array((weights, local, begin), shape=(len(rows), len(names)))
        return _Part(rows, names, ties, *self._ways.row_scales(rows), self._ways.name_scales(names))

    def save(self, folder: Path) -> None:
        """Write the arrays to ``folder``, whole or not at all; a server's ties stay there."""
        assert isinstance(self._ways, LocalWays)
        save_arrays(folder, vars(self._ways))

    @staticmethod
    def load(folder: Path) -> Walker:
        """Read what `save` wrote, from the disk as it is walked."""
        arrays: dict[str, Any] = load_arrays(folder)
        return Walker(LocalWays(**arrays))
