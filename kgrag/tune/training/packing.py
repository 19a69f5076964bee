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

from kgrag.tune.training.encoding import Encoded

Ints = NDArray[np.int64]
ALIKE = 0.5
"""Sequences belong together that share this part of the shorter one's prompt."""


@dataclass(frozen=True, eq=False)
class Pack:
    """``ids``, ``depth`` and ``parent`` of T tokens (parent -1: none); what is predicted are n ``targets``.

    ``rows[i]`` is the token whose output predicts ``targets[i]`` for sequence ``members[owner[i]]``; ``plain`` is how
    many tokens the sequences have one by one.
    """

    ids: Ints
    depth: Ints
    parent: Ints
    rows: Ints
    targets: Ints
    owner: Ints
    members: tuple[int, ...]
    plain: int

    def seen(self) -> NDArray[np.bool_]:
        """(T, T): whether the token of a row sees that of a column."""
        mask = np.zeros((len(self.ids), len(self.ids)), dtype=bool)
        for token, parent in enumerate(self.parent):
            if parent >= 0:
                mask[token] = mask[parent]
            mask[token, token] = True
        return mask

    def __len__(self) -> int:
        return len(self.ids)


class _Trie:
    """Grows by whole sequences; the last token of one predicts nothing, so it is a target alone."""

    def __init__(self) -> None:
        self.children: dict[tuple[int, int], int] = {}
        self.members: list[int] = []

    def new(self, ids: Sequence[int]) -> int:
        """How many tokens a sequence would add."""
        node = -1
        for place, token in enumerate(ids[:-1]):
            following = self.children.get((node, token))
            if following is None:
                return len(ids) - 1 - place
            node = following
        return 0

    def add(self, ids: Sequence[int]) -> list[int]:
        """Add a sequence; the nodes of its tokens but the last."""
        node, way = -1, []
        for token in ids[:-1]:
            node = self.children.setdefault((node, token), len(self.children))
            way.append(node)
        return way


def lay(sequences: Sequence[Encoded], members: Sequence[int]) -> Pack:
    """The pack of some of the sequences (their numbers)."""
    trie = _Trie()
    rows: list[int] = []
    targets: list[int] = []
    owner: list[int] = []
    for place, number in enumerate(members):
        one = sequences[number]
        way = trie.add(one.ids)
        rows += way[one.start - 1 :]
        targets += one.ids[one.start :]
        owner += [place] * one.answer
    parent = np.array([before for before, _ in trie.children], dtype=np.int64)
    ids = np.array([token for _, token in trie.children], dtype=np.int64)
    depth = np.zeros(len(ids), dtype=np.int64)
    for token, before in enumerate(parent):
        depth[token] = depth[before] + 1 if before >= 0 else 0
    plain = sum(len(sequences[number].ids) for number in members)
    rows_, targets_, owner_ = (np.array(one, dtype=np.int64) for one in (rows, targets, owner))
    return Pack(ids, depth, parent, rows_, targets_, owner_, tuple(members), plain)


def families(sequences: Sequence[Encoded]) -> list[list[int]]:
    """The numbers of sequences that begin alike, together: in the order of their ids."""
    order = sorted(range(len(sequences)), key=lambda number: sequences[number].ids)
    found: list[list[int]] = []
    for number in order:
        if found:
            last, one = sequences[found[-1][-1]], sequences[number]
            if _common(last.ids, one.ids) >= ALIKE * min(last.start, one.start):
                found[-1].append(number)
                continue
        found.append([number])
    return found


def packs(
    sequences: Sequence[Encoded], tokens: int, *, together: int, seed: int = 0, units: Iterable[Sequence[int]] = ()
) -> list[Pack]:
    """Packs of at most ``tokens`` tokens and ``together`` sequences, families whole where they fit, in a seeded order.

    ``units`` are sequences that must stay in one pack (the two of a pair); without any, each is one by itself. A unit
    that is larger than a pack gets one of its own.
    """
    whole = {unit[0]: tuple(unit) for unit in units} or {number: (number,) for number in range(len(sequences))}
    kin = [[number for number in family if number in whole] for family in families(sequences)]
    kin = [family for family in kin if family]
    random.Random(seed).shuffle(kin)
    made: list[list[int]] = []
    trie, members = _Trie(), list[int]()
    for family in kin:
        size = _Trie()
        for number in family:
            for one in whole[number]:
                size.add(sequences[one].ids)
        # a family that would be cut by the end of this pack, and fits the next one, waits for it
        waits = len(trie.children) + len(size.children) > tokens >= len(size.children)
        for place, number in enumerate(family):
            unit = whole[number]
            new = sum(trie.new(sequences[one].ids) for one in unit)  # of two alike a little too much: a bound
            full = len(trie.children) + new > tokens or len(members) + len(unit) > max(together, len(unit))
            if members and (full or (place == 0 and waits)):
                made.append(members)
                trie, members = _Trie(), []
            for one in unit:
                trie.add(sequences[one].ids)
                members.append(one)
    if members:
        made.append(members)
    return [lay(sequences, one) for one in made]


def _common(a: Sequence[int], b: Sequence[int]) -> int:
    """How many ids two sequences begin alike with."""
    return next((n for n, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
