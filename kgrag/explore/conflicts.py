"""Find conflicting facts: several incompatible values of a predicate that has only one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from graphs.facts.fact_index import FactIndex
from graphs.predicates import PredicateSchema
from kgrag.explore.entity_view import FactRenderer, FactView, sort_by_confidence
from kgrag.protocols import GraphReader
from kgrag.text.dates import normalize_date
from kgrag.types import Triple

MIN_CONFLICT_CONFIDENCE = 0.75
"""Minimum confidence of a fact for it to take part in a conflict."""
_CONTAINMENT_PREDICATES = frozenset(["located_in", "country", "part_of"])


@dataclass(frozen=True, slots=True)
class Conflict:
    """Incompatible facts about ``subject`` under a functional predicate: one per value, by descending confidence."""

    subject: str
    predicate: str
    facts: tuple[FactView, ...]


def find_conflicts(graph: GraphReader, facts: FactIndex, vocabulary: PredicateSchema) -> list[Conflict]:
    """Return all conflicts, ordered by subject and predicate.

    Two values do not conflict if one is a less exact date, a place that contains the other, the country of a demonym,
    or another name of the same entity. Neither do values that one sentence states together.
    """
    functional = {name for name, predicate in vocabulary.predicates.items() if predicate.functional}
    triples_by_key: defaultdict[tuple[str, str], list[Triple]] = defaultdict(list)
    for triple in facts.triples():
        if triple.predicate in functional and triple.confidence >= MIN_CONFLICT_CONFIDENCE:
            triples_by_key[triple.subject, triple.predicate].append(triple)
    result = []
    renderer = FactRenderer(graph, facts.display_name, vocabulary)
    for (subject, predicate), triples in sorted(triples_by_key.items()):
        distinct_triples: list[Triple] = []
        # the most exact dates represent the others
        for triple in sorted(sort_by_confidence(triples), key=lambda t: -len(normalize_date(t.object))):
            if not any(
                _is_same_sentence(triple, other) or are_compatible(facts, vocabulary, triple.object, other.object)
                for other in distinct_triples
            ):
                distinct_triples.append(triple)
        if len(distinct_triples) > 1:
            fact_views = tuple(renderer.render(triple) for triple in sort_by_confidence(distinct_triples))
            result.append(Conflict(facts.display_name(subject), predicate, fact_views))
    return result


def are_compatible(facts: FactIndex, vocabulary: PredicateSchema, first_id: str, second_id: str) -> bool:
    """Whether two values, given as entity ids, may both be correct."""
    dates = normalize_date(first_id), normalize_date(second_id)
    if all(dates):
        return dates[0].startswith(dates[1]) or dates[1].startswith(dates[0])
    a, b = (vocabulary.countries.get(v, v).lower() for v in (first_id, second_id))
    first_words, second_words = set(a.split()), set(b.split())
    if first_words <= second_words or second_words <= first_words:
        return True
    first_ids, second_ids = ({v, *facts.resolve(v)} for v in (first_id, second_id))
    return bool(
        first_ids & second_ids
        or second_ids & _containing_places(facts, first_id)
        or first_ids & _containing_places(facts, second_id)
    )


def _is_same_sentence(first: Triple, second: Triple) -> bool:
    """Whether one sentence states both triples: it means both values ("Japanese American")."""
    return (first.passage_id, first.start) == (second.passage_id, second.start)


def _containing_places(facts: FactIndex, entity: str, steps: int = 3) -> set[str]:
    """Return the places that contain an entity, directly or through at most ``steps`` places."""
    places: set[str] = set()
    frontier: Iterable[str] = [entity]
    for _ in range(steps):
        frontier = {t.object for place in frontier for t in facts.outgoing(place, _CONTAINMENT_PREDICATES)} - places
        places |= set(frontier)
    return places
