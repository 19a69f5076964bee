"""Several sequences as one: what they begin alike is there once, as in a trie, and each sees what is its own alone.

A token stands once for all sequences that have the same tokens up to it. It sees those before it on its way from the
root, and its position is its depth, so that what is computed for it is what would be in each sequence by itself. The
instruction is shared by all of a language, the evidence by all questions on it; nothing is padded.
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
"""Sequences belong together that share this part of the shorter one's prompt."""


@dataclass(frozen=True, eq=False)
class PackedSequence:
    """``ids``, ``depth`` and ``parent`` of T tokens (parent -1: none); what is predicted are n ``targets``.

    ``rows[i]`` is the token whose output predicts ``targets[i]`` for sequence ``members[owner[i]]``; ``plain`` is how
    many tokens the sequences have one by one.
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
        """(T, T): whether the token of a row sees that of a column."""
        mask = np.zeros((len(self.ids), len(self.ids)), dtype=bool)
        for token, parent in enumerate(self.parent):
            if parent >= 0:
                mask[token] = mask[parent]
            mask[token, token] = True
        return mask

    def __len__(self) -> int:
        return len(self.ids)


class _TokenTrie:
    """Grows by whole sequences; the last token of one predicts nothing, so it is a target alone."""

    def __init__(self) -> None:
        self.children: dict[tuple[int, int], int] = {}
        self.members: list[int] = []

    def count_new_tokens(self, ids: Sequence[int]) -> int:
        """How many tokens a sequence would add."""
        node = -1
        for place, token in enumerate(ids[:-1]):
            child = self.children.get((node, token))
            if child is None:
                return len(ids) - 1 - place
            node = child
        return 0

    def add(self, ids: Sequence[int]) -> list[int]:
        """Add a sequence; the nodes of its tokens but the last."""
        node, path = -1, []
        for token in ids[:-1]:
            node = self.children.setdefault((node, token), len(self.children))
            path.append(node)
        return path


def build_pack(sequences: Sequence[EncodedExample], members: Sequence[int]) -> PackedSequence:
    """The pack of some of the sequences (their numbers)."""
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
    parent = np.array([before for before, _ in trie.children], dtype=np.int64)
    ids = np.array([token for _, token in trie.children], dtype=np.int64)
    depth = np.zeros(len(ids), dtype=np.int64)
    for token, parent_node in enumerate(parent):
        depth[token] = depth[parent_node] + 1 if parent_node >= 0 else 0
    unpacked_tokens = sum(len(sequences[number].ids) for number in members)
    rows_, targets_, owner_ = (np.array(one, dtype=np.int64) for one in (rows, targets, owner))
    return PackedSequence(ids, depth, parent, rows_, targets_, owner_, tuple(members), unpacked_tokens)


def group_by_prefix(sequences: Sequence[EncodedExample]) -> list[list[int]]:
    """The numbers of sequences that begin alike, together: in the order of their ids."""
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
    """Packs of at most ``tokens`` tokens and ``together`` sequences, families whole where they fit, in a seeded order.

    ``units`` are sequences that must stay in one pack (the two of a pair); without any, each is one by itself. A unit
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
        # a family that would be cut by the end of this pack, and fits the next one, waits for it
        starts_new_pack = len(trie.children) + len(group_trie.children) > max_tokens >= len(group_trie.children)
        for place, number in enumerate(group):
            unit = unit_by_first[number]
            new_tokens = sum(
                trie.count_new_tokens(sequences[one].ids) for one in unit
            )  # of two alike a little too much: a bound
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
    return [build_pack(sequences, one) for one in member_lists]


def _shared_prefix_length(a: Sequence[int], b: Sequence[int]) -> int:
    """How many ids two sequences begin alike with."""
    return next((n for n, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
