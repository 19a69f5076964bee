"""Whether another encoder finds more: recall on questions that it never saw, before and after, and what follows from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from kgrag.evaluate.metrics import recall_at
from kgrag.evaluate.statistics import Difference, paired
from kgrag.tune.encoder.retrieving import Asked, Search

K = 5
FEWEST = 20
"""Held-out questions below which nothing can be said."""


@dataclass(frozen=True)
class Gain:
    """Mean recall@5 of two encoders on the same questions, and the difference with its paired bootstrap interval."""

    before: float
    after: float
    difference: Difference
    questions: int

    @property
    def rises(self) -> bool:
        """Whether the interval of the difference lies above 0."""
        return self.difference.low > 0

    @property
    def falls(self) -> bool:
        """Whether it lies below 0."""
        return self.difference.high < 0

    def json(self) -> dict[str, Any]:
        """All of it, for programs."""
        return asdict(self)

    def said(self) -> str:
        """In words: ``62.0 -> 64.1 (+2.1 [0.8, 3.4], n = 300)``, shares of 100."""
        one = self.difference
        return (
            f"{100 * self.before:.1f} → {100 * self.after:.1f} "
            f"({100 * one.value:+.1f} [{100 * one.low:.1f}, {100 * one.high:.1f}], n = {self.questions:,})"
        )


def recalls(asked: Sequence[Asked], search: Search) -> list[float]:
    """recall@5 of each question."""
    return [recall_at(search(one.text, K), one.gold, K) for one in asked]


def gain(before: Sequence[float], after: Sequence[float], seed: int = 0) -> Gain:
    """What changed from one list of recalls to another, question for question."""
    return Gain(float(np.mean(before)), float(np.mean(after)), paired(after, before, seed=seed), len(before))


def verdict(dense: Gain, hybrid: Gain | None) -> tuple[bool, str]:
    """Whether the new encoder is kept, and why, in a sentence.

    It must find more by itself beyond chance, and what answers, the retriever that it is a part of, must not find less.
    """
    if not dense.rises:
        return False, f"recall@5 of the encoder did not rise beyond its interval: {dense.said()}"
    if hybrid is not None and hybrid.falls:
        return False, f"the encoder finds more ({dense.said()}), but the whole retriever less: {hybrid.said()}"
    return True, f"recall@5 of the encoder rose: {dense.said()}"
