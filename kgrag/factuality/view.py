"""A case's view of a store, for who retrieves and reads typed facts by himself (the arm ``system``)."""

from __future__ import annotations

from collections.abc import Sequence

from kgrag.factuality.arms import MORE, Sources
from kgrag.factuality.conditions import Case, seen
from kgrag.reader.reads import NOTHING, Asked, Reduced
from kgrag.reader.walk import Candidate, LooksUp
from kgrag.types import Hit


class View:
    """A `Retriever` and a `Reads` that do not see what is hidden from a case."""

    def __init__(self, sources: Sources, case: Case) -> None:
        self._sources, self._case = sources, case

    def retrieve(self, question: str, k: int) -> list[Hit]:
        """The best ``k`` passages in view."""
        return seen(self._sources.hybrid(question, k + MORE if self._case.hidden else k), self._case)[:k]

    def read(
        self, question: str, lookup: LooksUp | None = None, hidden: frozenset[str] = NOTHING
    ) -> Sequence[Candidate]:
        """The answers from typed facts that rest on no hidden document."""
        return self._sources.reader.read(question, lookup, self._case.hidden | hidden)

    def reduced(
        self, question: str, lookup: LooksUp | None = None, hidden: frozenset[str] = NOTHING
    ) -> Sequence[Reduced]:
        """The question with a part put in that rests on no hidden document."""
        return self._sources.reader.reduced(question, lookup, self._case.hidden | hidden)

    def compares(self, question: str) -> bool:
        """Whether a question sets two names side by side."""
        return self._sources.reader.compares(question)

    def asks(self, question: str) -> Sequence[Asked]:
        """What a question may ask for of the names in it."""
        return self._sources.reader.asks(question)
