"""Parse, format and verify answers that list their reasoning steps: one fact per line, then the answer.

A small model that must name the answer at once returns the result of the first step, or the first of two compared
entities. Writing the facts down first helps it. Models learn this format from training examples
(`kgrag.tune.data`). The output of a model that was not trained on it is an answer without steps. Steps are verified
like answers: a sentence of the prompt must state each of them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from indices.bm25_index import index_tokens
from kgrag.answering.guards.citations import CitationCheck, verify_citations
from kgrag.answering.selected_passage import SelectedPassage
from kgrag.text.citation_marks import citation_numbers

ANSWER_PREFIX = {"en": "Answer: ", "zh": "答案："}
"""Prefix of the line with the answer, by language."""
MAX_STEP_TOKENS = 128
"""Additional tokens for reasoning steps, for a model with an adapter."""
_ANSWER_LINE = re.compile(r"^[ \t]*(?:answer|答案)[ \t]*[:：]", re.IGNORECASE | re.MULTILINE)
_STEP_LINE = re.compile(
    r"(?P<subject>.+) – (?P<predicate>[^:：]+)[:：]\s*(?P<object>[^\[\s].*?)\s*(?P<marks>(?:\[\d+\])*)"
)


class SteppedAnswer(NamedTuple):
    """An answer and the reasoning steps before it."""

    answer: str
    steps: tuple[str, ...] = ()


def format_steps(steps: Sequence[str], answer: str, lang: str) -> str:
    """Format reasoning steps and an answer; without steps, return the answer alone.

    Args:
        steps: one line each.
        answer: the answer.
        lang: language of the answer's prefix, ``"en"`` or ``"zh"``.
    """
    return "\n".join([*steps, ANSWER_PREFIX[lang] + answer]) if steps else answer


def parse_steps(text: str) -> SteppedAnswer:
    """Split a text into its reasoning steps and its answer, the inverse of `format_steps`.

    A text without an answer line, or with nothing after its prefix, is an answer as a whole.
    """
    text = text.strip()
    mark = _ANSWER_LINE.search(text)
    answer = text[mark.end() :].strip() if mark else ""
    if mark is None or not answer:
        return SteppedAnswer(text)
    lines = (line.strip() for line in text[: mark.start()].splitlines())
    return SteppedAnswer(answer, tuple(line for line in lines if line))


class ReasoningStep(NamedTuple):
    """A step ``subject – predicate: object [n]``; ``marks`` are its citation marks with brackets."""

    subject: str
    predicate: str
    object: str
    marks: str


def parse_step(line: str) -> ReasoningStep | None:
    """Parse a line as a fact; None if it has another form."""
    fact = _STEP_LINE.fullmatch(line)
    return ReasoningStep(*(part.strip() for part in fact.groups())) if fact else None


def verify_steps(question: str, steps: Sequence[str], selected: Sequence[SelectedPassage]) -> CitationCheck:
    """Verify the citations of reasoning steps.

    For a `ReasoningStep`, the cited passages must mention its subject, and one of their sentences must contain its
    object. Any other line is checked as a statement (`kgrag.answering.guards.citations.verify_citations`).
    """
    checks = []
    for line in steps:
        step = parse_step(line)
        if step is None:
            checks.append((line, verify_citations(question, line, selected)))
            continue
        subject_words, numbers = {*index_tokens(step.subject)}, citation_numbers(step.marks)
        cited_passages = [s for s in selected if s.number in numbers]
        cited_passages = [
            s for s in cited_passages if subject_words & {*index_tokens(f"{s.hit.title}. {s.hit.passage.text}")}
        ]
        step_question = f"{question} {step.subject} {step.predicate}"
        checks.append((line, verify_citations(step_question, f"{step.object} {step.marks}", cited_passages)))
    return CitationCheck(
        tuple(step for step, line_check in checks if not line_check.unsupported),
        tuple(dict.fromkeys(citation for _, line_check in checks for citation in line_check.citations)),
        tuple(step for step, line_check in checks if line_check.unsupported),
        tuple(dict.fromkeys(message for _, line_check in checks for message in line_check.refusals)),
        reasons=tuple(next(iter(line_check.reasons), "") for _, line_check in checks if line_check.unsupported),
    )
