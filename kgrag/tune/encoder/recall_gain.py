"""Whether another encoder finds more: recall on questions that it never saw, before and after, and what follows from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from kgrag.metrics.intervals import Difference, paired_permutation_test
from kgrag.metrics.ranking import recall_at
from kgrag.tune.encoder.pairs import RetrievalQuestion, SearchIds

RECALL_DEPTH = 5
MIN_HELDOUT_QUESTIONS = 20
"""Held-out questions below which nothing can be said."""


@dataclass(frozen=True)
class RecallGain:
    """Mean recall@5 of two encoders on the same questions, and the difference with its paired bootstrap interval."""

    before: float
    after: float
    difference: Difference
    questions: int

    @property
    def is_improvement(self) -> bool:
        """Whether the interval of the difference lies above 0."""
        return self.difference.low > 0

    @property
    def is_regression(self) -> bool:
        """Whether it lies below 0."""
        return self.difference.high < 0

    def json(self) -> dict[str, Any]:
        """All of it, for programs."""
        return asdict(self)

    def describe(self) -> str:
        """In words: ``62.0 -> 64.1 (+2.1 [0.8, 3.4], n = 300)``, shares of 100."""
        interval = self.difference
        return (
            f"{100 * self.before:.1f} → {100 * self.after:.1f} "
            f"({100 * interval.value:+.1f} [{100 * interval.low:.1f}, {100 * interval.high:.1f}], n = {self.questions:,})"
        )


def recall_values(questions: Sequence[RetrievalQuestion], search: SearchIds) -> list[float]:
    """recall@5 of each question."""
    return [recall_at(search(one.text, RECALL_DEPTH), one.gold, RECALL_DEPTH) for one in questions]


def compare_recall(before: Sequence[float], after: Sequence[float], seed: int = 0) -> RecallGain:
    """What changed from one list of recalls to another, question for question."""
    return RecallGain(
        float(np.mean(before)), float(np.mean(after)), paired_permutation_test(after, before, seed=seed), len(before)
    )


def should_keep(dense: RecallGain, hybrid: RecallGain | None) -> tuple[bool, str]:
    """Whether the new encoder is kept, and why, in a sentence.

    It must find more by itself beyond chance, and what answers, the retriever that it is a part of, must not find less.
    """
    if not dense.is_improvement:
        return False, f"recall@5 of the encoder did not rise beyond its interval: {dense.describe()}"
    if hybrid is not None and hybrid.is_regression:
        return False, f"the encoder finds more ({dense.describe()}), but the whole retriever less: {hybrid.describe()}"
    return True, f"recall@5 of the encoder rose: {dense.describe()}"
