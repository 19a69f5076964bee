"""Entities that are one, with the reason for each: what is joined, and the ids that then stand for others."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

from kgrag.files import replaced_folder

USER, DECLARED, HONORIFIC, COMPANY, INITIALS = "user", "declared", "honorific", "company form", "initials"
"""Why two entities are one: see `graphs/merges.py`."""


@dataclass(frozen=True, slots=True)
class Merge:
    """An entity that is another one: ids, one of the reasons above, and the document that says so or ""."""

    alias: str
    into: str
    reason: str
    document: str = ""


class Merges:
    """The merges of a store, and the ids that stand for others.

    ``into`` has each alias's entity; ``aliases`` the aliases of each entity that has any, in order.
    """

    def __init__(self, every: Sequence[Merge]) -> None:
        self.every = tuple(every)
        self.into = {merge.alias: merge.into for merge in every}
        self.aliases: dict[str, list[str]] = {}
        for merge in every:
            self.aliases.setdefault(merge.into, []).append(merge.alias)

    def __len__(self) -> int:
        return len(self.every)

    def save(self, folder: Path) -> None:
        """Write to ``folder``, whole or not at all."""
        with replaced_folder(folder) as beside:
            (beside / "merges.json").write_text(json.dumps([astuple(merge) for merge in self.every]), "utf-8")

    @staticmethod
    def load(folder: Path) -> Merges:
        """Read what `save` wrote."""
        return Merges([Merge(*row) for row in json.loads((folder / "merges.json").read_text("utf-8"))])


class Groups:
    """Entities that are one: the id of the highest rank stands for all.

    Args:
        rank: of an entity; those without one are of none.
        apart: pairs that must not become one.
    """

    def __init__(self, rank: Mapping[str, tuple[bool, int]], apart: Iterable[frozenset[str]]) -> None:
        self._rank = rank
        self._apart: defaultdict[str, set[str]] = defaultdict(set)
        for pair in apart:
            for one in pair:
                self._apart[one] |= pair - {one}
        self._members: dict[str, list[str]] = {}
        self._root: dict[str, str] = {}
        self._why: dict[str, tuple[str, str]] = {}

    def join(self, one: str, other: str, reason: str, document: str = "") -> None:
        """Make two entities one, unless they are, or a pair would become one that is kept apart."""
        a, b = self._root.get(one, one), self._root.get(other, other)
        ours, theirs = self._members.get(a, [a]), self._members.get(b, [b])
        if a == b or any(not self._apart[member].isdisjoint(theirs) for member in ours if member in self._apart):
            return
        top, low = (a, b) if self._order(a) > self._order(b) else (b, a)
        self._members[top] = [*ours, *theirs]
        self._members.pop(low, None)
        self._root |= dict.fromkeys(self._members[top], top)
        for entity in (one, other):
            self._why.setdefault(entity, (reason, document))

    def _order(self, entity: str) -> tuple[bool, int, int, str]:
        return (*self._rank.get(entity, (False, 0)), len(entity), entity)

    def merges(self) -> list[Merge]:
        """Which ids gave way to which, by the one that stays."""
        found = [Merge(alias, into, *self._why[alias]) for alias, into in self._root.items() if alias != into]
        return sorted(found, key=lambda m: (m.into, m.alias))
