"""View of a store without a case's hidden documents, for the arm ``system``, which does its own retrieval."""

from __future__ import annotations

from collections.abc import Sequence

from kgrag.factuality.experiment.arms import HIDDEN_MARGIN, EvidenceSources
from kgrag.factuality.experiment.conditions import EvalCase, apply_condition
from kgrag.graphqa.protocol import NO_DOCUMENTS, DecomposedQuestion, RelationPath
from kgrag.graphqa.traversal import FactLookupFn, GraphAnswer
from kgrag.types import Hit


class FilteredStore:
    """A `Retriever` and a `GraphQA` that do not see a case's hidden documents."""

    def __init__(self, sources: EvidenceSources, case: EvalCase) -> None:
        self._sources, self._case = sources, case

    def retrieve(self, question: str, k: int) -> list[Hit]:
        """Return the best ``k`` visible passages."""
        return apply_condition(
            self._sources.hybrid(question, k + HIDDEN_MARGIN if self._case.hidden else k), self._case
        )[:k]

    def answer(
        self, question: str, lookup: FactLookupFn | None = None, hidden: frozenset[str] = NO_DOCUMENTS
    ) -> Sequence[GraphAnswer]:
        """Return answers from typed facts that no hidden document states."""
        return self._sources.reader.answer(question, lookup, self._case.hidden | hidden)

    def decompose(
        self, question: str, lookup: FactLookupFn | None = None, hidden: frozenset[str] = NO_DOCUMENTS
    ) -> Sequence[DecomposedQuestion]:
        """Return the question with a part resolved by facts that no hidden document states."""
        return self._sources.reader.decompose(question, lookup, self._case.hidden | hidden)

    def is_comparison(self, question: str) -> bool:
        """Whether a question compares two names."""
        return self._sources.reader.is_comparison(question)

    def parse(self, question: str) -> Sequence[RelationPath]:
        """Return the relation paths that a question may ask for."""
        return self._sources.reader.parse(question)
