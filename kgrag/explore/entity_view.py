"""Show an entity with its facts in both directions, each with the sentence that states it."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from graphs.facts.fact_index import FactIndex
from graphs.predicates import PredicateSchema
from kgrag.errors import StoreError, UsageError
from kgrag.protocols import DocumentStore, GraphReader
from kgrag.text import normalize_name
from kgrag.text.dates import normalize_date
from kgrag.types import Document, Entity, Triple


@dataclass(frozen=True, slots=True)
class FactView:
    """A fact with display names, its extractor, and the sentence that states it.

    Attributes:
        subject: display name.
        predicate: name of the predicate.
        object: display name.
        value: a date in ISO 8601, as exact as known ("1912-06"), or a quantity in its base unit ("324 m"); "" for other
            objects.
        confidence: between 0 and 1.
        found_by: the extractor; see `kgrag.types.Triple.found_by`.
        sentence: the sentence with normalised white space.
        document: the document's id.
        title: the document's title.
        start: offset of the sentence in the document's text.
        end: its end, exclusive.
    """

    subject: str
    predicate: str
    object: str
    value: str
    confidence: float
    found_by: str
    sentence: str
    document: str
    title: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class EntityView:
    """An entity with its names, counts and facts.

    Attributes:
        id: entity id.
        name: display name.
        type: most frequent type.
        aliases: other names.
        title: title of the document about it, or "".
        also: other entities that its name may mean.
        mentions: number of mentions.
        documents: number of documents with a mention.
        facts_in_all: number of facts about it; ``facts`` has the most confident of them.
        incoming_in_all: number of facts whose object it is; ``incoming`` has the most confident of them.
        facts: facts about it, grouped by predicate; predicates and facts by descending confidence.
        incoming: facts whose object it is, in the same order.
    """

    id: str
    name: str
    type: str
    aliases: tuple[str, ...]
    title: str
    also: tuple[str, ...]
    mentions: int
    documents: int
    facts_in_all: int
    incoming_in_all: int
    facts: tuple[FactView, ...]
    incoming: tuple[FactView, ...]


class FactRenderer:
    """Renders triples with their sentences; caches the last document, since triples are ordered by passage.

    Args:
        graph: contains the documents.
        name: returns the display name of an entity.
        vocabulary: tells which predicates have values as objects.
    """

    def __init__(self, graph: DocumentStore, name: Callable[[str], str], vocabulary: PredicateSchema) -> None:
        self._graph, self._name, self._vocabulary = graph, name, vocabulary
        self._passage_and_document: tuple[str, str] = ("", "")
        self._document: Document | None = None

    def render(self, triple: Triple) -> FactView:
        """Return a triple with its sentence.

        Raises:
            StoreError: its document was deleted meanwhile.
        """
        if self._passage_and_document[0] != triple.passage_id:
            passage = self._graph.passages_by_id([triple.passage_id]).get(triple.passage_id)
            self._passage_and_document = triple.passage_id, passage.document_id if passage else ""
        if self._document is None or self._document.id != self._passage_and_document[1]:
            self._document = self._graph.document(self._passage_and_document[1])
        if self._document is None:
            raise StoreError("A document was deleted while it was being read: run this again.")
        return FactView(
            subject=self._name(triple.subject),
            predicate=triple.predicate,
            object=self._name(triple.object),
            value=self._value(triple),
            confidence=triple.confidence,
            found_by=triple.found_by,
            sentence=" ".join(self._document.text[triple.start : triple.end].split()),
            document=self._document.id,
            title=self._document.title,
            start=triple.start,
            end=triple.end,
        )

    def _value(self, triple: Triple) -> str:
        predicate = self._vocabulary.predicates.get(triple.predicate)
        kind = predicate.value if predicate else ""
        # the entity id of a quantity is its value
        return normalize_date(triple.object) if kind == "DATE" else triple.object if kind == "QUANTITY" else ""


def resolve_entities(graph: GraphReader, facts: FactIndex, name: str) -> list[str]:
    """Return the entities that a name may mean, linked as in questions; entities with facts first.

    Raises:
        UsageError: the documents do not contain the name; the message has up to three similar names.
    """
    entity_ids = facts.resolve(name)
    entity_ids.sort(key=lambda entity: not (facts.outgoing(entity) or facts.incoming(entity)))
    normalized = normalize_name(name)
    if entity_ids or (normalized and any(True for _ in graph.entities(frozenset([normalized])))):
        return entity_ids or [normalized]
    if entity_ids := graph.entities_by_surface_form(name.strip()):
        return entity_ids
    close_names = difflib.get_close_matches(normalized, list(facts.gazetteer.names), 3, 0.6) if normalized else []
    suggested_ids = [(facts.resolve(close_name) or [close_name])[0] for close_name in close_names]
    suggestions = list(dict.fromkeys(map(facts.display_name, suggested_ids)))
    hint = f"did you mean {' or '.join(suggestions)}?" if suggestions else "check the spelling."
    raise UsageError(f"Expected a name that the documents have, found none called {name!r}: {hint}")


def sort_by_confidence(triples: Iterable[Triple]) -> list[Triple]:
    """Sort by descending confidence; ties by content and position."""
    return sorted(triples, key=lambda t: (-t.confidence, t.predicate, t.subject, t.object, t.passage_id, t.start))


def group_by_predicate(triples: Sequence[Triple]) -> list[Triple]:
    """Group by predicate, in the order of each predicate's first triple."""
    predicate_order = {predicate: n for n, predicate in enumerate(dict.fromkeys(t.predicate for t in triples))}
    return sorted(triples, key=lambda t: predicate_order[t.predicate])


def view_entity(graph: GraphReader, facts: FactIndex, vocabulary: PredicateSchema, name: str, limit: int) -> EntityView:
    """Return the entity that ``name`` means, with at most ``limit`` facts in each direction.

    Raises:
        UsageError: the documents do not contain the name.
    """
    entity, *other_ids = resolve_entities(graph, facts, name)
    renderer = FactRenderer(graph, facts.display_name, vocabulary)
    outgoing, incoming = sort_by_confidence(facts.outgoing(entity)), sort_by_confidence(facts.incoming(entity))
    # a name composed of several mentions is no entity of the store
    entity_record = next(graph.entities(frozenset([entity])), Entity(entity, facts.display_name(entity), "MISC"))
    entity_name = display_name(facts, entity_record)
    mentions, documents = graph.mention_counts(entity)
    return EntityView(
        id=entity,
        name=entity_name,
        type=entity_record.type,
        aliases=tuple(
            sorted({" ".join(alias.split()) for alias in (entity_record.name, *entity_record.aliases)} - {entity_name})
        ),
        title=facts.title(entity),
        also=tuple(facts.display_name(other_id) for other_id in other_ids),
        mentions=mentions,
        documents=documents,
        facts_in_all=len(outgoing),
        incoming_in_all=len(incoming),
        facts=tuple(renderer.render(t) for t in group_by_predicate(outgoing[:limit])),
        incoming=tuple(renderer.render(t) for t in group_by_predicate(incoming[:limit])),
    )


def display_name(facts: FactIndex, entity: Entity) -> str:
    """Return an entity's display name from the fact index, or from the documents if it has none."""
    name = facts.display_name(entity.id)
    return " ".join(entity.name.split()) if name == entity.id else name
