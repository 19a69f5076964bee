"""Arms side by side on the same questions: each difference with its interval, its tests, and what could have been seen."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from kgrag.factuality.arms import ADAPTED
from kgrag.factuality.outcomes import Outcome, value
from kgrag.factuality.records import Record
from kgrag.factuality.statistics import clustered, holm, mcnemar, sign_flip, smallest_effect

BASELINE, GROUNDED = "closed-book", "grounded"
MEASURES = ("hallucination", "correct", "truthfulness")
PRIMARY = "hallucination"
"""The measure whose differences from the baseline are the primary family, on the answerable questions."""
Groups = dict[str, dict[str, list[Record]]]


def pairs_of(arms: Sequence[str]) -> list[tuple[str, str, bool]]:
    """(arm, what it is held against, whether that is primary): every arm against closed-book (or the first, where that was
    not run) and against itself without the adapter, both primary; grounded against every other."""
    baseline = BASELINE if BASELINE in arms else arms[0]
    found = [(arm, baseline, True) for arm in arms if arm != baseline and not arm.endswith(ADAPTED)]
    found += [
        (a, a.removesuffix(ADAPTED), True) for a in arms if a.endswith(ADAPTED) and a.removesuffix(ADAPTED) in arms
    ]
    if GROUNDED in arms and baseline != GROUNDED:
        found += [(GROUNDED, a, False) for a in arms if a not in (baseline, GROUNDED) and not a.endswith(ADAPTED)]
    return found


def differences(groups: Groups, *, seed: int = 0) -> list[dict[str, Any]]:
    """Every difference, JSON-ready; of the primary family ``p_holm`` is ``p`` adjusted for all of its members.

    Each has ``condition``, ``measure``, ``arm``, ``against``, ``primary``, and what `difference` gives.
    """
    found = []
    for condition, arms in groups.items():
        for arm, against, primary in pairs_of(list(arms)):
            for measure in MEASURES:
                row: dict[str, Any] = {"condition": condition, "measure": measure, "arm": arm, "against": against}
                row["primary"] = primary and measure == PRIMARY and condition == "answerable"
                found.append(row | difference(arms[arm], arms[against], measure, seed=seed))
    family = [row for row in found if row["primary"]]
    for row in found:
        row["p_holm"] = math.nan
    for row, p in zip(family, holm([row["p"] for row in family]), strict=True):
        row["p_holm"] = p
    return found


def worth(record: Record, measure: str) -> float:
    """What a record counts in a measure: 0 or 1, for truthfulness -1, 0 or 1."""
    if measure == "truthfulness":
        return float(value(Outcome(record["outcome"])))
    return float(record["outcome"] == ("wrong" if measure == "hallucination" else measure))


def difference(ours: Sequence[Record], theirs: Sequence[Record], measure: str, *, seed: int = 0) -> dict[str, Any]:
    """How much higher a measure is on our side, of the questions that both were asked.

    Returns:
        ``value``, ``low``, ``high`` (bootstrap clustered by document), ``questions``, ``clusters``; ``only_ours`` and
        ``only_theirs``, the discordant counts of shares (None for truthfulness); ``p``: McNemar's exact of shares, of
        truthfulness the permutation's, which turns the signs of whole clusters and which ``p_permutation`` is for all; ``smallest_effect``: the least
        difference that so many questions with so many discordant ones would show in four of five runs (shares only).
    """
    others = {r["id"]: r for r in theirs}
    both = [(r, others[r["id"]]) for r in ours if r["id"] in others]
    a, b = ([worth(pair[side], measure) for pair in both] for side in (0, 1))
    clusters = [pair[0]["cluster"] for pair in both]
    found = clustered([x - y for x, y in zip(a, b, strict=True)], clusters, seed=seed)
    permuted = sign_flip([x - y for x, y in zip(a, b, strict=True)], clusters, seed=seed)
    row: dict[str, Any] = {"value": found.value, "low": found.low, "high": found.high}
    row |= {"questions": len(both), "clusters": len({*clusters})}
    if measure == "truthfulness":
        return row | {"only_ours": None, "only_theirs": None, "p": permuted, "p_permutation": permuted, "smallest_effect": None}  # fmt: skip
    more = sum(x > y for x, y in zip(a, b, strict=True))
    less = sum(x < y for x, y in zip(a, b, strict=True))
    return row | {
        "only_ours": more,
        "only_theirs": less,
        "p": mcnemar(more, less) if both else math.nan,
        "p_permutation": permuted,
        "smallest_effect": smallest_effect(len(both), (more + less) / len(both)) if both else math.nan,
    }
