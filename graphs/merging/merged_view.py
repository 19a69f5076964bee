"""A store as it is with its merges: wherever an entity stands that is another one, that one stands."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, cast

from graphs.merging.merge_sets import Merges
from kgrag.protocols import GraphStore
from kgrag.types import Entity, Mention, Triple


def with_merges(graph: GraphStore, merges: Merges) -> GraphStore:
    """A store read with its merges; what says nothing of entities is the store's own. Writing is not for it.

    Args:
        graph: the store.
        merges: which of its entities are others.
    """
    return cast(GraphStore, _MergedGraph(graph, merges))  # what it does not have itself, the store has


class _MergedGraph:
    def __init__(self, graph: GraphStore, merges: Merges) -> None:
        self._graph, self._merges = graph, merges

    def __getattr__(self, name: str) -> Any:
        return getattr(self._graph, name)

    def _canonical_id(self, entity: str) -> str:
        return self._merges.canonical_ids.get(entity, entity)

    def _all_ids(self, entity: str) -> list[str]:
        return [entity, *self._merges.merged_ids.get(entity, [])]

    def titles(self) -> Mapping[str, tuple[str, str]]:
        """document id -> (entity of its title, title)."""
        return {
            document: (self._canonical_id(entity), title) for document, (entity, title) in self._graph.titles().items()
        }

    def mentions(self) -> Iterator[Mention]:
        """All mentions, ordered by passage and offset."""
        canonical_ids = self._merges.canonical_ids
        for mention in self._graph.mentions():
            canonical_id = canonical_ids.get(mention.entity_id)
            yield mention if canonical_id is None else replace(mention, entity_id=canonical_id)

    def triples(self) -> Iterator[Triple]:
        """All triples, ordered by passage and offset; without those that say something of a thing and itself."""
        for triple in self._graph.triples():
            if merged := self._merge_triple(triple):
                yield merged

    def triples_in(self, passage_ids: Iterable[str]) -> list[Triple]:
        """The triples that some passages state, ordered by passage and offset."""
        return [merged for triple in self._graph.triples_in(passage_ids) if (merged := self._merge_triple(triple))]

    def _merge_triple(self, triple: Triple) -> Triple | None:
        canonical_ids = self._merges.canonical_ids
        if triple.subject not in canonical_ids and triple.object not in canonical_ids:
            return triple
        merged = replace(triple, subject=self._canonical_id(triple.subject), object=self._canonical_id(triple.object))
        return None if merged.subject == merged.object else merged

    def names(self) -> Iterator[tuple[str, str, str, str]]:
        """All declared names, as (document id, entity id, name, type)."""
        for document, entity, name, kind in self._graph.names():
            yield document, self._canonical_id(entity), name, kind

    def mention_counts(self, *entities: str) -> tuple[int, int]:
        """How often entities are named, and in how many documents."""
        return self._graph.mention_counts(*(member for entity in entities for member in self._all_ids(entity)))

    def entities_by_surface_form(self, name: str) -> list[str]:
        """The entities that are mentioned under just this spelling; the commonest first."""
        return list(dict.fromkeys(map(self._canonical_id, self._graph.entities_by_surface_form(name))))

    def entities(self, entity_ids: Container[str] | None = None) -> Iterator[Entity]:
        """All entities, or those ``among`` some ids, ordered by id; each with the names of all that it is."""
        id_filter = entity_ids
        if isinstance(entity_ids, set | frozenset):
            id_filter = frozenset(member for entity in entity_ids for member in self._all_ids(entity))
        elif entity_ids is not None:
            id_filter = _MergedIdFilter(entity_ids, self._merges.canonical_ids)
        merged_entities: dict[str, list[Entity]] = {}
        canonical_entities: dict[str, Entity] = {}
        for entity in self._graph.entities(id_filter):
            if entity.id in self._merges.canonical_ids:
                merged_entities.setdefault(self._canonical_id(entity.id), []).append(entity)
            else:
                canonical_entities[entity.id] = entity
        for entity_id in sorted({*canonical_entities, *merged_entities}):
            duplicates = merged_entities.get(entity_id, [])
            canonical_entity = canonical_entities.get(entity_id) or replace(duplicates[0], id=entity_id)
            names = {
                canonical_entity.name,
                *canonical_entity.aliases,
                *(n for o in duplicates for n in (o.name, *o.aliases)),
            } - {canonical_entity.name}
            kinds = Counter(e.type for e in (canonical_entity, *duplicates) if e.type != "MISC")
            kind = (
                canonical_entity.type
                if canonical_entity.type != "MISC" or not kinds
                else min(kinds, key=lambda k: (-kinds[k], k))
            )
            yield replace(canonical_entity, type=kind, aliases=tuple(sorted(names)))


class _MergedIdFilter:
    """What some ids have, or what is merged into one of them."""

    def __init__(self, entity_ids: Container[str], canonical_ids: Mapping[str, str]) -> None:
        self._entity_ids, self._canonical_ids = entity_ids, canonical_ids

    def __contains__(self, entity: object) -> bool:
        return entity in self._entity_ids or self._canonical_ids.get(str(entity)) in self._entity_ids
