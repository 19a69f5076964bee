"""Packing of several sequences into one: a trie of shared prefixes, in which a sequence attends only to itself.

A token is stored once for all sequences with the same tokens up to it. It attends to the tokens on its path from the
root, and its position is its depth, so its activations are the same as in each sequence alone. The instruction is
shared by all examples of a language, the evidence by all questions on it; nothing is padded.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kgrag.tune.training.tokenization import EncodedExample

TokenArray = NDArray[np.int64]
MIN_SHARED_PREFIX = 0.5
"""Sequences belong to one family if they share this part of the shorter one's prompt."""


@dataclass(frozen=True, eq=False)
class PackedSequence:
    """T tokens with their ``ids``, ``depth`` and ``parent`` (-1: none), and n ``targets`` to predict.

    Token ``predicting_tokens[i]`` predicts ``targets[i]`` for sequence ``members[owner[i]]``; ``unpacked_tokens``
    counts the tokens of the sequences one by one.
    """

    ids: TokenArray
    depth: TokenArray
    parent: TokenArray
    predicting_tokens: TokenArray
    targets: TokenArray
    owner: TokenArray
    members: tuple[int, ...]
    unpacked_tokens: int

    def attention_mask(self) -> NDArray[np.bool_]:
        """Return (T, T): whether the token of a row attends to that of a column."""
        mask = np.zeros((len(self.ids), len(self.ids)), dtype=bool)
        for token, parent in enumerate(self.parent):
            if parent >= 0:
                mask[token] = mask[parent]
            mask[token, token] = True
        return mask

    def __len__(self) -> int:
        return len(self.ids)


class _TokenTrie:
    """A trie of sequences; the last token of each is left out, because it is only a target."""

    def __init__(self) -> None:
        self.children: dict[tuple[int, int], int] = {}
        self.members: list[int] = []

    def count_new_tokens(self, ids: Sequence[int]) -> int:
        """Return the number of tokens that a sequence would add."""
        node = -1
        for place, token in enumerate(ids[:-1]):
            child = self.children.get((node, token))
            if child is None:
                return len(ids) - 1 - place
            node = child
        return 0

    def add(self, ids: Sequence[int]) -> list[int]:
        """Add a sequence and return the nodes of its tokens except the last."""
        node, path = -1, []
        for token in ids[:-1]:
            node = self.children.setdefault((node, token), len(self.children))
            path.append(node)
        return path


def build_pack(sequences: Sequence[EncodedExample], members: Sequence[int]) -> PackedSequence:
    """Build the pack of some of the sequences, given by number."""
    trie = _TokenTrie()
    rows: list[int] = []
    targets: list[int] = []
    owner: list[int] = []
    for place, number in enumerate(members):
        sequence = sequences[number]
        path = trie.add(sequence.ids)
        rows += path[sequence.answer_start - 1 :]
        targets += sequence.ids[sequence.answer_start :]
        owner += [place] * sequence.answer_length
    parent = np.array([parent_node for parent_node, _ in trie.children], dtype=np.int64)
    ids = np.array([token for _, token in trie.children], dtype=np.int64)
    depth = np.zeros(len(ids), dtype=np.int64)
    for token, parent_node in enumerate(parent):
        depth[token] = depth[parent_node] + 1 if parent_node >= 0 else 0
    unpacked_tokens = sum(len(sequences[number].ids) for number in members)
    rows_, targets_, owner_ = (np.array(values, dtype=np.int64) for values in (rows, targets, owner))
    return PackedSequence(ids, depth, parent, rows_, targets_, owner_, tuple(members), unpacked_tokens)


def group_by_prefix(sequences: Sequence[EncodedExample]) -> list[list[int]]:
    """Group sequences with a common prefix and return their numbers, in the order of their ids."""
    order = sorted(range(len(sequences)), key=lambda number: sequences[number].ids)
    groups: list[list[int]] = []
    for number in order:
        if groups:
            previous, current = sequences[groups[-1][-1]], sequences[number]
            if _shared_prefix_length(previous.ids, current.ids) >= MIN_SHARED_PREFIX * min(
                previous.answer_start, current.answer_start
            ):
                groups[-1].append(number)
                continue
        groups.append([number])
    return groups


def build_packs(
    sequences: Sequence[EncodedExample],
    max_tokens: int,
    *,
    max_sequences: int,
    seed: int = 0,
    units: Iterable[Sequence[int]] = (),
) -> list[PackedSequence]:
    """Build packs in a seeded order; sequences with a common prefix stay together if they fit.

    Args:
        sequences: the sequences to pack.
        max_tokens: tokens of a pack.
        max_sequences: sequences of a pack.
        seed: seed of the order.
        units: sequences that must stay in one pack (the two of a pair); without any, each is a unit by itself. A unit
            that is larger than a pack gets one of its own.
    """
    unit_by_first = {unit[0]: tuple(unit) for unit in units} or {number: (number,) for number in range(len(sequences))}
    groups = [[number for number in family if number in unit_by_first] for family in group_by_prefix(sequences)]
    groups = [family for family in groups if family]
    random.Random(seed).shuffle(groups)
    member_lists: list[list[int]] = []
    trie, members = _TokenTrie(), list[int]()
    for group in groups:
        group_trie = _TokenTrie()
        for number in group:
            for member in unit_by_first[number]:
                group_trie.add(sequences[member].ids)
        # a family that the end of this pack would split, and that fits in the next one, starts a new pack
        starts_new_pack = len(trie.children) + len(group_trie.children) > max_tokens >= len(group_trie.children)
        for place, number in enumerate(group):
            unit = unit_by_first[number]
            # an upper bound: tokens that a unit's own sequences share are counted twice
            new_tokens = sum(trie.count_new_tokens(sequences[member].ids) for member in unit)
            is_full = len(trie.children) + new_tokens > max_tokens or len(members) + len(unit) > max(
                max_sequences, len(unit)
            )
            if members and (is_full or (place == 0 and starts_new_pack)):
                member_lists.append(members)
                trie, members = _TokenTrie(), []
            for member in unit:
                trie.add(sequences[member].ids)
                members.append(member)
    if members:
        member_lists.append(members)
    return [build_pack(sequences, member_list) for member_list in member_lists]


def _shared_prefix_length(a: Sequence[int], b: Sequence[int]) -> int:
    """Return the length of the common prefix of two sequences."""
    return next((n for n, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
