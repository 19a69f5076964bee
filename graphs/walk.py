"""Personalised PageRank (Haveliwala 2002) over passages and names, several seedings at once.

A walk goes from a passage to a name in it and on to another passage with that name. Names with one passage lead
nowhere but back, so they are folded into a share that stays; what remains is a quarter of the graph.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from graphs.adjacency import Adjacency, row_normalised

Matrix = NDArray[np.float32]


@dataclass(frozen=True)
class Seeds:
    """Where a walk begins and returns to: rows and columns with weights above 0; ``damping`` in (0, 1) is the chance
    of going on rather than back."""

    passages: Mapping[int, float]
    names: Mapping[int, float]
    damping: float = 0.5


class Walker:
    """Walks one graph; building it costs one pass over the ties."""

    def __init__(self, graph: Adjacency) -> None:
        frequency = np.diff(graph.ties.tocsc().indptr)
        self._shared = np.flatnonzero(frequency > 1)
        outward = row_normalised(graph.ties)
        inward = row_normalised(sparse.csr_array(graph.ties.T.tocsr()))
        self._inward = inward
        self._to_names = sparse.csr_array(outward.T.tocsr()[self._shared])
        self._to_passages = sparse.csr_array(inward[self._shared].T.tocsr())
        self._column = np.full(graph.ties.shape[1], -1, np.int64)
        self._column[self._shared] = np.arange(len(self._shared))
        single = np.flatnonzero(frequency == 1)
        self._stays = np.asarray(outward.tocsc()[:, single].sum(axis=1)).ravel().astype(np.float32)
        self._rows = graph.ties.shape[0]

    def pagerank(self, seeds: Sequence[Seeds], steps: int = 8) -> Matrix:
        """Scores of all passages for each seeding.

        Args:
            seeds: one walk each.
            steps: times from passages to names and back; ``damping ** (2 * steps)`` is what is neglected.

        Returns:
            (passages, seedings), 0 or more; a column of zeros where there were no seeds.
        """
        damping = np.array([s.damping for s in seeds], np.float32)
        start_p = np.zeros((self._rows, len(seeds)), np.float32)
        start_n = np.zeros((len(self._shared), len(seeds)), np.float32)
        for walk, seed in enumerate(seeds):
            total = sum(seed.passages.values()) + sum(seed.names.values())
            for row, weight in seed.passages.items():
                start_p[row, walk] += weight / total
            for column, weight in seed.names.items():
                place = self._column[column]
                if place >= 0:
                    start_n[place, walk] += weight / total
                elif self._inward.indptr[column] < self._inward.indptr[column + 1]:
                    only = self._inward.indices[self._inward.indptr[column]]
                    start_p[only, walk] += seed.damping * weight / total
        passages = start_p
        stays = self._stays[:, None] * damping**2
        for _ in range(steps):
            names = start_n + damping * (self._to_names @ passages)
            passages = start_p + damping * (self._to_passages @ names) + stays * passages
        return passages
