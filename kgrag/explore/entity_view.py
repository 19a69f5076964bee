"""An entity as the graph knows it: its facts in both directions, each with the sentence that states it."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from graphs.facts.fact_index import FactIndex
from graphs.predicates import PredicateSchema
from kgrag.errors import StoreError, UsageError
from kgrag.protocols import GraphStore
from kgrag.text import normalize_name
from kgrag.text.dates import normalize_date
from kgrag.types import Document, Entity, Triple


@dataclass(frozen=True, slots=True)
class FactView:
    """A fact with names for people, who read it (`kgrag.types.Triple.found_by`), its sentence, and where that stands: a document's id, its title, a span of its text.

    The sentence has its line breaks and repeated blanks as one blank each. ``value`` is a date as ISO 8601 has it, as exact
    as it is known ("1912-06"), or a quantity in its base unit ("324 m"); "" for other objects.
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
    """An entity: ``id``, ``name``, ``type``, other names, and the ``title`` of the document about it (or "").

    ``also`` are other entities that its name may mean. ``mentions`` places in ``documents`` documents name it. ``facts``
    of it and ``incoming`` ones, that point at it, stand by predicate, in each the surest first, and first the predicate
    that has the surest; there are ``facts_in_all`` and ``incoming_in_all``, of which the surest are here.
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
    """Tells triples with their sentences; keeps the last document, since triples come passage by passage.

    Args:
        graph: has the documents.
        name: how an entity is called for people.
        known: the predicates, which say whose objects are values.
    """

    def __init__(self, graph: GraphStore, name: Callable[[str], str], vocabulary: PredicateSchema) -> None:
        self._graph, self._name, self._vocabulary = graph, name, vocabulary
        self._passage_and_document: tuple[str, str] = ("", "")
        self._document: Document | None = None

    def render(self, triple: Triple) -> FactView:
        """A triple with its sentence.

        Raises:
            StoreError: its document was forgotten meanwhile.
        """
        if self._passage_and_document[0] != triple.passage_id:
            passage = self._graph.passages_by_id([triple.passage_id]).get(triple.passage_id)
            self._passage_and_document = triple.passage_id, passage.document_id if passage else ""
        if self._document is None or self._document.id != self._passage_and_document[1]:
            self._document = self._graph.document(self._passage_and_document[1])
        if self._document is None:
            raise StoreError("A document was forgotten while it was being read: ask again.")
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
        # what is counted or measured is its own id
        return normalize_date(triple.object) if kind == "DATE" else triple.object if kind == "QUANTITY" else ""


def resolve_entities(graph: GraphStore, facts: FactIndex, name: str) -> list[str]:
    """The entities that a name may mean, as questions are linked: those that facts speak of first.

    Raises:
        UsageError: the documents have nothing by that name; the message has up to three names that are spelt like it.
    """
    entity_ids = facts.resolve(name)
    entity_ids.sort(key=lambda entity: not (facts.outgoing(entity) or facts.incoming(entity)))
    normalized = normalize_name(name)
    if entity_ids or (normalized and any(True for _ in graph.entities(frozenset([normalized])))):
        return entity_ids or [normalized]
    if entity_ids := graph.entities_by_surface_form(name.strip()):
        return entity_ids
    close_names = difflib.get_close_matches(normalized, list(facts.gazetteer.names), 3, 0.6) if normalized else []
    suggestions = list(dict.fromkeys(facts.display_name((facts.resolve(other) or [other])[0]) for other in close_names))
    hint = f"did you mean {' or '.join(suggestions)}?" if suggestions else "check the spelling."
    raise UsageError(f"Expected a name that the documents have, found none called {name!r}: {hint}")


def sort_by_confidence(triples: Iterable[Triple]) -> list[Triple]:
    """The surest first; equal ones by what they say and where."""
    return sorted(triples, key=lambda t: (-t.confidence, t.predicate, t.subject, t.object, t.passage_id, t.start))


def group_by_predicate(triples: Sequence[Triple]) -> list[Triple]:
    """By predicate, in the order in which each comes first."""
    predicate_order = {predicate: n for n, predicate in enumerate(dict.fromkeys(t.predicate for t in triples))}
    return sorted(triples, key=lambda t: predicate_order[t.predicate])


def view_entity(graph: GraphStore, facts: FactIndex, vocabulary: PredicateSchema, name: str, limit: int) -> EntityView:
    """What the graph knows of the entity that ``name`` means; at most ``limit`` facts in each direction.

    Raises:
        UsageError: the documents have nothing by that name.
    """
    entity, *also = resolve_entities(graph, facts, name)
    renderer = FactRenderer(graph, facts.display_name, vocabulary)
    about, incoming = sort_by_confidence(facts.outgoing(entity)), sort_by_confidence(facts.incoming(entity))
    # a name put together from several mentions is no entity of the store
    entity_record = next(graph.entities(frozenset([entity])), Entity(entity, facts.display_name(entity), "MISC"))
    shown_name = display_name(facts, entity_record)
    mentions, documents = graph.mention_counts(entity)
    return EntityView(
        id=entity,
        name=shown_name,
        type=entity_record.type,
        aliases=tuple(
            sorted({" ".join(alias.split()) for alias in (entity_record.name, *entity_record.aliases)} - {shown_name})
        ),
        title=facts.title(entity),
        also=tuple(facts.display_name(other) for other in also),
        mentions=mentions,
        documents=documents,
        facts_in_all=len(about),
        incoming_in_all=len(incoming),
        facts=tuple(renderer.render(t) for t in group_by_predicate(about[:limit])),
        incoming=tuple(renderer.render(t) for t in group_by_predicate(incoming[:limit])),
    )


def display_name(facts: FactIndex, entity: Entity) -> str:
    """How an entity is called for people: as its facts have it, else as the documents do."""
    name = facts.display_name(entity.id)
    return " ".join(entity.name.split()) if name == entity.id else name
