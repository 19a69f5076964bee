"""An entity as the graph knows it: its facts in both directions, each with the sentence that states it."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from graphs.facts import Facts
from graphs.vocabulary import Vocabulary
from kgrag.dates import date
from kgrag.errors import StoreError, UsageError
from kgrag.protocols import Graph
from kgrag.text import key
from kgrag.types import Document, Entity, Triple


@dataclass(frozen=True, slots=True)
class Said:
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
class Shown:
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
    facts: tuple[Said, ...]
    incoming: tuple[Said, ...]


class Teller:
    """Tells triples with their sentences; keeps the last document, since triples come passage by passage.

    Args:
        graph: has the documents.
        name: how an entity is called for people.
        known: the predicates, which say whose objects are values.
    """

    def __init__(self, graph: Graph, name: Callable[[str], str], known: Vocabulary) -> None:
        self._graph, self._name, self._known = graph, name, known
        self._of_passage: tuple[str, str] = ("", "")
        self._document: Document | None = None

    def say(self, triple: Triple) -> Said:
        """A triple with its sentence.

        Raises:
            StoreError: its document was forgotten meanwhile.
        """
        if self._of_passage[0] != triple.passage_id:
            passage = self._graph.passages_among([triple.passage_id]).get(triple.passage_id)
            self._of_passage = triple.passage_id, passage.document_id if passage else ""
        if self._document is None or self._document.id != self._of_passage[1]:
            self._document = self._graph.document(self._of_passage[1])
        if self._document is None:
            raise StoreError("A document was forgotten while it was being read: ask again.")
        return Said(
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
        predicate = self._known.predicates.get(triple.predicate)
        kind = predicate.value if predicate else ""
        # what is counted or measured is its own id
        return date(triple.object) if kind == "DATE" else triple.object if kind == "QUANTITY" else ""


def readings(graph: Graph, facts: Facts, name: str) -> list[str]:
    """The entities that a name may mean, as questions are linked: those that facts speak of first.

    Raises:
        UsageError: the documents have nothing by that name; the message has up to three names that are spelt like it.
    """
    found = facts.resolve(name)
    found.sort(key=lambda entity: not (facts.about(entity) or facts.pointing_at(entity)))
    wanted = key(name)
    if found or (wanted and any(True for _ in graph.entities(frozenset([wanted])))):
        return found or [wanted]
    if found := graph.spelt(name.strip()):
        return found
    close = difflib.get_close_matches(wanted, list(facts.gazetteer.names), 3, 0.6) if wanted else []
    said = list(dict.fromkeys(facts.name((facts.resolve(other) or [other])[0]) for other in close))
    hint = f"did you mean {' or '.join(said)}?" if said else "check the spelling."
    raise UsageError(f"Expected a name that the documents have, found none called {name!r}: {hint}")


def ordered(triples: Iterable[Triple]) -> list[Triple]:
    """The surest first; equal ones by what they say and where."""
    return sorted(triples, key=lambda t: (-t.confidence, t.predicate, t.subject, t.object, t.passage_id, t.start))


def grouped(triples: Sequence[Triple]) -> list[Triple]:
    """By predicate, in the order in which each comes first."""
    places = {predicate: n for n, predicate in enumerate(dict.fromkeys(t.predicate for t in triples))}
    return sorted(triples, key=lambda t: places[t.predicate])


def show(graph: Graph, facts: Facts, known: Vocabulary, name: str, limit: int) -> Shown:
    """What the graph knows of the entity that ``name`` means; at most ``limit`` facts in each direction.

    Raises:
        UsageError: the documents have nothing by that name.
    """
    entity, *also = readings(graph, facts, name)
    teller = Teller(graph, facts.name, known)
    about, incoming = ordered(facts.about(entity)), ordered(facts.pointing_at(entity))
    # a name put together from several mentions is no entity of the store
    found = next(graph.entities(frozenset([entity])), Entity(entity, facts.name(entity), "MISC"))
    display = called(facts, found)
    mentions, documents = graph.named_in(entity)
    return Shown(
        id=entity,
        name=display,
        type=found.type,
        aliases=tuple(sorted({" ".join(alias.split()) for alias in (found.name, *found.aliases)} - {display})),
        title=facts.title(entity),
        also=tuple(facts.name(other) for other in also),
        mentions=mentions,
        documents=documents,
        facts_in_all=len(about),
        incoming_in_all=len(incoming),
        facts=tuple(teller.say(t) for t in grouped(about[:limit])),
        incoming=tuple(teller.say(t) for t in grouped(incoming[:limit])),
    )


def called(facts: Facts, entity: Entity) -> str:
    """How an entity is called for people: as its facts have it, else as the documents do."""
    name = facts.name(entity.id)
    return " ".join(entity.name.split()) if name == entity.id else name
