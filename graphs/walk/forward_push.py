"""Find the passages that matter to a walk from some seeds, without visiting the others.

Forward push (Andersen, Chung and Lang 2006): the seeds' mass flows along the edges, and a share below `PUSH_THRESHOLD`
flows no further. A name sends mass to at most `MAX_PASSAGES_PER_NAME` passages, those with the heaviest edges. The
passages of a very frequent name carry little information, and visiting each would take most of the time.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphs.walk.transitions import Ints, Transitions

Mass = NDArray[np.float64]
PUSH_THRESHOLD = 3e-6
"""Smallest share of the seeds' total mass that is still pushed on."""
MAX_PASSAGES_PER_NAME = 5_000
FORWARD_PROBABILITY = 0.8
"""Probability that a walk continues: the highest damping in use."""
MAX_STEPS = 4


class NodeGrouper:
    """Groups node numbers without sorting, in a reusable array with one slot per node.

    Args:
        size: node numbers are below this.
    """

    def __init__(self, size: int) -> None:
        self._slot = np.zeros(size, np.int32)

    def group(self, nodes: NDArray[np.integer[Any]]) -> tuple[Ints, NDArray[np.int32]]:
        """Return the distinct nodes, ordered by last occurrence, and the position of each node among them."""
        positions = np.arange(len(nodes), dtype=np.int32)
        self._slot[nodes] = positions
        distinct = nodes[self._slot[nodes] == positions].astype(np.int64)
        self._slot[distinct] = positions[: len(distinct)]
        return distinct, self._slot[nodes]

    def positions_among(self, grouped: Ints, nodes: Ints) -> tuple[NDArray[np.bool_], NDArray[np.int32]]:
        """Return which of ``nodes`` are among ``grouped``, and the positions of those."""
        self._slot[grouped] = np.arange(len(grouped), dtype=np.int32)
        positions = self._slot[nodes]
        is_member = np.zeros(len(nodes), bool)
        if len(grouped):
            is_member = grouped[np.clip(positions, 0, len(grouped) - 1)] == nodes
        return is_member, positions[is_member]


def forward_push(
    transitions: Transitions,
    passages: Mapping[int, float],
    names: Mapping[int, float],
    max_passages: int,
    grouper: NodeGrouper,
) -> Ints:
    """Return the rows, in order, that walks from the seeds visit most.

    Args:
        transitions: of the graph.
        passages: row -> mass above 0 that starts there; these rows are always in the result.
        names: column -> mass above 0 that starts there.
        max_passages: maximum number of rows, besides those of ``passages``.
        grouper: with at least as many slots as there are rows and as there are names.
    """
    passage_nodes, passage_mass = _to_arrays(passages)
    name_nodes, name_mass = _to_arrays(names)
    visited_nodes, visited_mass = [passage_nodes], [passage_mass]
    for _ in range(MAX_STEPS):
        above_threshold = passage_mass > PUSH_THRESHOLD
        passage_nodes, passage_mass = passage_nodes[above_threshold], passage_mass[above_threshold]
        source_positions, target_nodes, weights = transitions.names_of_passages(passage_nodes)
        sent_mass = (
            FORWARD_PROBABILITY * (passage_mass * transitions.row_scales(passage_nodes)[0])[source_positions] * weights
        )
        name_nodes, name_mass = _sum_by_node(
            np.concatenate([name_nodes, target_nodes]), np.concatenate([name_mass, sent_mass]), grouper
        )
        above_threshold = name_mass > PUSH_THRESHOLD
        name_nodes, name_mass = name_nodes[above_threshold], name_mass[above_threshold]
        # more edges than this could not each get a share above the threshold
        max_targets = np.minimum(
            np.ceil(FORWARD_PROBABILITY * name_mass / PUSH_THRESHOLD), MAX_PASSAGES_PER_NAME
        ).astype(np.int64)
        source_positions, target_nodes, shares = transitions.passages_of_names(name_nodes, max_targets)
        passage_nodes, passage_mass = _sum_by_node(
            target_nodes, FORWARD_PROBABILITY * name_mass[source_positions] * shares, grouper
        )
        if not len(passage_nodes):
            break
        visited_nodes.append(passage_nodes)
        visited_mass.append(passage_mass)
        name_nodes, name_mass = _to_arrays({})
    rows, total = _sum_by_node(np.concatenate(visited_nodes), np.concatenate(visited_mass), grouper)
    if len(rows) > max_passages:
        # ties in row order, so that the result is deterministic
        rows = rows[np.lexsort((rows, -total))[:max_passages]]
    return np.union1d(rows, np.fromiter(passages, np.int64, len(passages)))


def _to_arrays(mass: Mapping[int, float]) -> tuple[Ints, Mass]:
    return np.fromiter(mass, np.int64, len(mass)), np.fromiter(mass.values(), np.float64, len(mass))


def _sum_by_node(nodes: NDArray[np.integer[Any]], mass: Mass, grouper: NodeGrouper) -> tuple[Ints, Mass]:
    """Return each node once, with the sum of its mass."""
    distinct, positions = grouper.group(nodes)
    return distinct, np.bincount(positions, mass, len(distinct)).astype(np.float64, copy=False)
