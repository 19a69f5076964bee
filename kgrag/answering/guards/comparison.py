"""Parse a model's text and check its reasoning steps: recompute comparisons, withdraw contradictions.

A small model reads dates and countries well and compares them badly, so the comparison is computed from its steps.
Nothing follows from steps that contradict each other or are incomplete.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from graphs.predicates import PredicateSchema
from kgrag import prompts
from kgrag.answering.reasoning_steps import ReasoningStep, parse_step, parse_steps
from kgrag.graphqa.comparison import asks_for_earlier, is_about_death, shared_attribute
from kgrag.graphqa.question_templates import load_templates
from kgrag.text import detect_language, has_cjk, normalize_name, strip_disambiguation
from kgrag.text.abstention import is_abstention
from kgrag.text.citation_marks import citation_numbers, strip_citation_marks
from kgrag.text.dates import parse_date_tuple
from kgrag.text.polarity import yes_no_answer

MAX_CHAIN_LENGTH = 3
"""Maximum steps from a compared entity to its date, or to the value that both may share."""


class ParsedAnswer(NamedTuple):
    """An answer and its reasoning steps.

    ``overruled_answer`` is the model's own answer, if its steps give another result or none. ``withdrawn_because`` is the
    reason if they give none.
    """

    answer: str
    steps: tuple[str, ...] = ()
    overruled_answer: str = ""
    withdrawn_because: str = ""

    @property
    def diagnostics(self) -> list[str]:
        """A message if the model's own answer was replaced or withdrawn."""
        if self.withdrawn_because:
            return [f"answer {self.overruled_answer!r} withdrawn: {self.withdrawn_because}"]
        return (
            [f"replaced {self.overruled_answer!r}: the reasoning steps give another result"]
            if self.overruled_answer
            else []
        )


def parse_and_verify(question: str, text: str, schema: PredicateSchema) -> ParsedAnswer:
    """Parse a model's text; replace or withdraw the answer if its steps say otherwise.

    Steps that decide a comparison give the answer (`resolve_comparison`). Contradictory steps (`contradiction`) give an
    abstention.

    Args:
        question: the user's question.
        text: the model's text.
        schema: the store's predicates and countries.
    """
    stated_answer, steps = parse_steps(text)
    if not is_abstention(stated_answer) and (contradiction_reason := contradiction(question, steps, schema)):
        return ParsedAnswer(
            prompts.ABSTENTION_TEXT[detect_language(question)], steps, stated_answer, contradiction_reason
        )
    resolved_answer = resolve_comparison(question, steps, schema)
    if not resolved_answer or normalize_name(strip_citation_marks(resolved_answer)) == normalize_name(
        strip_citation_marks(stated_answer)
    ):
        return ParsedAnswer(stated_answer, steps)
    return ParsedAnswer(resolved_answer, steps, stated_answer)


def contradiction(question: str, steps: Sequence[str], schema: PredicateSchema) -> str:
    """Return the reason why nothing follows from the steps, or "" if they are consistent.

    No person is their own relative. Of two entities of which only one has a date, neither is known to be earlier: to name
    either is a guess.

    Args:
        question: the user's question.
        steps: lines before the answer.
        schema: the store's predicates.
    """
    facts = [fact for fact in map(parse_step, steps) if fact is not None]
    templates = load_templates(schema).by_predicate
    for fact in facts:
        predicate_templates = templates.get(fact.predicate.replace(" ", "_"))
        if (
            predicate_templates is not None
            and predicate_templates.is_kinship
            and normalize_name(fact.subject) == normalize_name(fact.object)
        ):
            return f"the steps name {fact.subject!r} as their own {fact.predicate}"
    comparison = _match_comparison(question, facts)
    if comparison is None or asks_for_earlier(comparison.rest) is None:
        return ""
    undated = [end for _, end in comparison.operands if not parse_date_tuple(end.object)]
    return f"the steps give no date for {undated[0].object!r}" if len(undated) == 1 else ""


def resolve_comparison(question: str, steps: Sequence[str], schema: PredicateSchema) -> str:
    """Return the result of a comparison with its citation marks; "" if the steps do not decide it.

    They decide it if the question names two entities and steps lead from each to a final value:

    * Which was earlier or later: the name of one, as the steps write it, if the values are dates of the same predicate and
      neither date contains the other.
    * Whether both share an attribute: "yes" (是) if the values of that attribute are equal, or are a country and its
      adjective; "no" (否) if they are two countries.

    Args:
        question: the user's question.
        steps: lines before the answer.
        schema: the store's predicates and countries.
    """
    comparison = _match_comparison(question, [fact for fact in map(parse_step, steps) if fact is not None])
    if comparison is None:
        return ""
    rest, ((first_fact, first_end), (second_fact, second_end)) = comparison
    if attributes := shared_attribute(rest):
        reaches_attribute = all(end.predicate.replace(" ", "_") in attributes for end in (first_end, second_end))
        return _same_answer(first_end, second_end, schema.countries, zh=has_cjk(question)) if reaches_attribute else ""
    wants_earlier, dates = (
        asks_for_earlier(rest),
        (parse_date_tuple(first_end.object), parse_date_tuple(second_end.object)),
    )
    size = min(map(len, dates))
    is_comparable = normalize_name(first_end.predicate) == normalize_name(second_end.predicate) and is_about_death(
        rest
    ) == is_about_death(first_end.predicate)
    if wants_earlier is None or not is_comparable or not size or dates[0][:size] == dates[1][:size]:
        return ""
    winner = first_fact if (dates[0] < dates[1]) == wants_earlier else second_fact
    return f"{winner.subject} {winner.marks}".strip()


class _ComparisonMatch(NamedTuple):
    """A question with its two names removed, and for each name its first fact and the final step of its chain."""

    rest: str
    operands: tuple[tuple[ReasoningStep, ReasoningStep], tuple[ReasoningStep, ReasoningStep]]


def _match_comparison(question: str, facts: Sequence[ReasoningStep]) -> _ComparisonMatch | None:
    """Find the two compared entities; None unless the steps begin with exactly two names of the question."""
    question_key = f" {normalize_name(question)} "
    fact_ends = [
        (fact, end)
        for fact in facts
        if f" {normalize_name(strip_disambiguation(fact.subject))} " in question_key
        if (end := _final_step(fact, facts))
    ]
    ends = list({normalize_name(fact.subject): (fact, end) for fact, end in fact_ends}.values())
    if len(ends) != 2:
        return None
    rest = question_key
    for fact in sorted((ends[0][0], ends[1][0]), key=lambda f: -len(f.subject)):
        rest = rest.replace(f" {normalize_name(fact.subject)} ", " X ").replace(
            f" {normalize_name(strip_disambiguation(fact.subject))} ", " X "
        )
    # normalize_name puts spaces between Chinese characters
    return _ComparisonMatch(rest.replace(" ", "") if has_cjk(question) else rest, (ends[0], ends[1]))


def _same_answer(first_end: ReasoningStep, second_end: ReasoningStep, countries: Mapping[str, str], *, zh: bool) -> str:
    """Return whether two final values are the same as "yes" or "no" with the marks of both; "" if unclear."""
    values = [countries.get(end.object.lower(), normalize_name(end.object)) for end in (first_end, second_end)]
    if values[0] == values[1]:
        verdict = yes_no_answer(True, "zh" if zh else "en")
    elif all(end in countries.values() for end in values):
        verdict = yes_no_answer(False, "zh" if zh else "en")
    else:
        return ""
    return f"{verdict} {''.join(f'[{n}]' for n in sorted({*citation_numbers(first_end.marks + second_end.marks)}))}".strip()


def _final_step(fact: ReasoningStep, facts: Sequence[ReasoningStep]) -> ReasoningStep | None:
    """Follow the steps from a fact to the last one; None if they form a cycle or branch."""
    for _ in range(MAX_CHAIN_LENGTH):
        next_steps = [
            f
            for f in facts
            if normalize_name(strip_disambiguation(f.subject)) == normalize_name(strip_disambiguation(fact.object))
        ]
        if not next_steps:
            return fact
        if len(next_steps) > 1:
            return None
        fact = next_steps[0]
    return None
