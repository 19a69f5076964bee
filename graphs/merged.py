"""A store as it is with its merges: wherever an entity stands that is another one, that one stands."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, cast

from graphs.groups import Merges
from kgrag.protocols import Graph
from kgrag.types import Entity, Mention, Triple


def merged(graph: Graph, merges: Merges) -> Graph:
    """A store read with its merges; what says nothing of entities is the store's own. Writing is not for it.

    Args:
        graph: the store.
        merges: which of its entities are others.
    """
    return cast(Graph, _Merged(graph, merges))  # what it does not have itself, the store has


class _Merged:
    def __init__(self, graph: Graph, merges: Merges) -> None:
        self._graph, self._merges = graph, merges

    def __getattr__(self, name: str) -> Any:
        return getattr(self._graph, name)

    def _one(self, entity: str) -> str:
        return self._merges.into.get(entity, entity)

    def _all(self, entity: str) -> list[str]:
        return [entity, *self._merges.aliases.get(entity, [])]

    def titles(self) -> Mapping[str, tuple[str, str]]:
        """document id -> (entity of its title, title)."""
        return {document: (self._one(entity), title) for document, (entity, title) in self._graph.titles().items()}

    def mentions(self) -> Iterator[Mention]:
        """All mentions, ordered by passage and offset."""
        into = self._merges.into
        for mention in self._graph.mentions():
            other = into.get(mention.entity_id)
            yield mention if other is None else replace(mention, entity_id=other)

    def triples(self) -> Iterator[Triple]:
        """All triples, ordered by passage and offset; without those that say something of a thing and itself."""
        for triple in self._graph.triples():
            if merged := self._triple(triple):
                yield merged

    def triples_in(self, passage_ids: Iterable[str]) -> list[Triple]:
        """The triples that some passages state, ordered by passage and offset."""
        return [merged for triple in self._graph.triples_in(passage_ids) if (merged := self._triple(triple))]

    def _triple(self, triple: Triple) -> Triple | None:
        into = self._merges.into
        if triple.subject not in into and triple.object not in into:
            return triple
        merged = replace(triple, subject=self._one(triple.subject), object=self._one(triple.object))
        return None if merged.subject == merged.object else merged

    def names(self) -> Iterator[tuple[str, str, str, str]]:
        """All declared names, as (document id, entity id, name, type)."""
        for document, entity, name, kind in self._graph.names():
            yield document, self._one(entity), name, kind

    def named_in(self, *entities: str) -> tuple[int, int]:
        """How often entities are named, and in how many documents."""
        return self._graph.named_in(*(member for entity in entities for member in self._all(entity)))

    def spelt(self, name: str) -> list[str]:
        """The entities that are mentioned under just this spelling; the commonest first."""
        return list(dict.fromkeys(map(self._one, self._graph.spelt(name))))

    def entities(self, among: Container[str] | None = None) -> Iterator[Entity]:
        """All entities, or those ``among`` some ids, ordered by id; each with the names of all that it is."""
        wanted = among
        if isinstance(among, set | frozenset):
            wanted = frozenset(member for entity in among for member in self._all(entity))
        elif among is not None:
            wanted = _Either(among, self._merges.into)
        gone: dict[str, list[Entity]] = {}
        kept: dict[str, Entity] = {}
        for entity in self._graph.entities(wanted):
            if entity.id in self._merges.into:
                gone.setdefault(self._one(entity.id), []).append(entity)
            else:
                kept[entity.id] = entity
        for entity_id in sorted({*kept, *gone}):
            others = gone.get(entity_id, [])
            own = kept.get(entity_id) or replace(others[0], id=entity_id)
            names = {own.name, *own.aliases, *(n for o in others for n in (o.name, *o.aliases))} - {own.name}
            kinds = Counter(e.type for e in (own, *others) if e.type != "MISC")
            kind = own.type if own.type != "MISC" or not kinds else min(kinds, key=lambda k: (-kinds[k], k))
            yield replace(own, type=kind, aliases=tuple(sorted(names)))


class _Either:
    """What some ids have, or what is merged into one of them."""

    def __init__(self, among: Container[str], into: Mapping[str, str]) -> None:
        self._among, self._into = among, into

    def __contains__(self, entity: object) -> bool:
        return entity in self._among or self._into.get(str(entity)) in self._among
