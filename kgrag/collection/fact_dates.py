"""Find the subjects of dated facts with the earliest or the latest date: who was born first, what came out last."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from graphs.facts.fact_index import FactIndex
from graphs.predicates import PredicateSchema
from kgrag.collection.fact_lists import HEAD_EN, visible_facts
from kgrag.collection.questions import fold_question
from kgrag.text import has_cjk
from kgrag.types import Triple

_FIRST_EN, _LAST_EN = "first|earliest", "last|latest|most recently"
_FIRST_ZH, _LAST_ZH = "最早|最先|最古老", "最晚|最后|最近"
_YEAR = re.compile(r"(?<!\d)\d{4}(?!\d)")
_FULL_DATE = re.compile(r"\d{4} \d\d \d\d")


@dataclass(frozen=True)
class ExtremeFacts:
    """Dated facts in the order of their years, for a question about the first or the last one.

    Attributes:
        predicate: the predicate.
        is_first: whether the earliest date is asked for.
        kind: what the subjects shall be, as the question says; "" for anything.
        years: the facts of each year, the year that is asked for first.
    """

    predicate: str
    is_first: bool
    kind: str
    years: tuple[tuple[Triple, ...], ...]

    @property
    def dated_count(self) -> int:
        """Number of subjects with a date."""
        return len({triple.subject for triples in self.years for triple in triples})

    def best(self, triples: Sequence[Triple]) -> list[Triple]:
        """Return those facts of one year that have the best date; all if some of them have no more than the year."""
        if not all(_FULL_DATE.fullmatch(triple.object) for triple in triples):
            return list(triples)
        best_date = (min if self.is_first else max)(triple.object for triple in triples)
        return [triple for triple in triples if triple.object == best_date]


def find_extreme_facts(
    question: str, facts: FactIndex, schema: PredicateSchema, hidden: frozenset[str] = frozenset()
) -> ExtremeFacts | None:
    """Return the facts with the extreme date that a question asks for; None if it asks for something else.

    Years before 1000 are not compared. The arguments are those of `kgrag.collection.fact_lists.list_facts`.
    """
    text = fold_question(question)
    holders = tuple((p.name, p.holders) for p in schema.predicates.values() if p.holders and p.value == "DATE")
    for predicate, pattern in _patterns(holders)["zh" if has_cjk(text) else "en"]:
        if match := pattern.fullmatch(text):
            extreme = next(word for name, word in match.groupdict().items() if name.startswith("extreme") and word)
            is_first = bool(re.fullmatch(f"{_FIRST_EN}|{_FIRST_ZH}", extreme, re.IGNORECASE))
            years = _facts_by_year(predicate, is_first, facts, hidden)
            return ExtremeFacts(predicate, is_first, match["kind"] or "", years) if years else None
    return None


def _facts_by_year(
    predicate: str, is_first: bool, facts: FactIndex, hidden: frozenset[str]
) -> tuple[tuple[Triple, ...], ...]:
    """Return the visible facts with one year each, grouped by it."""
    by_year: dict[str, list[Triple]] = {}
    for triple in visible_facts(facts.with_predicate(predicate), hidden):
        years = _YEAR.findall(triple.object)
        if len(years) == 1:
            by_year.setdefault(years[0], []).append(triple)
    return tuple(tuple(by_year[year]) for year in sorted(by_year, reverse=not is_first))


@lru_cache(maxsize=8)
def _patterns(holders: Sequence[tuple[str, tuple[str, ...]]]) -> Mapping[str, list[tuple[str, re.Pattern[str]]]]:
    """Return the patterns of whole questions by language, each with its predicate."""
    patterns: dict[str, list[tuple[str, re.Pattern[str]]]] = {"en": [], "zh": []}
    english, chinese = f"{_FIRST_EN}|{_LAST_EN}", f"{_FIRST_ZH}|{_LAST_ZH}"
    for predicate, phrases in holders:
        for phrase in phrases:
            if has_cjk(phrase):
                asks = f"(?:谁|哪[个部位家所座本]?(?P<kind>[^\\s，,]{{0,4}}?))(?:是)?(?:(?P<extreme>{chinese})(?:一[个部位])?{phrase}|{phrase}得?(?P<extreme2>{chinese}))的?"
                is_what = f"(?P<extreme>{chinese}){phrase}的(?P<kind>[^\\s，,]{{0,4}}?)(?:是|叫)?(?:谁|什么|哪[^\\s，,]{{0,5}})"
                patterns["zh"] += [(predicate, re.compile(asks)), (predicate, re.compile(is_what))]
            else:
                asks = f"{HEAD_EN} (?:(?P<extreme>{english}) {phrase}|{phrase}(?: the)? (?P<extreme2>{english}))"
                patterns["en"].append((predicate, re.compile(asks, re.IGNORECASE)))
    return patterns
