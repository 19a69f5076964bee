"""A reader of typed facts that knows what it is given, and otherwise nothing."""

from __future__ import annotations

from collections.abc import Sequence

from kgrag.reader.reads import NOTHING, Asked, Reduced
from kgrag.reader.walk import Candidate, LooksUp


class FakeReader:
    """Reads the same answers off every question."""

    def __init__(self, *candidates: Candidate) -> None:
        self.candidates = list(candidates)

    def read(
        self, question: str, lookup: LooksUp | None = None, hidden: frozenset[str] = NOTHING
    ) -> Sequence[Candidate]:
        return self.candidates

    def reduced(
        self, question: str, lookup: LooksUp | None = None, hidden: frozenset[str] = NOTHING
    ) -> Sequence[Reduced]:
        return []

    def compares(self, question: str) -> bool:
        return False

    def asks(self, question: str) -> Sequence[Asked]:
        return []
