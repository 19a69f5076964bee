"""Facts that cannot all be right: one thing, a predicate that has one value, and two values that exclude each other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from graphs.facts import Facts
from graphs.vocabulary import Vocabulary
from kgrag.dates import date
from kgrag.explore.show import Said, Teller, ordered
from kgrag.protocols import Graph
from kgrag.types import Triple

SURE = 0.75
"""The least confidence of a fact that is held against others; what was only guessed contradicts nothing."""
_WITHIN = frozenset(["located_in", "country", "part_of"])


@dataclass(frozen=True, slots=True)
class Conflict:
    """What is said of ``subject`` under a functional predicate: one fact for each value, the surest first."""

    subject: str
    predicate: str
    facts: tuple[Said, ...]


def conflicts(graph: Graph, facts: Facts, known: Vocabulary) -> list[Conflict]:
    """All conflicts, ordered by subject and predicate. A date that is less exact, a place that lies in the other, a
    people and its country, another name of the same thing, and what one sentence says together are no conflict."""
    functional = {name for name, predicate in known.predicates.items() if predicate.functional}
    said: defaultdict[tuple[str, str], list[Triple]] = defaultdict(list)
    for triple in graph.triples():
        if triple.predicate in functional and triple.confidence >= SURE:
            said[triple.subject, triple.predicate].append(triple)
    found = []
    teller = Teller(graph, facts.name, known)
    for (subject, predicate), triples in sorted(said.items()):
        kept: list[Triple] = []
        # the most exact dates stand for others
        for triple in sorted(ordered(triples), key=lambda t: -len(date(t.object))):
            if not any(_together(triple, other) or agree(facts, known, triple.object, other.object) for other in kept):
                kept.append(triple)
        if len(kept) > 1:
            told = tuple(teller.say(triple) for triple in ordered(kept))
            found.append(Conflict(facts.name(subject), predicate, told))
    return found


def agree(facts: Facts, known: Vocabulary, one: str, two: str) -> bool:
    """Whether two values, entity ids, may both be right."""
    days = date(one), date(two)
    if all(days):
        return days[0].startswith(days[1]) or days[1].startswith(days[0])
    a, b = (known.countries.get(v, v).lower() for v in (one, two))
    names, others = set(a.split()), set(b.split())
    if names <= others or others <= names:
        return True
    ones, twos = ({v, *facts.resolve(v)} for v in (one, two))
    return bool(ones & twos or twos & _above(facts, one) or ones & _above(facts, two))


def _together(one: Triple, two: Triple) -> bool:
    """Whether one sentence says both: it means both ("Japanese American")."""
    return (one.passage_id, one.start) == (two.passage_id, two.start)


def _above(facts: Facts, entity: str, steps: int = 3) -> set[str]:
    """The places that one lies in, and those that they lie in."""
    reached: set[str] = set()
    edge: Iterable[str] = [entity]
    for _ in range(steps):
        edge = {t.object for place in edge for t in facts.about(place, _WITHIN)} - reached
        reached |= set(edge)
    return reached
