"""Differences between arms on the same questions, with intervals, tests, and detectable effects."""

from __future__ import annotations

import math
from collections.abc import Sequence

from kgrag.factuality.experiment.arms import ADAPTER_SUFFIX
from kgrag.factuality.figures import DifferenceRow, PairedDifference
from kgrag.factuality.records import RunRecord
from kgrag.factuality.report.labels import to_float
from kgrag.factuality.scoring.outcomes import Outcome, outcome_value
from kgrag.metrics.intervals import cluster_bootstrap
from kgrag.metrics.significance import holm, mcnemar, sign_flip_test, smallest_effect

BASELINE, GROUNDED = "closed-book", "grounded"
DIFFERENCE_MEASURES = ("hallucination", "correct", "truthfulness")
PRIMARY_MEASURE = "hallucination"
"""The measure of the primary family: differences from the baseline on the answerable questions."""
RecordGroups = dict[str, dict[str, list[RunRecord]]]


def arm_pairs(arms: Sequence[str]) -> list[tuple[str, str, bool]]:
    """Return the pairs to compare: (arm, arm to compare with, whether the comparison is primary).

    Primary are every arm against closed-book (or the first arm, if closed-book did not run), and every arm with the
    adapter against itself without it. Not primary are grounded against every other arm.
    """
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


def all_differences(groups: RecordGroups, *, seed: int = 0) -> list[DifferenceRow]:
    """Return the differences of all pairs, conditions and measures.

    ``p_holm`` is ``p`` adjusted for all members of the primary family (Holm); NaN for other differences.
    """
    rows: list[DifferenceRow] = []
    for condition, arms in groups.items():
        for arm, against, primary in arm_pairs(list(arms)):
            for measure in DIFFERENCE_MEASURES:
                rows.append(
                    {
                        "condition": condition,
                        "measure": measure,
                        "arm": arm,
                        "against": against,
                        "primary": primary and measure == PRIMARY_MEASURE and condition == "answerable",
                        **arm_difference(arms[arm], arms[against], measure, seed=seed),
                        "p_holm": math.nan,
                    }
                )
    family = [row for row in rows if row["primary"]]
    for row, p in zip(family, holm([to_float(row["p"]) for row in family]), strict=True):
        row["p_holm"] = p
    return rows


def record_value(record: RunRecord, measure: str) -> float:
    """Return the value of a record in a measure: 0 or 1; for truthfulness -1, 0 or 1."""
    if measure == "truthfulness":
        return float(outcome_value(Outcome(record["outcome"])))
    return float(record["outcome"] == ("wrong" if measure == "hallucination" else measure))


def arm_difference(
    ours: Sequence[RunRecord], theirs: Sequence[RunRecord], measure: str, *, seed: int = 0
) -> PairedDifference:
    """Return a measure of ``ours`` minus that of ``theirs``, on the questions that both arms answered.

    The interval is a bootstrap clustered by document. ``p`` of a share is McNemar's exact test on the discordant counts
    ``only_ours`` and ``only_theirs``. ``p_permutation`` is a sign-flip permutation test over whole clusters; it is also
    the ``p`` of truthfulness, which has no discordant counts. ``smallest_effect`` of a share is the smallest difference
    that the same number of questions and discordant pairs would detect in four of five runs.
    """
    theirs_by_id = {r["id"]: r for r in theirs}
    pairs = [(r, theirs_by_id[r["id"]]) for r in ours if r["id"] in theirs_by_id]
    a, b = ([record_value(pair[side], measure) for pair in pairs] for side in (0, 1))
    clusters = [pair[0]["cluster"] for pair in pairs]
    bootstrap = cluster_bootstrap([x - y for x, y in zip(a, b, strict=True)], clusters, seed=seed)
    permutation_p = sign_flip_test([x - y for x, y in zip(a, b, strict=True)], clusters, seed=seed)
    difference: PairedDifference = {
        "value": bootstrap.value,
        "low": bootstrap.low,
        "high": bootstrap.high,
        "questions": len(pairs),
        "clusters": len({*clusters}),
        "only_ours": None,
        "only_theirs": None,
        "p": permutation_p,
        "p_permutation": permutation_p,
        "smallest_effect": None,
    }
    if measure == "truthfulness":
        return difference
    only_ours = sum(x > y for x, y in zip(a, b, strict=True))
    only_theirs = sum(x < y for x, y in zip(a, b, strict=True))
    difference["only_ours"], difference["only_theirs"] = only_ours, only_theirs
    difference["p"] = mcnemar(only_ours, only_theirs) if pairs else math.nan
    difference["smallest_effect"] = (
        smallest_effect(len(pairs), (only_ours + only_theirs) / len(pairs)) if pairs else math.nan
    )
    return difference
