"""What a model's text says in the end. What follows from the steps of a comparison is reckoned here: a small model reads dates and
countries well, and compares them badly. From steps that cannot be, nothing follows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from graphs.predicates import load_predicate_schema
from kgrag import prompts
from kgrag.answering.guards.citations import citation_numbers, strip_citation_marks
from kgrag.answering.reasoning_steps import ReasoningStep, parse_step, parse_steps
from kgrag.graphqa.comparison import asks_for_earlier, is_about_death, parse_date_tuple, shared_attribute
from kgrag.graphqa.question_templates import load_templates
from kgrag.text import detect_language, has_cjk, normalize_name, strip_disambiguation
from kgrag.text.abstention import is_abstention

MAX_CHAIN_LENGTH = 3
"""Steps from a thing that is compared to its date, or to what both may have."""


class ParsedAnswer(NamedTuple):
    """An answer, the steps before it, and what the model answered instead, where its steps say otherwise; ``because``: why
    nothing follows from them, where nothing does."""

    answer: str
    steps: tuple[str, ...] = ()
    overruled_answer: str = ""
    withdrawn_because: str = ""

    @property
    def diagnostics(self) -> list[str]:
        """That it was overruled, in words."""
        if self.withdrawn_because:
            return [f"{self.overruled_answer!r} is withdrawn: {self.withdrawn_because}"]
        return [f"by its steps it is not {self.overruled_answer!r}"] if self.overruled_answer else []


def parse_and_verify(question: str, text: str) -> ParsedAnswer:
    """What a model's text says to a question (`kgrag.answering.reasoning_steps.concluded`, `reckoned`): silence where its steps are `untenable`."""
    stated_answer, steps = parse_steps(text)
    if not is_abstention(stated_answer) and (contradiction_reason := contradiction(question, steps)):
        return ParsedAnswer(
            prompts.ABSTENTION_TEXT[detect_language(question)], steps, stated_answer, contradiction_reason
        )
    resolved_answer = resolve_comparison(question, steps)
    if not resolved_answer or normalize_name(strip_citation_marks(resolved_answer)) == normalize_name(
        strip_citation_marks(stated_answer)
    ):
        return ParsedAnswer(stated_answer, steps)
    return ParsedAnswer(resolved_answer, steps, stated_answer)


def contradiction(question: str, steps: Sequence[str]) -> str:
    """Why nothing can follow from steps, in words; "" where something may.

    Nobody is a relative of himself. And of two things that are named, one that has a date is not known to be earlier or
    later than one that has none: to name either is a guess, right half the time.
    """
    facts = [fact for fact in map(parse_step, steps) if fact is not None]
    templates = load_templates(load_predicate_schema()).by_predicate
    for fact in facts:
        predicate_templates = templates.get(fact.predicate.replace(" ", "_"))
        if (
            predicate_templates is not None
            and predicate_templates.is_kinship
            and normalize_name(fact.subject) == normalize_name(fact.object)
        ):
            return f"nobody is his own {fact.predicate} ({fact.subject})"
    comparison = _match_comparison(question, facts)
    if comparison is None or asks_for_earlier(comparison.rest) is None:
        return ""
    undated = [end for _, end in comparison.operands if not parse_date_tuple(end.object)]
    return f"no date is told of {undated[0].object}" if len(undated) == 1 else ""


def resolve_comparison(question: str, steps: Sequence[str]) -> str:
    """What a comparison comes to, by the steps, with their marks; "" where they do not decide.

    They decide where the question names two things and steps lead from each to an end. Asked which was earlier or later, it is
    the name of one as the steps write it, if the ends are dates by the same predicate of which neither may hold the other; asked
    whether both have the same, and the ends are of what is asked for, "yes" (是) of equal ones and of a country and its people, and
    "no" (否) of two countries.
    """
    comparison = _match_comparison(question, [fact for fact in map(parse_step, steps) if fact is not None])
    if comparison is None:
        return ""
    rest, ((first_fact, first_end), (second_fact, second_end)) = comparison
    if attributes := shared_attribute(rest):
        reaches_attribute = all(end.predicate.replace(" ", "_") in attributes for end in (first_end, second_end))
        return _same_answer(first_end, second_end, zh=has_cjk(question)) if reaches_attribute else ""
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
    """A question's words without the names of two things, and of each the fact that begins with it and the end of its steps."""

    rest: str
    operands: tuple[tuple[ReasoningStep, ReasoningStep], tuple[ReasoningStep, ReasoningStep]]


def _match_comparison(question: str, facts: Sequence[ReasoningStep]) -> _ComparisonMatch | None:
    """None where a question does not name just two things that steps begin with."""
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
    # a key has Chinese characters apart
    return _ComparisonMatch(rest.replace(" ", "") if has_cjk(question) else rest, (ends[0], ends[1]))


def _same_answer(first_end: ReasoningStep, second_end: ReasoningStep, *, zh: bool) -> str:
    """Whether two ends are the same, with the marks of both."""
    countries = load_predicate_schema().countries
    values = [countries.get(end.object.lower(), normalize_name(end.object)) for end in (first_end, second_end)]
    if values[0] == values[1]:
        verdict = "是" if zh else "yes"
    elif all(end in countries.values() for end in values):
        verdict = "否" if zh else "no"
    else:
        return ""
    return f"{verdict} {''.join(f'[{n}]' for n in sorted({*citation_numbers(first_end.marks + second_end.marks)}))}".strip()


def _final_step(fact: ReasoningStep, facts: Sequence[ReasoningStep]) -> ReasoningStep | None:
    """The last of the steps that lead on from a fact; None where they go in a circle, or two lead on."""
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
