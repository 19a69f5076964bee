"""Personalised PageRank (Haveliwala 2002) over passages and names, several seedings at once, near the seeds.

A walk goes from a passage to a name in it and on to another passage with that name. Names with one passage lead
nowhere but back, so they are folded into a share that stays. In a store of up to `NEAR` passages every one is walked;
in a larger one those that a forward push (`graphs.walk.forward_push`) finds to matter, which is exact but for what leaves them.
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

from graphs.walk.adjacency import Adjacency
from graphs.walk.forward_push import NodeGrouper, forward_push
from graphs.walk.transitions import LocalTransitions, Transitions
from kgrag.storage.arrays import load_arrays, save_arrays

Matrix = NDArray[np.float32]
Rows = NDArray[np.int64]
MAX_EXACT_PASSAGES = 8192
"""Passages that are walked at most."""


@dataclass(frozen=True)
class SeedWeights:
    """Where a walk begins and returns to: rows and columns with weights above 0; ``damping`` in (0, 1) is the chance
    of going on rather than back."""

    passages: Mapping[int, float]
    names: Mapping[int, float]
    damping: float = 0.5


@dataclass(frozen=True)
class _Subgraph:
    """``ties``: (rows, names) weights among some passages and the names that they share with any other; the rest as
    `Ways` gives it of those."""

    rows: Rows
    names: Rows
    edges: sparse.csr_array
    row_scale: Matrix
    stays: Matrix
    name_scale: Matrix


class PersonalizedPageRank:
    """Walks one graph.

    Args:
        ways: of the graph; in memory, on the disk, or on a server.
        near: passages that are walked at most.
    """

    def __init__(self, transitions: Transitions, max_passages: int = MAX_EXACT_PASSAGES) -> None:
        self._transitions, self._max_passages = transitions, max_passages
        self._lock = threading.Lock()  # walks share the slots
        self._grouper = NodeGrouper(max(transitions.name_count, transitions.passage_count))

    @staticmethod
    def from_adjacency(graph: Adjacency, max_passages: int = MAX_EXACT_PASSAGES) -> PersonalizedPageRank:
        """A walker of ``graph``; takes one pass over its ties."""
        return PersonalizedPageRank(LocalTransitions.from_edges(graph.edges), max_passages)

    def pagerank(self, seeds: Sequence[SeedWeights], steps: int = 8) -> Matrix:
        """Scores of all passages for each seeding.

        Args:
            seeds: one walk each.
            steps: times from passages to names and back; ``damping ** (2 * steps)`` is what is neglected.

        Returns:
            (passages, seedings), column by column in memory; 0 or more; a column of zeros where there were no seeds.
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
        """row -> and column -> what each walk begins with there; a name with one passage is that passage."""
        start_passages: dict[int, Matrix] = {}
        start_names: dict[int, Matrix] = {}

        def add(start_mass: dict[int, Matrix], node: int, walk: int, weight: float) -> None:
            start_mass.setdefault(node, np.zeros(len(seeds), np.float32))[walk] += weight

        seed_columns = np.array(sorted({column for seed in seeds for column in seed.names}), np.int64)
        positions, passage_rows, _ = self._transitions.passages_of_names(
            seed_columns, np.full(len(seed_columns), 2)
        )  # two tell whether there is one
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
            {node: float(each.mean()) for node, each in start.items()} for start in (start_passages, start_names)
        ]
        return self._subgraph_of(
            forward_push(self._transitions, mean_mass[0], mean_mass[1], self._max_passages, self._grouper)
        )

    @cached_property
    def _whole_graph(self) -> _Subgraph:
        return self._subgraph_of(np.arange(self._transitions.passage_count))

    def _subgraph_of(self, rows: Rows) -> _Subgraph:
        """The part of some rows, in order."""
        positions, name_columns, weights = self._transitions.names_of_passages(rows)
        names, local_columns = self._grouper.group(name_columns)
        begin = np.zeros(len(rows) + 1, np.int64)
        np.cumsum(np.bincount(positions, minlength=len(rows)), out=begin[1:])
        edges = sparse.csr_array((weights, local_columns, begin), shape=(len(rows), len(names)))
        return _Subgraph(rows, names, edges, *self._transitions.row_scales(rows), self._transitions.name_scales(names))

    def save(self, folder: Path) -> None:
        """Write the arrays to ``folder``, whole or not at all; a server's ties stay there."""
        assert isinstance(self._transitions, LocalTransitions)
        save_arrays(folder, vars(self._transitions))

    @staticmethod
    def load(folder: Path) -> PersonalizedPageRank:
        """Read what `save` wrote, from the disk as it is walked."""
        arrays: dict[str, Any] = load_arrays(folder)
        return PersonalizedPageRank(LocalTransitions(**arrays))
