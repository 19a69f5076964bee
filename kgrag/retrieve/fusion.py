"""Reciprocal rank fusion of several rankings (Cormack et al. 2009)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

FUSION_CONSTANT = 60
"""The constant of the paper: the greater it is, the less the first ranks count."""


def reciprocal_rank_fusion(
    rankings: Sequence[NDArray[np.int64]], size: int, constant: int = FUSION_CONSTANT
) -> NDArray[np.float64]:
    """Sum ``1 / (constant + rank)`` over rankings, for each of ``size`` items; ranks begin at 1.

    Args:
        rankings: item numbers in [0, ``size``), best first, each at most once in a ranking.
        size: number of items.
        constant: damps the difference between the first ranks and later ones.

    Returns:
        (size,): 0 for an item that is in no ranking.
    """
    scores = np.zeros(size)
    for ranking in rankings:
        scores[ranking] += 1.0 / (constant + np.arange(1, len(ranking) + 1))
    return scores
