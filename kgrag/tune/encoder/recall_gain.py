"""Recall of two encoders on held-out questions, and the decision whether to keep the new one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from kgrag.metrics.ranking import recall_at
from kgrag.metrics.significance import Difference, paired_permutation_test
from kgrag.serialize import JsonObject
from kgrag.tune.encoder.pairs import RetrievalQuestion, SearchIds

RECALL_DEPTH = 5
MIN_HELDOUT_QUESTIONS = 20
"""Minimum number of held-out questions for a decision."""


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
        """Whether the interval of the difference lies below 0."""
        return self.difference.high < 0

    def json(self) -> JsonObject:
        """Return the gain as JSON."""
        return asdict(self)

    def describe(self) -> str:
        """Return the gain in words: ``62.0 → 64.1 (+2.1 [0.8, 3.4], n = 300)``, in percent."""
        interval = self.difference
        return (
            f"{100 * self.before:.1f} → {100 * self.after:.1f} "
            f"({100 * interval.value:+.1f} [{100 * interval.low:.1f}, {100 * interval.high:.1f}], n = {self.questions:,})"
        )


def recall_values(questions: Sequence[RetrievalQuestion], search: SearchIds) -> list[float]:
    """Return recall@5 of each question."""
    return [recall_at(search(question.text, RECALL_DEPTH), question.gold, RECALL_DEPTH) for question in questions]


def compare_recall(before: Sequence[float], after: Sequence[float], seed: int = 0) -> RecallGain:
    """Compare two lists of recalls, question by question."""
    return RecallGain(
        float(np.mean(before)), float(np.mean(after)), paired_permutation_test(after, before, seed=seed), len(before)
    )


def should_keep(dense: RecallGain, hybrid: RecallGain | None) -> tuple[bool, str]:
    """Return whether the new encoder is kept, and a sentence why.

    Its own recall must rise beyond chance, and the recall of the whole retriever must not fall.
    """
    if not dense.is_improvement:
        return False, f"recall@5 of the encoder did not rise beyond its interval: {dense.describe()}"
    if hybrid is not None and hybrid.is_regression:
        return (
            False,
            f"recall@5 of the encoder rose ({dense.describe()}), but fell for the whole retriever: {hybrid.describe()}",
        )
    return True, f"recall@5 of the encoder rose: {dense.describe()}"
