"""Fake question answering over typed facts, with fixed answers."""

from __future__ import annotations

from collections.abc import Sequence

from kgrag.graphqa.protocol import NO_DOCUMENTS, DecomposedQuestion, RelationPath
from kgrag.graphqa.traversal import FactLookupFn, GraphAnswer


class FakeGraphQA:
    """Returns the same answers for every question; parses and decomposes none."""

    def __init__(self, *graph_answers: GraphAnswer) -> None:
        self.graph_answers = list(graph_answers)

    def answer(
        self, question: str, lookup: FactLookupFn | None = None, hidden: frozenset[str] = NO_DOCUMENTS
    ) -> Sequence[GraphAnswer]:
        return self.graph_answers

    def decompose(
        self, question: str, lookup: FactLookupFn | None = None, hidden: frozenset[str] = NO_DOCUMENTS
    ) -> Sequence[DecomposedQuestion]:
        return []

    def is_comparison(self, question: str) -> bool:
        return False

    def parse(self, question: str) -> Sequence[RelationPath]:
        return []
