"""Protocol of question answering over typed facts, and its result types."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from kgrag.graphqa.traversal import FactLookupFn, GraphAnswer

NO_DOCUMENTS: frozenset[str] = frozenset()


class RelationPath(NamedTuple):
    """A name as the question writes it, and the predicates that lead from it to the requested value."""

    name: str
    steps: tuple[str, ...]


class DecomposedQuestion(NamedTuple):
    """A question in which the answer to one part replaces that part.

    "Which award did Mel Gibson receive?" is the rest of "Which award did the director of Apocalypto receive?"; ``part``
    is the answer to "the director of Apocalypto".
    """

    question: str
    part: GraphAnswer


class GraphQA(Protocol):
    """Answers questions from typed facts (implemented by `kgrag.graphqa.reader.GraphQAReader`)."""

    def answer(
        self, question: str, lookup: FactLookupFn | None = None, hidden: frozenset[str] = NO_DOCUMENTS
    ) -> Sequence[GraphAnswer]:
        """Return answers, best first; empty if the facts and ``lookup`` do not cover the question."""

    def decompose(
        self, question: str, lookup: FactLookupFn | None = None, hidden: frozenset[str] = NO_DOCUMENTS
    ) -> Sequence[DecomposedQuestion]:
        """Return the question with a known part replaced by its answer, best first; empty if no part is known."""

    def is_comparison(self, question: str) -> bool:
        """Whether a question compares two known names."""

    def parse(self, question: str) -> Sequence[RelationPath]:
        """Return the possible readings of a question: its names, each with the predicates asked for."""
