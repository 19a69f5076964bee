"""Compare two runs: the differences of each arm on the questions that both runs have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from kgrag.factuality.figures import Manifest, RunComparison, RunDifferenceRow, RunFlipRow
from kgrag.factuality.records import RunRecord
from kgrag.factuality.report.labels import to_float
from kgrag.factuality.report.paired_differences import DIFFERENCE_MEASURES, arm_difference
from kgrag.factuality.report.summary import group_records, outcome_flips
from kgrag.metrics.significance import holm

COMPARED_SETTINGS = ("questions_sha256", "model", "judge", "store", "seed", "k", "prompts_sha256", "thresholds")
"""Settings of the manifests to compare."""


def compare_runs(
    a: Sequence[RunRecord],
    b: Sequence[RunRecord],
    *,
    manifests: tuple[Manifest, Manifest] = ({}, {}),
    seed: int = 0,
) -> RunComparison:
    """Return the figures of run ``b`` minus those of run ``a``.

    ``differences`` has each condition, arm and measure of both runs; ``p_holm`` adjusts the answerable hallucination
    rates. ``only_a`` and ``only_b`` count records whose question, condition and arm the other run lacks.
    """
    groups_a, groups_b = group_records(a), group_records(b)
    rows: list[RunDifferenceRow] = []
    flip_rows: list[RunFlipRow] = []
    for condition, arms in groups_b.items():
        for arm, records in arms.items():
            before = groups_a.get(condition, {}).get(arm)
            if before is None:
                continue
            for measure in DIFFERENCE_MEASURES:
                primary = measure == "hallucination" and condition == "answerable"
                values = {
                    "condition": condition,
                    "measure": measure,
                    "arm": arm,
                    "primary": primary,
                    **arm_difference(records, before, measure, seed=seed),
                }
                rows.append(cast(RunDifferenceRow, values))
            flip_rows.append({"condition": condition, "arm": arm, **outcome_flips(before, records)})
    family = [row for row in rows if row["primary"]]
    for row, p in zip(family, holm([to_float(row["p"]) for row in family]), strict=True):
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
