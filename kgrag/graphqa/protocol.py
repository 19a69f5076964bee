"""What reading a question by typed facts gives: answers, what it may ask for, and what is left when a name is put in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from kgrag.graphqa.traversal import FactLookupFn, GraphAnswer

NO_DOCUMENTS: frozenset[str] = frozenset()


class RelationPath(NamedTuple):
    """A name as a question has it, and the predicates that lead from it to what is asked for."""

    name: str
    steps: tuple[str, ...]


class DecomposedQuestion(NamedTuple):
    """A question with an answer put in for a part of it: "Which award did Mel Gibson receive?" of "Which award did the
    director of Apocalypto receive?", with the director as an answer."""

    question: str
    part: GraphAnswer


class GraphQA(Protocol):
    """Reads questions by typed facts (`kgrag.graphqa.reader.GraphReader`)."""

    def answer(
        self, question: str, lookup: FactLookupFn | None = None, hidden: frozenset[str] = NO_DOCUMENTS
    ) -> Sequence[GraphAnswer]:
        """Answers, best first; none where neither the facts nor what ``lookup`` finds cover what is asked."""

    def decompose(
        self, question: str, lookup: FactLookupFn | None = None, hidden: frozenset[str] = NO_DOCUMENTS
    ) -> Sequence[DecomposedQuestion]:
        """The question with what the facts or ``lookup`` know put in, surest first; none where nothing can be."""

    def is_comparison(self, question: str) -> bool:
        """Whether a question sets two names side by side that the facts know."""

    def parse(self, question: str) -> Sequence[RelationPath]:
        """What a question may ask for of the names in it."""
