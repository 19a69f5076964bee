"""Arms side by side on the same questions: each difference with its interval, its tests, and what could have been seen."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from kgrag.factuality.experiment.arms import ADAPTER_SUFFIX
from kgrag.factuality.records import RunRecord
from kgrag.factuality.scoring.outcomes import Outcome, outcome_value
from kgrag.metrics.significance import cluster_bootstrap, holm, mcnemar, sign_flip_test, smallest_effect

BASELINE, GROUNDED = "closed-book", "grounded"
DIFFERENCE_MEASURES = ("hallucination", "correct", "truthfulness")
PRIMARY_MEASURE = "hallucination"
"""The measure whose differences from the baseline are the primary family, on the answerable questions."""
RecordGroups = dict[str, dict[str, list[RunRecord]]]


def arm_pairs(arms: Sequence[str]) -> list[tuple[str, str, bool]]:
    """(arm, what it is held against, whether that is primary): every arm against closed-book (or the first, where that was
    not run) and against itself without the adapter, both primary; grounded against every other."""
    baseline = BASELINE if BASELINE in arms else arms[0]
    pairs = [(arm, baseline, True) for arm in arms if arm != baseline and not arm.endswith(ADAPTER_SUFFIX)]
    pairs += [
        (a, a.removesuffix(ADAPTER_SUFFIX), True)
        for a in arms
        if a.endswith(ADAPTER_SUFFIX) and a.removesuffix(ADAPTER_SUFFIX) in arms
    ]
    if GROUNDED in arms and baseline != GROUNDED:
        pairs += [
            (GROUNDED, a, False) for a in arms if a not in (baseline, GROUNDED) and not a.endswith(ADAPTER_SUFFIX)
        ]
    return pairs


def all_differences(groups: RecordGroups, *, seed: int = 0) -> list[dict[str, Any]]:
    """Every difference, JSON-ready; of the primary family ``p_holm`` is ``p`` adjusted for all of its members.

    Each has ``condition``, ``measure``, ``arm``, ``against``, ``primary``, and what `difference` gives.
    """
    rows = []
    for condition, arms in groups.items():
        for arm, against, primary in arm_pairs(list(arms)):
            for measure in DIFFERENCE_MEASURES:
                row: dict[str, Any] = {"condition": condition, "measure": measure, "arm": arm, "against": against}
                row["primary"] = primary and measure == PRIMARY_MEASURE and condition == "answerable"
                rows.append(row | arm_difference(arms[arm], arms[against], measure, seed=seed))
    family = [row for row in rows if row["primary"]]
    for row in rows:
        row["p_holm"] = math.nan
    for row, p in zip(family, holm([row["p"] for row in family]), strict=True):
        row["p_holm"] = p
    return rows


def record_value(record: RunRecord, measure: str) -> float:
    """What a record counts in a measure: 0 or 1, for truthfulness -1, 0 or 1."""
    if measure == "truthfulness":
        return float(outcome_value(Outcome(record["outcome"])))
    return float(record["outcome"] == ("wrong" if measure == "hallucination" else measure))


def arm_difference(
    ours: Sequence[RunRecord], theirs: Sequence[RunRecord], measure: str, *, seed: int = 0
) -> dict[str, Any]:
    """How much higher a measure is on our side, of the questions that both were asked.

    Returns:
        ``value``, ``low``, ``high`` (bootstrap clustered by document), ``questions``, ``clusters``; ``only_ours`` and
        ``only_theirs``, the discordant counts of shares (None for truthfulness); ``p``: McNemar's exact of shares, of
        truthfulness the permutation's, which turns the signs of whole clusters and which ``p_permutation`` is for all; ``smallest_effect``: the least
        difference that so many questions with so many discordant ones would show in four of five runs (shares only).
    """
    theirs_by_id = {r["id"]: r for r in theirs}
    pairs = [(r, theirs_by_id[r["id"]]) for r in ours if r["id"] in theirs_by_id]
    a, b = ([record_value(pair[side], measure) for pair in pairs] for side in (0, 1))
    clusters = [pair[0]["cluster"] for pair in pairs]
    bootstrap = cluster_bootstrap([x - y for x, y in zip(a, b, strict=True)], clusters, seed=seed)
    permutation_p = sign_flip_test([x - y for x, y in zip(a, b, strict=True)], clusters, seed=seed)
    row: dict[str, Any] = {"value": bootstrap.value, "low": bootstrap.low, "high": bootstrap.high}
    row |= {"questions": len(pairs), "clusters": len({*clusters})}
    if measure == "truthfulness":
        return row | {"only_ours": None, "only_theirs": None, "p": permutation_p, "p_permutation": permutation_p, "smallest_effect": None}  # fmt: skip
    only_ours = sum(x > y for x, y in zip(a, b, strict=True))
    only_theirs = sum(x < y for x, y in zip(a, b, strict=True))
    return row | {
        "only_ours": only_ours,
        "only_theirs": only_theirs,
        "p": mcnemar(only_ours, only_theirs) if pairs else math.nan,
        "p_permutation": permutation_p,
        "smallest_effect": smallest_effect(len(pairs), (only_ours + only_theirs) / len(pairs)) if pairs else math.nan,
    }
