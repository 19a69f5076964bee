"""An entity as the graph knows it: its facts in both directions, each with the sentence that states it."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

from graphs.facts import Facts
from graphs.sqlite import SQLiteGraph
from kgrag.errors import StoreError, UsageError
from kgrag.text import key
from kgrag.types import Triple


@dataclass(frozen=True, slots=True)
class Said:
    """A fact with names for people, its sentence, and where that stands: the document's id and a span of its text."""

    subject: str
    predicate: str
    object: str
    confidence: float
    sentence: str
    document: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Shown:
    """An entity: ``id``, ``name``, the ``title`` of the document about it (or ""), its facts, and those that point at it.

    Both lists go from the surest to the least sure.
    """

    id: str
    name: str
    title: str
    facts: tuple[Said, ...]
    incoming: tuple[Said, ...]


def resolve(facts: Facts, name: str) -> str:
    """The entity that a name means.

    Raises:
        UsageError: facts speak of nothing by that name; the message names what is spelt like it.
    """
    found = facts.resolve(name)
    spoken = [entity for entity in found if facts.about(entity) or facts.pointing_at(entity)]
    if spoken or found:
        return (spoken or found)[0]
    close = difflib.get_close_matches(key(name), list(facts.gazetteer.names), 3, 0.75)
    hint = f"did you mean {' or '.join(facts.name(c) for c in close)}?" if close else "check the spelling."
    raise UsageError(f"Expected a name that the documents' facts speak of, found none called {name!r}: {hint}")


def say(graph: SQLiteGraph, facts: Facts, triple: Triple) -> Said:
    """A triple with its sentence.

    Raises:
        StoreError: its document was forgotten meanwhile.
    """
    passage = graph.passage(triple.passage_id)
    document = graph.document(passage.document_id) if passage else None
    if document is None:
        raise StoreError("A document was forgotten while it was being read: ask again.")
    sentence = " ".join(document.text[triple.start : triple.end].split())
    ends = facts.name(triple.subject), facts.name(triple.object)
    return Said(ends[0], triple.predicate, ends[1], triple.confidence, sentence, document.id, triple.start, triple.end)


def ordered(triples: Sequence[Triple]) -> list[Triple]:
    """The surest first; equal ones by what they say and where."""
    return sorted(triples, key=lambda t: (-t.confidence, t.predicate, t.subject, t.object, t.passage_id, t.start))


def show(graph: SQLiteGraph, facts: Facts, name: str, limit: int) -> Shown:
    """What the graph knows of the entity that ``name`` means; at most ``limit`` facts in each direction.

    Raises:
        UsageError: facts speak of nothing by that name.
    """
    entity = resolve(facts, name)
    about, incoming = (ordered(found)[:limit] for found in (facts.about(entity), facts.pointing_at(entity)))
    return Shown(
        entity,
        facts.name(entity),
        facts.title(entity),
        tuple(say(graph, facts, t) for t in about),
        tuple(say(graph, facts, t) for t in incoming),
    )
