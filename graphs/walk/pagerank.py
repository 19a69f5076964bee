"""Compute personalised PageRank (Haveliwala 2002) over passages and names, for several seedings at once.

A walk goes from a passage to a name in it, and on to another passage with that name. A name with one passage leads only
back to it, so it is folded into the share of mass that stays at the passage. In a store of up to `MAX_EXACT_PASSAGES`
passages the walk covers all of them. In a larger store it covers those that a forward push (`graphs.walk.forward_push`)
selects; the result is exact except for the mass that leaves them.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from graphs.walk.adjacency import Adjacency
from graphs.walk.forward_push import NodeGrouper, forward_push
from graphs.walk.transitions import LocalTransitions, Transitions
from kgrag.storage.arrays import load_arrays, save_arrays

Matrix = NDArray[np.float32]
Rows = NDArray[np.int64]
MAX_EXACT_PASSAGES = 8192
"""Maximum number of passages that a walk covers."""


@dataclass(frozen=True)
class SeedWeights:
    """Start of a walk, to which it also returns: rows and columns with weights above 0.

    ``damping`` in (0, 1) is the probability of continuing instead of returning.
    """

    passages: Mapping[int, float]
    names: Mapping[int, float]
    damping: float = 0.5


@dataclass(frozen=True)
class _Subgraph:
    """The edges among some passages and the names that they share with other passages.

    ``edges`` are (rows, names) weights; the scales are those of `Transitions`.
    """

    rows: Rows
    names: Rows
    edges: sparse.csr_array
    row_scale: Matrix
    stays: Matrix
    name_scale: Matrix


class PersonalizedPageRank:
    """Walks on one graph.

    Args:
        transitions: of the graph; in memory, on disk, or on a server.
        max_passages: maximum number of passages that a walk covers.
    """

    def __init__(self, transitions: Transitions, max_passages: int = MAX_EXACT_PASSAGES) -> None:
        self._transitions, self._max_passages = transitions, max_passages
        self._lock = threading.Lock()  # walks share the grouper's slots
        self._grouper = NodeGrouper(max(transitions.name_count, transitions.passage_count))

    @staticmethod
    def from_adjacency(graph: Adjacency, max_passages: int = MAX_EXACT_PASSAGES) -> PersonalizedPageRank:
        """Build a walker of ``graph`` in one pass over its edges."""
        return PersonalizedPageRank(LocalTransitions.from_edges(graph.edges), max_passages)

    def pagerank(self, seeds: Sequence[SeedWeights], steps: int = 8) -> Matrix:
        """Return scores of all passages for each seeding.

        Args:
            seeds: one walk each.
            steps: number of times from passages to names and back; the neglected part is ``damping ** (2 * steps)``.

        Returns:
            (passages, seedings), column-major; at least 0; a column of zeros for a seeding without seeds.
        """
        transitions = self._transitions
        scores = np.zeros((len(seeds), transitions.passage_count), np.float32).T
        damping = np.array([seed.damping for seed in seeds], np.float32)
        start_passages, start_names = self._start_mass(seeds)
        with self._lock:
            subgraph = self._subgraph_near(start_passages, start_names)
            passage_restart = np.zeros((len(subgraph.rows), len(seeds)), np.float32)
            name_restart = np.zeros((len(subgraph.names), len(seeds)), np.float32)
            passage_restart[np.searchsorted(subgraph.rows, list(start_passages))] = np.array(
                list(start_passages.values())
            ).reshape(-1, len(seeds))
            is_member, positions = self._grouper.positions_among(subgraph.names, np.array(list(start_names), np.int64))
            name_restart[positions] = np.array(list(start_names.values())).reshape(-1, len(seeds))[is_member]
        out_of_name = damping * subgraph.name_scale[:, None]
        through_name = damping * out_of_name
        out_of_passage = subgraph.row_scale[:, None]
        stay_share = subgraph.stays[:, None] * damping**2
        restart_from_names = out_of_name * name_restart
        backward = subgraph.edges.T
        passages = passage_restart
        for _ in range(steps):
            names = restart_from_names + through_name * (backward @ (out_of_passage * passages))
            passages = passage_restart + subgraph.edges @ names + stay_share * passages
        scores[subgraph.rows] = passages
        return scores

    def _start_mass(self, seeds: Sequence[SeedWeights]) -> tuple[dict[int, Matrix], dict[int, Matrix]]:
        """Map rows and columns to the starting mass of each walk.

        A name with a single passage is replaced by that passage.
        """
        start_passages: dict[int, Matrix] = {}
        start_names: dict[int, Matrix] = {}

        def add(start_mass: dict[int, Matrix], node: int, walk: int, weight: float) -> None:
            start_mass.setdefault(node, np.zeros(len(seeds), np.float32))[walk] += weight

        seed_columns = np.array(sorted({column for seed in seeds for column in seed.names}), np.int64)
        # a limit of two suffices to detect a single passage
        limits = np.full(len(seed_columns), 2)
        positions, passage_rows, _ = self._transitions.passages_of_names(seed_columns, limits)
        rows_of = {int(column): passage_rows[positions == n] for n, column in enumerate(seed_columns)}
        for walk, seed in enumerate(seeds):
            total = sum(seed.passages.values()) + sum(seed.names.values())
            for row, weight in seed.passages.items():
                add(start_passages, row, walk, weight / total)
            for column, weight in seed.names.items():
                rows = rows_of[column]
                if len(rows) == 1:
                    add(start_passages, int(rows[0]), walk, seed.damping * weight / total)
                elif len(rows):
                    add(start_names, column, walk, weight / total)
        return start_passages, start_names

    def _subgraph_near(self, start_passages: Mapping[int, Matrix], start_names: Mapping[int, Matrix]) -> _Subgraph:
        if self._transitions.passage_count <= self._max_passages:
            return self._whole_graph
        mean_mass = [
            {node: float(mass.mean()) for node, mass in start.items()} for start in (start_passages, start_names)
        ]
        return self._subgraph_of(
            forward_push(self._transitions, mean_mass[0], mean_mass[1], self._max_passages, self._grouper)
        )

    @cached_property
    def _whole_graph(self) -> _Subgraph:
        return self._subgraph_of(np.arange(self._transitions.passage_count))

    def _subgraph_of(self, rows: Rows) -> _Subgraph:
        """Return the subgraph of the given rows, in order."""
        positions, name_columns, weights = self._transitions.names_of_passages(rows)
        names, local_columns = self._grouper.group(name_columns)
        begin = np.zeros(len(rows) + 1, np.int64)
        np.cumsum(np.bincount(positions, minlength=len(rows)), out=begin[1:])
        edges = sparse.csr_array((weights, local_columns, begin), shape=(len(rows), len(names)))
        return _Subgraph(rows, names, edges, *self._transitions.row_scales(rows), self._transitions.name_scales(names))

    def save(self, folder: Path) -> None:
        """Write the arrays to ``folder``, atomically; only for local transitions."""
        assert isinstance(self._transitions, LocalTransitions)
        save_arrays(folder, vars(self._transitions))

    @staticmethod
    def load(folder: Path) -> PersonalizedPageRank:
        """Load a saved walker; the arrays are read from disk on demand."""
        return PersonalizedPageRank(LocalTransitions(**load_arrays(folder)))
