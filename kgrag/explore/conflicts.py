"""Facts that cannot all be right: one thing, a predicate that has one value, and two values that exclude each other."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from graphs.facts import Facts
from graphs.sqlite import SQLiteGraph
from graphs.vocabulary import Vocabulary
from kgrag.evaluate.called import value
from kgrag.explore.show import Said, ordered, say
from kgrag.types import Triple

SURE = 0.75
"""The least confidence of a fact that is held against others; what was only guessed contradicts nothing."""
_DATE_ZH = re.compile(r"(\d{1,4})年(?:(\d{1,2})月)?(?:(\d{1,2})日)?")
_WITHIN = frozenset(["located_in", "country", "part_of"])


@dataclass(frozen=True, slots=True)
class Conflict:
    """What is said of ``subject`` under a functional predicate: one fact for each value, the surest first."""

    subject: str
    predicate: str
    facts: tuple[Said, ...]


def conflicts(graph: SQLiteGraph, facts: Facts, known: Vocabulary) -> list[Conflict]:
    """All conflicts, ordered by subject and predicate. A date that is less exact, a place that lies in the other, a
    people and its country, another name of the same thing, and what one sentence says together are no conflict."""
    functional = {name for name, predicate in known.predicates.items() if predicate.functional}
    said: defaultdict[tuple[str, str], list[Triple]] = defaultdict(list)
    for triple in graph.triples():
        if triple.predicate in functional and triple.confidence >= SURE:
            said[triple.subject, triple.predicate].append(triple)
    found = []
    for (subject, predicate), triples in sorted(said.items()):
        kept: list[Triple] = []
        for triple in sorted(
            ordered(triples), key=lambda t: -len(date(t.object))
        ):  # the most exact dates stand for others
            if not any(_together(triple, other) or agree(facts, known, triple.object, other.object) for other in kept):
                kept.append(triple)
        if len(kept) > 1:
            told = tuple(say(graph, facts, triple) for triple in kept)
            found.append(Conflict(facts.name(subject), predicate, told))
    return found


def agree(facts: Facts, known: Vocabulary, one: str, two: str) -> bool:
    """Whether two values, entity ids, may both be right."""
    a, b = (date(v) or known.countries.get(v, v) for v in (one, two))
    if a == b:
        return True
    if a[:1].isdigit() and b[:1].isdigit():
        return a.startswith(b) or b.startswith(a)
    names, others = set(a.lower().split()), set(b.lower().split())
    if names <= others or others <= names:
        return True
    if {one, *facts.resolve(one)} & {two, *facts.resolve(two)}:
        return True
    return two in _above(facts, one) or one in _above(facts, two)


def _together(one: Triple, two: Triple) -> bool:
    """Whether one sentence says both: it means both ("Japanese American")."""
    return (one.passage_id, one.start) == (two.passage_id, two.start)


def date(entity: str) -> str:
    """A date as "1912-03-03", as exact as it is written, in English and in Chinese; "" for what is none."""
    if match := _DATE_ZH.fullmatch(entity.replace(" ", "")):
        year, month, day = match.groups()
        return f"{int(year):04d}" + (f"-{int(month):02d}" if month else "") + (f"-{int(day):02d}" if day else "")
    found = value(entity)
    return found if re.fullmatch(r"\d{3,4}(?:-\d{2}){0,2}", found) else ""


def _above(facts: Facts, entity: str, steps: int = 3) -> set[str]:
    """The places that one lies in, and those that they lie in."""
    reached: set[str] = set()
    edge: Iterable[str] = [entity]
    for _ in range(steps):
        edge = {t.object for place in edge for t in facts.about(place, _WITHIN)} - reached
        reached |= set(edge)
    return reached
