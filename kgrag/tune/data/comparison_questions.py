"""Generate comparison questions: which was first, which is larger, and whether two have the same value."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise

from graphs.facts.fact_index import FactIndex
from graphs.predicates import PredicateSchema
from kgrag.explore.conflicts import are_compatible
from kgrag.graphqa.question_templates import ComparisonTemplates, QuestionTemplates, fill_template, pluralize
from kgrag.text import detect_language, has_cjk, normalize_name
from kgrag.text.dates import normalize_date
from kgrag.text.polarity import yes_no_answer
from kgrag.text.quantities import parse_quantity
from kgrag.tune.data.fact import QuestionFact
from kgrag.tune.data.synthetic_questions import COMPARISON, SyntheticQuestion, path_of, seeded_choice, seeded_digest

MIN_SIZE_RATIO = 1.2
"""Minimum ratio of two numbers for one to count as larger."""


def comparison_questions(
    facts: Sequence[QuestionFact], store: FactIndex, schema: PredicateSchema, templates: QuestionTemplates, seed: int
) -> Iterator[SyntheticQuestion]:
    """Yield comparisons of facts with the same predicate, language and kind.

    Each subject is in at most two comparisons per kind of question. For "the same", half of the pairs have the same
    value, if there are enough.
    """
    for comparing in templates.comparisons:
        groups: defaultdict[tuple[str, str, str], list[QuestionFact]] = defaultdict(list)
        for fact in facts:
            if fact.predicate == comparing.predicate:
                groups[fact.lang, fact.subject.category, fact.subject.kind].append(fact)
        for (lang, _, kind), group in sorted(groups.items()):
            ordered = sorted(group, key=lambda f: seeded_digest(seed, comparing.predicate, f.subject.entity))
            for first_fact, second_fact in pairwise(ordered):
                question = _which_question(comparing, first_fact, second_fact, kind, seed)
                if question is not None:
                    yield question
            if comparing.same.get(lang):
                for first_fact, second_fact in _same_value_pairs(ordered, schema):
                    question = _same_question(comparing, first_fact, second_fact, store, schema, seed)
                    if question is not None:
                        yield question


def _same_value_pairs(
    ordered: Sequence[QuestionFact], schema: PredicateSchema
) -> Iterator[tuple[QuestionFact, QuestionFact]]:
    """Yield pairs with the same value, and as many with different ones."""
    by_value: defaultdict[str, list[QuestionFact]] = defaultdict(list)
    for fact in ordered:
        by_value[_comparable_value(fact, schema)].append(fact)
    same = [pair for group in by_value.values() for pair in zip(group[::2], group[1::2], strict=False)]
    others = [
        (first, second)
        for first, second in zip(ordered[::2], ordered[1::2], strict=False)
        if _comparable_value(first, schema) != _comparable_value(second, schema)
    ]
    number = max(min(len(same), len(others)), 1)
    yield from same[:number]
    yield from others[:number]


def _which_question(
    comparing: ComparisonTemplates, first_fact: QuestionFact, second_fact: QuestionFact, kind: str, seed: int
) -> SyntheticQuestion | None:
    """Ask which of two has the earlier date or the smaller number; None if that is unclear or their names are equal."""
    first_size, second_size = _numeric_value(first_fact), _numeric_value(second_fact)
    if (
        first_size is None
        or second_size is None
        or normalize_name(first_fact.subject.name) == normalize_name(second_fact.subject.name)
    ):
        return None
    small, large = sorted((first_size, second_size))
    dated = bool(normalize_date(first_fact.answer)) and bool(normalize_date(second_fact.answer))
    if small == large or (not dated and large < MIN_SIZE_RATIO * small):
        return None
    asks_first = seeded_digest(seed, "side", first_fact.subject.name, second_fact.subject.name) % 2 == 0
    templates = (comparing.first if asks_first else comparing.last).get(first_fact.lang, ())
    template = seeded_choice(
        [f for f in templates if kind or "K" not in f], seed, "which", first_fact.subject.name, second_fact.subject.name
    )
    if not template:
        return None
    winner = first_fact if (first_size < second_size) == asks_first else second_fact
    text = fill_template(template, X=first_fact.subject.description, Y=second_fact.subject.description, K=kind)
    return _build_question(
        text, winner.subject.name, first_fact, second_fact, comparing.predicate + (" first" if asks_first else " last")
    )


def _same_question(
    comparing: ComparisonTemplates,
    first_fact: QuestionFact,
    second_fact: QuestionFact,
    store: FactIndex,
    schema: PredicateSchema,
    seed: int,
) -> SyntheticQuestion | None:
    """Ask whether two have the same value; None if one value may equal or include the other."""
    equal = _comparable_value(first_fact, schema) == _comparable_value(second_fact, schema)
    if normalize_name(first_fact.subject.name) == normalize_name(second_fact.subject.name):
        return None
    is_definite = normalize_date(first_fact.answer) or first_fact.answer.lower() in schema.countries
    if (
        not equal
        and not is_definite
        and are_compatible(store, schema, first_fact.triple.object, second_fact.triple.object)
    ):
        return None
    kind = first_fact.subject.kind
    has_plain_names = all(f.subject.description == f.subject.name for f in (first_fact, second_fact))
    templates = [f for f in comparing.same[first_fact.lang] if (kind and has_plain_names) or "Ks" not in f]
    template = seeded_choice(templates, seed, "same", first_fact.subject.name, second_fact.subject.name)
    if not template:
        return None
    text = fill_template(
        template, X=first_fact.subject.description, Y=second_fact.subject.description, Ks=pluralize(kind)
    )
    return _build_question(
        text,
        yes_no_answer(equal, first_fact.lang),
        first_fact,
        second_fact,
        f"{comparing.predicate} {'same' if equal else 'other'}",
    )


def _build_question(
    text: str, answer: str, first_fact: QuestionFact, second_fact: QuestionFact, topic: str
) -> SyntheticQuestion | None:
    is_ambiguous_list = re.search(r" (?:or|and) |和", f"{first_fact.subject.name} | {second_fact.subject.name}")
    if detect_language(text) != first_fact.lang or first_fact.document == second_fact.document or is_ambiguous_list:
        return None  # names with "or" make it unclear which two are compared
    return SyntheticQuestion(
        text,
        answer,
        COMPARISON,
        first_fact.lang,
        (first_fact, second_fact),
        path_of(first_fact),
        topic,
        (path_of(second_fact),),
    )


def _numeric_value(fact: QuestionFact) -> float | None:
    """Return a date's year or a quantity in its base unit, else None; equal years are not compared further.

    One of two dates in the same year may be less precise than the other.
    """
    if iso_date := normalize_date(fact.answer):
        return float(iso_date[:4])
    size = parse_quantity(fact.answer)
    return None if size is None else float(size.value)


def _comparable_value(fact: QuestionFact, schema: PredicateSchema) -> str:
    """Return the value that decides whether two are the same: a country for its nationality, a year for a date."""
    if iso_date := normalize_date(fact.answer):
        return iso_date[:4]
    name = fact.answer.lower()
    return schema.countries.get(name, name if has_cjk(name) else fact.triple.object).lower()
