"""Answers read off typed facts alone: no language model, and silence where the facts do not cover the question."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Protocol

from graphs.facts import Facts
from graphs.gazetteer import Found
from graphs.vocabulary import Vocabulary
from kgrag.reader.compare import Comparer
from kgrag.reader.questions import Questions, bare, marked, unframed
from kgrag.reader.walk import Candidate, Walk, Walker
from kgrag.text import is_cjk, key, simplified, unbracketed


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
        self._walker = Walker(facts, vocabulary)
        self._comparer = Comparer(facts, vocabulary, self._walker, self._questions, self._finder.names)

    def read(self, question: str) -> list[Candidate]:
        """Answers, best first; none where the facts do not cover what is asked."""
        text = unframed(simplified(question))
        found = [
            bare(f, text) for f in self._finder.find(text) if self._finder.names[f.name] not in self._questions.asked
        ]
        answers: list[Candidate] = []
        if len(found) >= 2:
            answers = self._comparer.compare(text, found)
        if not answers:
            for name in sorted(found, key=lambda f: f.start - f.end):
                answers += self._follow(text, name)
        best: dict[str, Candidate] = {}
        for answer in sorted(answers, key=lambda a: -a.confidence):
            best.setdefault(key(answer.text), answer)
        return list(best.values())[:5]

    def _follow(self, text: str, name: Found) -> list[Candidate]:
        chain, last, cost = self._questions.parse(marked(text, name))
        if not chain and not last:
            return []
        chains = [[*chain, step] for step in last] if last else [chain]
        candidates = []
        for steps in chains:
            for walk in self._walker.walks(self._finder.names[name.name], steps):
                candidates.append(self._candidate(walk, steps[-1], text, cost))
        return candidates

    def _candidate(self, walk: Walk, predicate: str, text: str, cost: float) -> Candidate:
        sure = max(0.01, min(1.0, walk.confidence * cost))
        value = self._facts.name(walk.nodes[-1])
        if self._facts.title(walk.nodes[-1]):
            value = unbracketed(value)
        if self._vocabulary.predicates[predicate].value == "COUNTRY" and re.search(
            r"\bcountry\b|国家", text, re.IGNORECASE
        ):
            value = self._vocabulary.countries.get(value.lower(), value) if not is_cjk(value) else value
        return Candidate(value, self._walker.path(walk), sure)
