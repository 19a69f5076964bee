"""Interface of a retriever."""

from __future__ import annotations

from typing import Protocol

from kgrag.types import Hit


class Retriever(Protocol):
    """Finds evidence for a question."""

    def retrieve(self, question: str, k: int) -> list[Hit]:
        """Return the best ``k`` passages, best first."""
