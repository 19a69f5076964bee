"""Answers that show their steps: the facts they rest on, a line each, and then what follows from them.

A small model that has to name the answer at once names what the first step gives, or the first of two things that it
should compare. Writing down what it read, it has it before its eyes. Models learn this form from examples
(`kgrag.tune.questions`); one that never did answers at once, and its text is taken as it is. Steps are checked like
answers: each must stand in a sentence that was shown.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from indices.bm25 import search_tokens
from kgrag.cite import Checked, check, marks
from kgrag.evidence import Shown

SO = {"en": "Answer: ", "zh": "答案："}
"""What begins the last line."""
ROOM = 128
"""Tokens that steps may take beside the answer's own, of a model that has learned something of its own."""
_SO = re.compile(r"^[ \t]*(?:answer|答案)[ \t]*[:：]", re.IGNORECASE | re.MULTILINE)
_FACT = re.compile(r"(?P<subject>.+) – (?P<predicate>[^:：]+)[:：]\s*(?P<object>[^\[\s].*?)\s*(?P<marks>(?:\[\d+\])*)")


class Concluded(NamedTuple):
    """What a text says in the end, and the lines that lead there."""

    answer: str
    steps: tuple[str, ...] = ()


def stepped(steps: Sequence[str], answer: str, lang: str) -> str:
    """An answer (in ``lang``, ``"en"`` or ``"zh"``) after its steps; without any, the answer alone."""
    return "\n".join([*steps, SO[lang] + answer]) if steps else answer


def concluded(text: str) -> Concluded:
    """The inverse of `stepped`: what stands after the first line that begins as the last one does, and the lines before.

    A text without such a line is an answer as a whole, and so is one that has nothing after it.
    """
    text = text.strip()
    mark = _SO.search(text)
    answer = text[mark.end() :].strip() if mark else ""
    if mark is None or not answer:
        return Concluded(text)
    lines = (line.strip() for line in text[: mark.start()].splitlines())
    return Concluded(answer, tuple(line for line in lines if line))


class Step(NamedTuple):
    """``subject – predicate: object [n]``; ``marks`` with their brackets."""

    subject: str
    predicate: str
    object: str
    marks: str


def step_of(line: str) -> Step | None:
    """A line as a fact; None of any other line."""
    fact = _FACT.fullmatch(line)
    return Step(*(part.strip() for part in fact.groups())) if fact else None


def check_steps(question: str, steps: Sequence[str], shown: Sequence[Shown], floor: float = 0.0) -> Checked:
    """`kgrag.cite.check` for the lines before an answer, more strictly for those that are a `Step`: the passages that it
    cites must speak of its subject, and have its object in a sentence. Any other line is a statement like others.
    """
    found = []
    for line in steps:
        step = step_of(line)
        if step is None:
            found.append((line, check(question, line, shown, floor)))
            continue
        of, numbers = {*search_tokens(step.subject)}, marks(step.marks)
        cited = [s for s in shown if s.number in numbers]
        cited = [s for s in cited if of & {*search_tokens(f"{s.hit.title}. {s.hit.passage.text}")}]
        asked = f"{question} {step.subject} {step.predicate}"
        found.append((line, check(asked, f"{step.object} {step.marks}", cited, floor)))
    return Checked(
        tuple(step for step, one in found if not one.unsupported),
        tuple(dict.fromkeys(citation for _, one in found for citation in one.citations)),
        tuple(step for step, one in found if one.unsupported),
        tuple(dict.fromkeys(why for _, one in found for why in one.dropped)),
    )
