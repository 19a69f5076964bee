"""List the subjects of typed facts with one object: who was born in a place, what a person founded."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from graphs.facts.fact_index import FactIndex
from graphs.predicates import PredicateSchema
from kgrag.collection.questions import fold_question
from kgrag.text import has_cjk
from kgrag.types import Triple

MIN_CONFIDENCE = 0.5
"""Confidence that a fact must have to be listed."""
HEAD_EN = (
    r"(?:(?:can|could|would) you |please )?(?:which|what|how many|list|name|show(?: me)?|who)(?: all)?(?: of)?(?: the)?"
    r"(?: (?P<kind>[\w-]+(?: [\w-]+){0,2}?))??(?: (?:that|which|who))?(?: (?:is|are|was|were|has been|have been|all|else))*"
)
_HEAD_ZH = r"(?:请)?(?:有|列出|找出)?(?:哪些|哪几|多少|几|所有|全部)(?:[个部位名本家所座]|种)?的?(?P<kind>[^\s，,]{0,6}?)(?:都|是)?"
_TAIL_ZH = r"(?:的(?P<kind>[^\s，,]{0,6}?))?(?:都)?(?:有|是)?(?:哪些|哪几|多少|几)(?:[个部位名本家所座])?(?:人)?"


@dataclass(frozen=True)
class FactList:
    """Subjects of facts with one predicate and one object.

    Attributes:
        predicate: the predicate.
        kind: what the subjects shall be, as the question says; "" for anything.
        triples: one fact for each subject, the most confident.
        subject_count: number of subjects of which the store knows this predicate: those of which it does not could be
            missing in the list.
    """

    predicate: str
    kind: str
    triples: tuple[Triple, ...]
    subject_count: int


def list_facts(
    question: str, facts: FactIndex, schema: PredicateSchema, hidden: frozenset[str] = frozenset()
) -> FactList | None:
    """Return the facts that a question asks to list; None if it asks for something else, or if there are none.

    Args:
        question: in English or Chinese.
        facts: the typed facts.
        schema: the predicates, with the phrases for their subjects (``holders``).
        hidden: ids of documents whose facts are ignored.
    """
    text = fold_question(question)
    for predicate, pattern in _patterns(_holders(schema))["zh" if has_cjk(text) else "en"]:
        match = pattern.fullmatch(text)
        triples = _triples(match["X"], predicate, facts, hidden) if match else ()
        if match and triples:
            known = {triple.subject for triple in visible_facts(facts.with_predicate(predicate), hidden)}
            return FactList(predicate, match["kind"] or "", triples, len(known))
    return None


def visible_facts(triples: Iterable[Triple], hidden: frozenset[str]) -> Iterator[Triple]:
    """Yield the facts that are certain enough and whose documents are not hidden."""
    for triple in triples:
        if triple.confidence >= MIN_CONFIDENCE and triple.passage_id.rpartition("#")[0] not in hidden:
            yield triple


def _triples(name: str, predicate: str, facts: FactIndex, hidden: frozenset[str]) -> tuple[Triple, ...]:
    """Return the best fact of each subject, by the display names of the subjects."""
    best: dict[str, Triple] = {}
    for entity in facts.resolve(name):
        for triple in visible_facts(facts.incoming(entity, {predicate}), hidden):
            if triple.subject not in best or best[triple.subject].confidence < triple.confidence:
                best[triple.subject] = triple
    return tuple(sorted(best.values(), key=lambda triple: facts.display_name(triple.subject)))


def _holders(schema: PredicateSchema) -> tuple[tuple[str, tuple[str, ...]], ...]:
    return tuple((p.name, p.holders) for p in schema.predicates.values() if p.holders and p.value != "DATE")


@lru_cache(maxsize=8)
def _patterns(
    holders: Sequence[tuple[str, tuple[str, ...]]],
) -> Mapping[str, list[tuple[str, re.Pattern[str]]]]:
    """Return the patterns of whole questions by language, each with its predicate."""
    patterns: dict[str, list[tuple[str, re.Pattern[str]]]] = {"en": [], "zh": []}
    for predicate, phrases in holders:
        for phrase in phrases:
            named = phrase.replace("X", "(?P<X>.+?)")
            if has_cjk(phrase):
                patterns["zh"] += [
                    (predicate, re.compile(f"{_HEAD_ZH}{named}的?")),
                    (predicate, re.compile(f"{named}{_TAIL_ZH}")),
                ]
            else:
                patterns["en"].append((predicate, re.compile(f"{HEAD_EN} {named}", re.IGNORECASE)))
    return patterns
