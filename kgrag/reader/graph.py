"""Answers read off typed facts, and silence where neither they nor what is looked up covers the question."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Protocol

from graphs.facts import Facts
from graphs.gazetteer import Found
from graphs.vocabulary import Vocabulary
from kgrag.reader.compare import Comparer
from kgrag.reader.questions import Questions, bare, marked, unframed
from kgrag.reader.reads import NOTHING, Asked, Reduced
from kgrag.reader.walk import Candidate, LooksUp, Walk, Walker
from kgrag.reader.wording import filled
from kgrag.text import is_cjk, key, simplified, unbracketed

ONE_OF_SEVERAL = 0.45
"""How sure a single fact can make an answer to a question for several: it is a hint."""
_SEVERAL = re.compile(r"哪[两二三四五六几]|哪些|\b(?:which|what) (?:two|three|four|five|several)\b", re.IGNORECASE)


class Finder(Protocol):
    """Finds known names in a text (`graphs.gazetteer.Gazetteer`)."""

    names: Sequence[str]

    def find(self, text: str, *, any_case: bool = False) -> list[Found]:
        """The names in a text, ordered by place, longest first where they overlap."""


class GraphReader:
    """Reads answers off the facts of a store.

    Args:
        facts: the typed facts.
        vocabulary: the predicates and the words that ask for them.
        finder: finds the names that ``facts`` knows in a question; by default their own gazetteer.
    """

    def __init__(self, facts: Facts, vocabulary: Vocabulary, finder: Finder | None = None) -> None:
        self._facts = facts
        self._vocabulary = vocabulary
        self._finder: Finder = finder or facts.gazetteer
        self._questions = Questions(vocabulary)

    def read(self, question: str, lookup: LooksUp | None = None, hidden: frozenset[str] = NOTHING) -> list[Candidate]:
        """Answers, best first; none where the facts do not cover what is asked.

        Args:
            question: in English or Chinese.
            lookup: asked for the steps that the facts lack, where they give no answer and the question takes more than one.
            hidden: documents whose facts are out of view.
        """
        answers = self._answers(question, Walker(self._facts, self._vocabulary, hidden=hidden))
        if not answers and lookup is not None:
            answers = self._answers(question, Walker(self._facts, self._vocabulary, lookup, hidden), least=2)
        return _best(answers)[:5]

    def compares(self, question: str) -> bool:
        """Whether a question sets two names that the facts know side by side: it asks which was first, or if they have the same."""
        text, found = self._named(question)
        return self._comparer(Walker(self._facts, self._vocabulary)).asks(text, found)

    def _named(self, question: str) -> tuple[str, list[Found]]:
        """A question without its frame, and the names in it."""
        text = unframed(simplified(question))
        found = self._finder.find(text)
        return text, [bare(f, text) for f in found if self._finder.names[f.name] not in self._questions.asked]

    def _comparer(self, walker: Walker) -> Comparer:
        return Comparer(self._vocabulary, walker, self._questions, self._finder.names)

    def _answers(self, question: str, walker: Walker, least: int = 1) -> list[Candidate]:
        """What walks of ``least`` steps or more give, or two of any number side by side."""
        text, found = self._named(question)
        answers = self._comparer(walker).compare(text, found)
        if not answers:
            for name in sorted(found, key=lambda f: f.start - f.end):
                answers += self._follow(text, name, walker, least)
        return answers

    def asks(self, question: str) -> list[Asked]:
        """What a question may ask for: the steps from each name that it asks of, in the words of the vocabulary."""
        text, found = self._named(question)
        return [
            Asked(text[name.start : name.end], tuple(steps))
            for name in sorted(found, key=lambda f: f.start - f.end)
            for steps in self._chains(text, name)[0]
        ]

    def reduced(self, question: str, lookup: LooksUp | None = None, hidden: frozenset[str] = NOTHING) -> list[Reduced]:
        """A question that the vocabulary has no words for as a whole, with a part of it put in that it has words for; surest
        first, none where the facts or ``lookup`` do not know that part. The arguments are those of `read`."""
        if self.asks(question):
            return []
        text, found = self._named(question)
        walker = Walker(self._facts, self._vocabulary, lookup, hidden)
        for name in sorted(found, key=lambda f: f.start - f.end):
            steps, rest = self._questions.peel(marked(text, name))
            if steps:
                ends = walker.walks(self._finder.names[name.name], steps)
                parts = _best([self._candidate(walker, walk, steps[-1], "country", 1.0) for walk in ends])
                return [Reduced(filled(rest + ("？" if is_cjk(rest) else "?"), X=part.text), part) for part in parts]
        return []

    def _chains(self, text: str, name: Found) -> tuple[list[list[str]], float]:
        """The steps that a question may ask for from a name outward, and how sure; none where it asks for something else."""
        chain, last, cost = self._questions.parse(marked(text, name))
        chains = [[*chain, step] for step in last] if last else [chain]
        return [steps for steps in chains if steps], cost

    def _follow(self, text: str, name: Found, walker: Walker, least: int) -> list[Candidate]:
        chains, cost = self._chains(text, name)
        cost *= ONE_OF_SEVERAL if _SEVERAL.search(text) else 1.0
        candidates = []
        for steps in chains:
            if len(steps) >= least:
                for walk in walker.walks(self._finder.names[name.name], steps):
                    candidates.append(self._candidate(walker, walk, steps[-1], text, cost))
        return candidates

    def _candidate(self, walker: Walker, walk: Walk, predicate: str, text: str, cost: float) -> Candidate:
        sure = max(0.01, min(1.0, walk.confidence * cost))
        value = walker.name(walk.nodes[-1])
        if self._facts.title(walk.nodes[-1]):
            value = unbracketed(value)
        if self._vocabulary.predicates[predicate].value == "COUNTRY" and re.search(
            r"\bcountry\b|国家", text, re.IGNORECASE
        ):
            value = self._vocabulary.countries.get(value.lower(), value) if not is_cjk(value) else value
        return Candidate(value, walker.path(walk), sure)


def _best(answers: Sequence[Candidate]) -> list[Candidate]:
    """Each answer once, by its surest walk, the surest first."""
    best: dict[str, Candidate] = {}
    for answer in sorted(answers, key=lambda a: -a.confidence):
        best.setdefault(key(answer.text), answer)
    return list(best.values())
