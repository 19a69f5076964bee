"""A case's view of a store, for who retrieves and reads typed facts by himself (the arm ``system``)."""

from __future__ import annotations

from collections.abc import Sequence

from kgrag.factuality.experiment.arms import HIDDEN_MARGIN, EvidenceSources
from kgrag.factuality.experiment.conditions import EvalCase, apply_condition
from kgrag.graphqa.protocol import NO_DOCUMENTS, DecomposedQuestion, RelationPath
from kgrag.graphqa.traversal import FactLookupFn, GraphAnswer
from kgrag.types import Hit


class FilteredStore:
    """A `Retriever` and a `Reads` that do not see what is hidden from a case."""

    def __init__(self, sources: EvidenceSources, case: EvalCase) -> None:
        self._sources, self._case = sources, case

    def retrieve(self, question: str, k: int) -> list[Hit]:
        """The best ``k`` passages in view."""
        return apply_condition(
            self._sources.hybrid(question, k + HIDDEN_MARGIN if self._case.hidden else k), self._case
        )[:k]

    def answer(
        self, question: str, lookup: FactLookupFn | None = None, hidden: frozenset[str] = NO_DOCUMENTS
    ) -> Sequence[GraphAnswer]:
        """The answers from typed facts that rest on no hidden document."""
        return self._sources.reader.answer(question, lookup, self._case.hidden | hidden)

    def decompose(
        self, question: str, lookup: FactLookupFn | None = None, hidden: frozenset[str] = NO_DOCUMENTS
    ) -> Sequence[DecomposedQuestion]:
        """The question with a part put in that rests on no hidden document."""
        return self._sources.reader.decompose(question, lookup, self._case.hidden | hidden)

    def is_comparison(self, question: str) -> bool:
        """Whether a question sets two names side by side."""
        return self._sources.reader.is_comparison(question)

    def parse(self, question: str) -> Sequence[RelationPath]:
        """What a question may ask for of the names in it."""
        return self._sources.reader.parse(question)
