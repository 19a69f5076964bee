"""Read a store with its merges applied: canonical entities replace merged ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import replace

from graphs.merging.merge_sets import Merges
from kgrag.protocols import GraphReader
from kgrag.types import Entity, Mention, Triple


def with_merges(graph: GraphReader, merges: Merges) -> GraphReader:
    """Return a read-only view of a store with its merges applied.

    Args:
        graph: the store.
        merges: its merges.
    """
    return MergedGraph(graph, merges)


class MergedGraph:
    """A `kgrag.protocols.GraphReader` in which canonical entities replace merged ones; see `with_merges`."""

    def __init__(self, graph: GraphReader, merges: Merges) -> None:
        self._graph, self._merges = graph, merges
        # documents, passages and totals do not depend on merges
        self.counts = graph.counts
        self.documents = graph.documents
        self.document = graph.document
        self.document_headers = graph.document_headers
        self.document_properties = graph.document_properties
        self.document_hashes = graph.document_hashes
        self.document_names = graph.document_names
        self.extractors = graph.extractors
        self.passages = graph.passages
        self.passage_count = graph.passage_count
        self.passage_keys = graph.passage_keys
        self.passages_by_id = graph.passages_by_id
        self.passages_of_document = graph.passages_of_document
        self.embeddings = graph.embeddings

    def _canonical_id(self, entity: str) -> str:
        return self._merges.canonical_ids.get(entity, entity)

    def _all_ids(self, entity: str) -> list[str]:
        return [entity, *self._merges.merged_ids.get(entity, [])]

    def titles(self) -> Mapping[str, tuple[str, str]]:
        """Map each document id to (entity id of its title, title)."""
        return {
            document: (self._canonical_id(entity), title) for document, (entity, title) in self._graph.titles().items()
        }

    def mentions(self) -> Iterator[Mention]:
        """Yield all mentions, ordered by passage and offset."""
        canonical_ids = self._merges.canonical_ids
        for mention in self._graph.mentions():
            canonical_id = canonical_ids.get(mention.entity_id)
            yield mention if canonical_id is None else replace(mention, entity_id=canonical_id)

    def triples(self) -> Iterator[Triple]:
        """Yield all triples, ordered by passage and offset, without those that relate an entity to itself."""
        for triple in self._graph.triples():
            if merged := self._merge_triple(triple):
                yield merged

    def triples_in(self, passage_ids: Iterable[str]) -> list[Triple]:
        """Return the triples that the given passages state, ordered by passage and offset."""
        return [merged for triple in self._graph.triples_in(passage_ids) if (merged := self._merge_triple(triple))]

    def _merge_triple(self, triple: Triple) -> Triple | None:
        canonical_ids = self._merges.canonical_ids
        if triple.subject not in canonical_ids and triple.object not in canonical_ids:
            return triple
        merged = replace(triple, subject=self._canonical_id(triple.subject), object=self._canonical_id(triple.object))
        return None if merged.subject == merged.object else merged

    def entity_type_counts(self) -> Iterator[tuple[str, str, int]]:
        """Yield (entity id, type, number of mentions with that type) of every mentioned entity, ordered."""
        counts: Counter[tuple[str, str]] = Counter()
        for entity, kind, count in self._graph.entity_type_counts():
            counts[self._canonical_id(entity), kind] += count
        yield from ((entity, kind, count) for (entity, kind), count in sorted(counts.items()))

    def names(self) -> Iterator[tuple[str, str, str, str]]:
        """Yield all declared names as (document id, entity id, name, type)."""
        for document, entity, name, kind in self._graph.names():
            yield document, self._canonical_id(entity), name, kind

    def mention_counts(self, *entities: str) -> tuple[int, int]:
        """Return how many mentions the given entities have together, and in how many documents."""
        return self._graph.mention_counts(*(member for entity in entities for member in self._all_ids(entity)))

    def entities_by_surface_form(self, name: str) -> list[str]:
        """Return the entities mentioned with exactly this spelling, ignoring case; the most frequent first.

        Reads all mentions: use it where other lookups return nothing.
        """
        return list(dict.fromkeys(map(self._canonical_id, self._graph.entities_by_surface_form(name))))

    def entities(self, entity_ids: Container[str] | None = None) -> Iterator[Entity]:
        """Yield all entities, ordered by id, with the names of their merged ids; only ``entity_ids``, if given."""
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
    """A container of the given ids and of those merged into one of them."""

    def __init__(self, entity_ids: Container[str], canonical_ids: Mapping[str, str]) -> None:
        self._entity_ids, self._canonical_ids = entity_ids, canonical_ids

    def __contains__(self, entity: object) -> bool:
        return entity in self._entity_ids or self._canonical_ids.get(str(entity)) in self._entity_ids
