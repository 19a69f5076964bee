"""Two runs side by side: what changed between them, arm by arm, on the questions that both asked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kgrag.factuality.records import RunRecord
from kgrag.factuality.report.paired_differences import DIFFERENCE_MEASURES, arm_difference
from kgrag.factuality.report.summary import group_records, outcome_flips
from kgrag.metrics.significance import holm

COMPARED_SETTINGS = ("questions_sha256", "model", "judge", "store", "seed", "k", "prompts_sha256", "thresholds")
"""What two manifests are held against each other by."""


def compare_runs(a: Sequence[RunRecord], b: Sequence[RunRecord], *, manifests: tuple[dict[str, Any], dict[str, Any]] = ({}, {}), seed: int = 0) -> dict[str, Any]:  # fmt: skip
    """What ``b`` is above ``a``, JSON-ready.

    Returns:
        ``differences``: as `differences.differences` has them, of each condition, arm and measure that both runs have, with
        ``p_holm`` over the answerable hallucination rates; ``flips``: by condition and arm; ``only_a`` and ``only_b``:
        records whose question, condition and arm the other lacks; ``settings``: what differs between the manifests.
    """
    groups_a, groups_b = group_records(a), group_records(b)
    rows, flip_rows = [], []
    for condition, arms in groups_b.items():
        for arm, records in arms.items():
            before = groups_a.get(condition, {}).get(arm)
            if before is None:
                continue
            for measure in DIFFERENCE_MEASURES:
                primary = measure == "hallucination" and condition == "answerable"
                row_head: dict[str, Any] = {"condition": condition, "measure": measure, "arm": arm, "primary": primary}
                rows.append(row_head | arm_difference(records, before, measure, seed=seed))
            flip_rows.append({"condition": condition, "arm": arm} | outcome_flips(before, records))
    family = [row for row in rows if row["primary"]]
    for row, p in zip(family, holm([row["p"] for row in family]), strict=True):
        row["p_holm"] = p
    keys = [{(r["id"], r["condition"], r["arm"]) for r in side} for side in (a, b)]
    return {
        "differences": rows,
        "flips": flip_rows,
        "only_a": len(keys[0] - keys[1]),
        "only_b": len(keys[1] - keys[0]),
        "settings": {
            name: [side.get(name) for side in manifests]
            for name in COMPARED_SETTINGS
            if manifests[0].get(name) != manifests[1].get(name)
        },
    }
