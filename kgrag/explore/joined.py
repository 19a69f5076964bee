"""What became one thing, and why: names within a document, and entities of different documents."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from graphs.groups import DECLARED, Merges
from kgrag.protocols import Graph
from kgrag.text import key
from kgrag.types import VALUES

PART, SHORT, COUNTRY = "part of the name", "acronym or other form", "country"


@dataclass(frozen=True, slots=True)
class Joined:
    """A name that was taken for an entity's: ``name`` as it is spelt, ``into`` the entity's name, ``into_id`` its id.

    ``reason``: "user", "declared", "honorific", "company form" or "initials" between documents; "declared", "part of
    the name", "acronym or other form" or "country" within them. ``documents``: the first three of those that say so or
    have it, of ``documents_in_all``; none where the user said so.
    """

    name: str
    into: str
    into_id: str
    reason: str
    between: bool
    documents: tuple[str, ...]
    documents_in_all: int


def joined(graph: Graph, merges: Merges, lands: Mapping[str, str]) -> list[Joined]:
    """All of them, first those between documents, each kind by the entity and the name.

    Args:
        graph: the store without its merges.
        lands: names of countries (`graphs.vocabulary.Vocabulary.lands`).
    """
    owner = dict(graph.rows())
    declared = {(entity, key(name)) for _, entity, name, _ in graph.names()}
    where: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for mention in graph.mentions():
        if mention.type not in VALUES and key(mention.surface) != mention.entity_id:
            where[mention.entity_id, mention.surface].add(owner[mention.passage_id])
    names = {e.id: e.name for e in graph.entities({*merges.into, *merges.aliases, *(entity for entity, _ in where)})}
    found = [
        Joined(
            names.get(m.alias, m.alias), names.get(m.into, m.into), m.into, m.reason, True, *_shown({m.document} - {""})
        )
        for m in merges.every
    ]
    for (entity, surface), documents in sorted(where.items()):
        spelt = key(surface)
        if (entity, spelt) in declared:
            reason = DECLARED
        elif key(lands.get(surface.lower(), "")) == entity:
            reason = COUNTRY
        else:
            reason = PART if set(entity.split()).issuperset(spelt.split()) else SHORT
        into = merges.into.get(entity, entity)
        found.append(Joined(surface, names.get(into, into), into, reason, False, *_shown(documents)))
    return found


def _shown(documents: set[str]) -> tuple[tuple[str, ...], int]:
    return tuple(sorted(documents)[:3]), len(documents)
