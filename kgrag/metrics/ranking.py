"""Measures of a ranking as pure functions. An undefined measure is NaN; the caller counts it."""

from __future__ import annotations

import math
from collections.abc import Sequence

MAX_RANK = 10
"""Rank up to which `ranking_measures` counts a document."""


def recall_at(ranked: Sequence[str], gold: Sequence[str], k: int) -> float:
    """Return the share of ``gold`` among the first ``k`` of ``ranked``, in [0, 1]; NaN without gold."""
    wanted = set(gold)
    return len(wanted & set(ranked[:k])) / len(wanted) if wanted else math.nan


def full_recall_at(ranked: Sequence[str], gold: Sequence[str], k: int) -> float:
    """Return 1 if all of ``gold`` are among the first ``k``, else 0; NaN without gold."""
    return float(set(gold) <= set(ranked[:k])) if gold else math.nan


def reciprocal_rank(ranked: Sequence[str], gold: Sequence[str]) -> float:
    """Return 1 / rank of the first gold document, 0 if none is among ``ranked``; NaN without gold."""
    if not gold:
        return math.nan
    wanted = set(gold)
    return next((1 / rank for rank, document in enumerate(ranked, 1) if document in wanted), 0.0)


def ranking_measures(ranked: Sequence[str], gold: Sequence[str]) -> dict[str, float]:
    """Return every measure of a ranking, each in [0, 1], or NaN without gold; ``mrr`` looks at `MAX_RANK` documents."""
    recalls = {f"recall@{k}": recall_at(ranked, gold, k) for k in (1, 2, 5, MAX_RANK)}
    return recalls | {
        "mrr": reciprocal_rank(ranked[:MAX_RANK], gold),
        "all-gold@5": full_recall_at(ranked, gold, 5),
    }
