"""Answers that show their steps: the facts they rest on, a line each, and then what follows from them.

A small model that has to name the answer at once names what the first step gives, or the first of two things that it
should compare. Writing down what it read, it has it before its eyes. Models learn this form from examples
(`kgrag.tune.data`); one that never did answers at once, and its text is taken as it is. Steps are checked like
answers: each must stand in a sentence that was shown.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from indices.bm25_index import index_tokens
from kgrag.answering.guards.citations import CitationCheck, citation_numbers, verify_citations
from kgrag.answering.stages.evidence_selection import SelectedPassage

ANSWER_PREFIX = {"en": "Answer: ", "zh": "答案："}
"""What begins the last line."""
MAX_STEP_TOKENS = 128
"""Tokens that steps may take beside the answer's own, of a model that has learned something of its own."""
_ANSWER_LINE = re.compile(r"^[ \t]*(?:answer|答案)[ \t]*[:：]", re.IGNORECASE | re.MULTILINE)
_STEP_LINE = re.compile(
    r"(?P<subject>.+) – (?P<predicate>[^:：]+)[:：]\s*(?P<object>[^\[\s].*?)\s*(?P<marks>(?:\[\d+\])*)"
)


class SteppedAnswer(NamedTuple):
    """What a text says in the end, and the lines that lead there."""

    answer: str
    steps: tuple[str, ...] = ()


def format_steps(steps: Sequence[str], answer: str, lang: str) -> str:
    """An answer (in ``lang``, ``"en"`` or ``"zh"``) after its steps; without any, the answer alone."""
    return "\n".join([*steps, ANSWER_PREFIX[lang] + answer]) if steps else answer


def parse_steps(text: str) -> SteppedAnswer:
    """The inverse of `stepped`: what stands after the first line that begins as the last one does, and the lines before.

    A text without such a line is an answer as a whole, and so is one that has nothing after it.
    """
    text = text.strip()
    mark = _ANSWER_LINE.search(text)
    answer = text[mark.end() :].strip() if mark else ""
    if mark is None or not answer:
        return SteppedAnswer(text)
    lines = (line.strip() for line in text[: mark.start()].splitlines())
    return SteppedAnswer(answer, tuple(line for line in lines if line))


class ReasoningStep(NamedTuple):
    """``subject – predicate: object [n]``; ``marks`` with their brackets."""

    subject: str
    predicate: str
    object: str
    marks: str


def parse_step(line: str) -> ReasoningStep | None:
    """A line as a fact; None of any other line."""
    fact = _STEP_LINE.fullmatch(line)
    return ReasoningStep(*(part.strip() for part in fact.groups())) if fact else None


def verify_steps(
    question: str, steps: Sequence[str], selected: Sequence[SelectedPassage], min_score: float = 0.0
) -> CitationCheck:
    """`kgrag.answering.guards.citations.check` for the lines before an answer, more strictly for those that are a `Step`: the passages that it
    cites must speak of its subject, and have its object in a sentence. Any other line is a statement like others.
    """
    checks = []
    for line in steps:
        step = parse_step(line)
        if step is None:
            checks.append((line, verify_citations(question, line, selected, min_score)))
            continue
        subject_words, numbers = {*index_tokens(step.subject)}, citation_numbers(step.marks)
        cited_passages = [s for s in selected if s.number in numbers]
        cited_passages = [
            s for s in cited_passages if subject_words & {*index_tokens(f"{s.hit.title}. {s.hit.passage.text}")}
        ]
        step_question = f"{question} {step.subject} {step.predicate}"
        checks.append((line, verify_citations(step_question, f"{step.object} {step.marks}", cited_passages, min_score)))
    return CitationCheck(
        tuple(step for step, line_check in checks if not line_check.unsupported),
        tuple(dict.fromkeys(citation for _, one in checks for citation in one.citations)),
        tuple(step for step, one in checks if one.unsupported),
        tuple(dict.fromkeys(why for _, one in checks for why in one.refusals)),
    )
