"""Agreement of two annotators."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence


def kappa(first: Sequence[Hashable], second: Sequence[Hashable]) -> float:
    """Return the agreement of two annotators beyond chance (Cohen 1960): 1 is perfect, 0 is chance.

    NaN without any pair, or if both always give the same single label.

    Raises:
        ValueError: the lengths differ.
    """
    if len(first) != len(second):
        raise ValueError(f"expected as many labels on both sides, found {len(first)} and {len(second)}")
    if not first:
        return math.nan
    n = len(first)
    observed = sum(a == b for a, b in zip(first, second, strict=True)) / n
    chance = sum((list(first).count(label) / n) * (list(second).count(label) / n) for label in {*first, *second})
    return math.nan if chance == 1 else (observed - chance) / (1 - chance)
