"""How the product asks, and how it is to be answered: the one place that knows the instruction that is learned."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

from kgrag import prompts
from kgrag.briefing import fact_lines
from kgrag.cite import check
from kgrag.evidence import Shown, select
from kgrag.reader.walk import Candidate
from kgrag.text import key, language
from kgrag.types import Hit

Count = Callable[[str], int]
"""Tokens of a text."""


def messages(
    question: str, shown: Sequence[Shown], lines: Sequence[str] = (), *, compared: bool = False
) -> prompts.Messages:
    """What the model is asked, as `kgrag.answer` asks it; ``lines`` are those of `kgrag.briefing.fact_lines`.

    With ``compared`` it is asked as an experiment asks (`kgrag.prompts.compared`): what is learned under one instruction
    should hold under another.
    """
    ask = prompts.compared if compared else prompts.grounded
    return ask(question, [(s.hit.title, s.text) for s in shown], lines)


def silence(question: str, *, compared: bool = False) -> str:
    """What the instruction of `messages` says to reply where the passages do not say."""
    return (prompts.UNKNOWN if compared else prompts.ABSTAIN)[language(question)]


def steps_of(question: str, walk: Candidate, shown: Sequence[Shown]) -> list[str]:
    """The facts of an answer's walks as lines with marks, where it takes several and all of them are shown; else none.

    Of what is compared first comes what the question names first: the order must not give away which it is.
    """
    said = key(question)
    paths = sorted((walk.path, *walk.also), key=lambda path: said.find(key(path.names[0])))
    lines = fact_lines([walk._replace(path=paths[0], also=tuple(paths[1:]))], shown)
    return lines if len(lines) > 1 and all(line.endswith("]") for line in lines) else []


def answered(question: str, answer: str, shown: Sequence[Shown], gold: Collection[str], first: str = "") -> str:
    """An answer with marks of the gold passages that it rests on: those whose citation stands (`kgrag.cite`).

    "" where none stands, or where the answer would be borne out by other passages than the gold ones.

    Args:
        question: what is asked.
        answer: a phrase.
        shown: numbered as they are shown; a citation must stand by what of them is shown.
        gold: ids of the gold passages.
        first: the one that says the answer; cited alone where that stands.
    """
    number = {s.hit.passage.id: s.number for s in shown}
    seen = [_as_shown(s) for s in shown]
    for wanted in ([first], [*gold]) if first in number else ([*gold],):
        marks = "".join(f"[{number[passage]}]" for passage in wanted if passage in number)
        checked = check(question, f"{answer} {marks}", seen)
        cited = {c.passage_id for c in checked.citations}
        if cited and cited <= {*wanted} and not checked.unsupported:
            return f"{answer} {''.join(f'[{n}]' for n in sorted(number[passage] for passage in cited))}"
    return ""


def _as_shown(shown: Shown) -> Shown:
    """A passage that has nothing but what is shown of it."""
    passage = replace(shown.hit.passage, text=shown.text, start=0, end=len(shown.text))
    return Shown(shown.number, replace(shown.hit, passage=passage), ((0, len(shown.text)),))


def shown_for(
    questions: Sequence[str], hits: Sequence[Hit], must: Sequence[tuple[str, int, int]], budget: int, count: Count
) -> list[Shown]:
    """The sentences that several questions are shown together, numbered in the order of ``hits``.

    What must be seen is; what is left of the budget goes to what the questions share most with (`kgrag.evidence.select`).

    Args:
        questions: one or more.
        hits: best first.
        must: (passage id, start, end) of sentences, offsets in the document's text; all in ``hits``.
        budget: tokens, for all sentences together.
        count: tokens of a text.
    """
    by_id = {hit.passage.id: hit for hit in hits}
    spans: dict[str, set[tuple[int, int]]] = {}
    for passage_id, start, end in must:
        spans.setdefault(passage_id, set()).add((start, end))
    cost = sum(count(_text(by_id[i], *span)) + 8 for i, those in spans.items() for span in those)
    more, _ = select(" ".join(questions), hits, max(budget - cost, 0), count) if cost < budget else ([], [])
    for s in more:
        mine = spans.setdefault(s.hit.passage.id, set())
        mine |= {(a, b) for a, b in s.spans if not any(a < end and start < b for start, end in mine)}
    found = [hit for hit in hits if hit.passage.id in spans]
    return [Shown(n, hit, tuple(sorted(spans[hit.passage.id]))) for n, hit in enumerate(found, 1)]


def _text(hit: Hit, start: int, end: int) -> str:
    return hit.passage.text[start - hit.passage.start : end - hit.passage.start]
