"""What reading a question by typed facts gives: answers, what it may ask for, and what is left when a name is put in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from kgrag.reader.walk import Candidate, LooksUp

NOTHING: frozenset[str] = frozenset()


class Asked(NamedTuple):
    """A name as a question has it, and the predicates that lead from it to what is asked for."""

    name: str
    steps: tuple[str, ...]


class Reduced(NamedTuple):
    """A question with an answer put in for a part of it: "Which award did Mel Gibson receive?" of "Which award did the
    director of Apocalypto receive?", with the director as an answer."""

    question: str
    part: Candidate


class Reads(Protocol):
    """Reads questions by typed facts (`kgrag.reader.graph.GraphReader`)."""

    def read(
        self, question: str, lookup: LooksUp | None = None, hidden: frozenset[str] = NOTHING
    ) -> Sequence[Candidate]:
        """Answers, best first; none where neither the facts nor what ``lookup`` finds cover what is asked."""

    def reduced(
        self, question: str, lookup: LooksUp | None = None, hidden: frozenset[str] = NOTHING
    ) -> Sequence[Reduced]:
        """The question with what the facts or ``lookup`` know put in, surest first; none where nothing can be."""

    def compares(self, question: str) -> bool:
        """Whether a question sets two names side by side that the facts know."""

    def asks(self, question: str) -> Sequence[Asked]:
        """What a question may ask for of the names in it."""
