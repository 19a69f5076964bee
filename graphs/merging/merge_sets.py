"""Group merged entities into sets, with a reason for each merge."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

from kgrag.storage.atomic import atomic_folder

USER, DECLARED, HONORIFIC, COMPANY, INITIALS = "user", "declared", "honorific", "company form", "initials"
"""Reasons of merges: see `graphs/merging/rules.py`."""


@dataclass(frozen=True, slots=True)
class Merge:
    """An entity merged into another: both ids, one of the reasons above, and the document that declares it or ""."""

    merged_id: str
    canonical_id: str
    reason: str
    document: str = ""


class Merges:
    """The merges of a store.

    ``canonical_ids`` maps each merged id to its canonical id; ``merged_ids`` maps a canonical id to its merged ids, in
    order.
    """

    def __init__(self, merges: Sequence[Merge]) -> None:
        self.merges = tuple(merges)
        self.canonical_ids = {merge.merged_id: merge.canonical_id for merge in merges}
        self.merged_ids: dict[str, list[str]] = {}
        for merge in merges:
            self.merged_ids.setdefault(merge.canonical_id, []).append(merge.merged_id)

    def __len__(self) -> int:
        return len(self.merges)

    def save(self, folder: Path) -> None:
        """Write the merges to ``folder``, atomically."""
        with atomic_folder(folder) as temporary:
            (temporary / "merges.json").write_text(json.dumps([astuple(merge) for merge in self.merges]), "utf-8")

    @staticmethod
    def load(folder: Path) -> Merges:
        """Load saved merges."""
        return Merges([Merge(*row) for row in json.loads((folder / "merges.json").read_text("utf-8"))])


class MergeSets:
    """Disjoint sets of merged entities; the id of the highest rank in a set is canonical.

    Args:
        rank: rank of an entity; a missing entity has the lowest rank.
        never_merge: pairs of ids that must stay separate.
    """

    def __init__(self, rank: Mapping[str, tuple[bool, int]], never_merge: Iterable[frozenset[str]]) -> None:
        self._rank = rank
        self._never_merge: defaultdict[str, set[str]] = defaultdict(set)
        for pair in never_merge:
            for entity in pair:
                self._never_merge[entity] |= pair - {entity}
        self._members: dict[str, list[str]] = {}
        self._root: dict[str, str] = {}
        self._reasons: dict[str, tuple[str, str]] = {}

    def union(self, entity_a: str, entity_b: str, reason: str, document: str = "") -> None:
        """Merge the sets of two entities, unless that would join a pair in ``never_merge``."""
        root_a, root_b = self._root.get(entity_a, entity_a), self._root.get(entity_b, entity_b)
        members_a, members_b = self._members.get(root_a, [root_a]), self._members.get(root_b, [root_b])
        if root_a == root_b or any(
            not self._never_merge[member].isdisjoint(members_b) for member in members_a if member in self._never_merge
        ):
            return
        kept_root, merged_root = (
            (root_a, root_b) if self._priority(root_a) > self._priority(root_b) else (root_b, root_a)
        )
        self._members[kept_root] = [*members_a, *members_b]
        self._members.pop(merged_root, None)
        self._root |= dict.fromkeys(self._members[kept_root], kept_root)
        for entity in (entity_a, entity_b):
            self._reasons.setdefault(entity, (reason, document))

    def _priority(self, entity: str) -> tuple[bool, int, int, str]:
        return (*self._rank.get(entity, (False, 0)), len(entity), entity)

    def merges(self) -> list[Merge]:
        """Return the merges, ordered by canonical id."""
        merges = [Merge(alias, into, *self._reasons[alias]) for alias, into in self._root.items() if alias != into]
        return sorted(merges, key=lambda m: (m.canonical_id, m.merged_id))
