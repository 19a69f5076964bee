"""Figures of a run, computed from its records: rates, differences, flips, slices, uncertainty and error causes.

`build_report` returns the `RunReport` that ``report.json`` holds; docs/reference/formats.md describes it. An undefined figure is
NaN in memory and null in the file.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Literal

from kgrag.factuality.experiment.arms import ADAPTER_SUFFIX
from kgrag.factuality.figures import (
    ArmFigures,
    CalibrationFigures,
    ClaimMetricFigures,
    FlipRow,
    IntervalFigures,
    JudgeFigures,
    OutcomeTransitions,
    RunReport,
    SliceFigures,
    UncertaintyFigures,
    interval_json,
)
from kgrag.factuality.records import RetrievalRecord, RunRecord, TokenRecord
from kgrag.factuality.report.paired_differences import BASELINE, all_differences
from kgrag.factuality.scoring.claim_verification import CLAIM_METRICS
from kgrag.factuality.scoring.error_attribution import ERROR_CAUSES
from kgrag.factuality.scoring.outcomes import Outcome, outcome_rates
from kgrag.factuality.scoring.uncertainty import UNCERTAINTY_MEASURES
from kgrag.metrics.calibration import (
    auroc,
    brier_score,
    expected_calibration_error,
    recalibrate,
    rejection_curve,
    reliability_bins,
)
from kgrag.metrics.intervals import bootstrap_interval, wilson

OUTCOME_ORDER = ("correct", "wrong", "abstained", "empty")
CONDITION_ORDER = ("answerable", "unanswerable", "counterfactual")
SliceField = Literal["lang", "hops", "type"]
SLICE_FIELDS: tuple[SliceField, ...] = ("lang", "hops", "type")
"""Fields of the records that slice the answerable questions."""


def is_counted(record: RunRecord) -> bool:
    """Whether a record counts in the rates: a counterfactual one needs an edit of a retrieved passage."""
    return bool(record["condition"] != "counterfactual" or record["altered"])


def group_records(records: Sequence[RunRecord]) -> dict[str, dict[str, list[RunRecord]]]:
    """Group the records that count by condition and arm, in the order of the run."""
    arms = dict.fromkeys(r["arm"] for r in records)
    groups: dict[str, dict[str, list[RunRecord]]] = {c: {arm: [] for arm in arms} for c in CONDITION_ORDER}
    for record in filter(is_counted, records):
        groups[record["condition"]][record["arm"]].append(record)
    non_empty = {c: {arm: rows for arm, rows in by_arm.items() if rows} for c, by_arm in groups.items()}
    return {c: by_arm for c, by_arm in non_empty.items() if by_arm}


def build_report(records: Sequence[RunRecord], *, seed: int = 0) -> RunReport:
    """Compute every figure that needs the records only."""
    groups = group_records(records)
    return {
        "questions": len({r["id"] for r in records}),
        "records": len(records),
        "arms": list(dict.fromkeys(r["arm"] for r in records)),
        "conditions": list(groups),
        "rates": {c: {arm: arm_figures(rows, c, seed) for arm, rows in arms.items()} for c, arms in groups.items()},
        "differences": all_differences(groups, seed=seed),
        "flips": all_flips(groups),
        "slices": {name: slice_rates(groups.get("answerable", {}), name) for name in SLICE_FIELDS},
        "blame": {
            c: {arm: count_error_causes(rows) for arm, rows in arms.items()}
            for c, arms in groups.items()
            if c != "unanswerable"
        },
        "judge": judge_against_known(records),
        "uncertainty": {
            arm: figures
            for arm, rows in groups.get("answerable", {}).items()
            if (figures := uncertainty_summary(rows)) is not None
        },
        "unedited": dict(Counter(r["arm"] for r in records if not is_counted(r))),
    }


def arm_figures(rows: Sequence[RunRecord], condition: str, seed: int = 0) -> ArmFigures:
    """Compute the figures of an arm under a condition."""
    outcomes = [Outcome(r["outcome"]) for r in rows]
    claims = [claim for r in rows for claim in r["claims"]]
    verdicts = Counter(claim["verdict"] for claim in claims)
    claim_counts = {v: verdicts[v] for v in ("supported", "contradicted", "unverifiable")}
    token_checks = [r["standing"] for r in rows if r["standing"]]
    coverages = [r["retrieval"] for r in rows if r["retrieval"]]
    return {
        **outcome_rates(outcomes, [r["cluster"] for r in rows], answerable=condition != "unanswerable", seed=seed),
        "f1": interval_json(bootstrap_interval([_nan_if_none(r["f1"]) for r in rows])),
        "claims": {**claim_counts, "all": len(claims)},
        "measures": {name: _claim_metric_figures(rows, name, seed) for name in CLAIM_METRICS},
        "graph": dict(Counter(r["graph"]["verdict"] if r["graph"] else "not covered" for r in rows if r["claims"])),
        "names_grounded": _grounded_share(token_checks, "names", "names_missing"),
        "numbers_grounded": _grounded_share(token_checks, "numbers", "numbers_missing"),
        "from_memory": sum(r["from_memory"] for r in rows),
        "leaked": sum(bool(c["answer_shown"]) for c in coverages) if condition == "unanswerable" else 0,
        "gold_retrieved": _mean_coverage(coverages, "gold_retrieved"),
        "gold_shown": _mean_coverage(coverages, "gold_shown"),
        "answer_shown": _mean_coverage(coverages, "answer_shown"),
        "seconds": interval_json(bootstrap_interval([r["seconds"] for r in rows])),
    }


def _claim_metric_figures(rows: Sequence[RunRecord], name: str, seed: int) -> ClaimMetricFigures:
    values = [_nan_if_none(r["measures"][name]) for r in rows]
    unscored = sum(math.isnan(v) for v in values)
    return {
        **interval_json(bootstrap_interval(values, seed=seed)),
        "scored": len(values) - unscored,
        "unscored": unscored,
    }


def _grounded_share(
    token_checks: Sequence[TokenRecord],
    kind: Literal["names", "numbers"],
    missing_kind: Literal["names_missing", "numbers_missing"],
) -> IntervalFigures:
    total, missing = sum(len(c[kind]) for c in token_checks), sum(len(c[missing_kind]) for c in token_checks)
    return interval_json(wilson(total - missing, total))


def _mean_coverage(
    coverages: Sequence[RetrievalRecord], name: Literal["gold_retrieved", "gold_shown", "answer_shown"]
) -> IntervalFigures:
    return interval_json(bootstrap_interval([_nan_if_none(c[name]) for c in coverages]))


def judge_against_known(records: Sequence[RunRecord]) -> JudgeFigures | None:
    """Return the judge's accuracy on distinct claims that the known answers decide; None without any."""
    decided: dict[tuple[str, str, str], tuple[bool, bool]] = {}
    for record in records:
        for claim in record["claims"]:
            checks = claim["checks"]
            verdicts = [checks[name]["verdict"] for name in ("gold", "retrieved") if name in checks]
            if "known" in checks and verdicts:
                # the reference without the known answers: the first source that decides
                verdict = next((v for v in verdicts if v != "unverifiable"), verdicts[0])
                right = checks["known"]["verdict"] == "supported"
                decided[record["id"], record["condition"], claim["text"]] = right, verdict == "supported"
    if not decided:
        return None
    judged_supported = {
        is_right: [supported for right, supported in decided.values() if right == is_right]
        for is_right in (True, False)
    }
    return {
        "claims": len(decided),
        "right": len(judged_supported[True]),
        "sensitivity": interval_json(wilson(sum(judged_supported[True]), len(judged_supported[True]))),
        "specificity": interval_json(wilson(judged_supported[False].count(False), len(judged_supported[False]))),
    }


def all_flips(groups: dict[str, dict[str, list[RunRecord]]]) -> list[FlipRow]:
    """Return the transitions of outcomes from the baseline to every other arm, under each condition.

    An arm with the adapter is also compared to itself without it.
    """
    rows: list[FlipRow] = []
    for condition, arms in groups.items():
        names = list(arms)
        first = BASELINE if BASELINE in arms else names[0]
        pairs = [(first, other) for other in names if other != first] + [
            (a.removesuffix(ADAPTER_SUFFIX), a) for a in names if a.endswith(ADAPTER_SUFFIX)
        ]
        for before, after in dict.fromkeys(pairs):
            if before in arms and before != after:
                transitions = outcome_flips(arms[before], arms[after])
                rows.append(
                    {
                        "condition": condition,
                        "from": before,
                        "to": after,
                        "table": transitions["table"],
                        "questions": transitions["questions"],
                    }
                )
    return rows


def outcome_flips(before: Sequence[RunRecord], after: Sequence[RunRecord]) -> OutcomeTransitions:
    """Return the transitions of outcomes on the questions that both sides have."""
    outcome_after = {r["id"]: r["outcome"] for r in after}
    ids_by_change: dict[str, list[str]] = defaultdict(list)
    table = {outcome: dict.fromkeys(OUTCOME_ORDER, 0) for outcome in OUTCOME_ORDER}
    for record in before:
        if record["id"] in outcome_after:
            old_outcome, new_outcome = record["outcome"], outcome_after[record["id"]]
            table[old_outcome][new_outcome] += 1
            if old_outcome != new_outcome:
                ids_by_change[f"{old_outcome} to {new_outcome}"].append(record["id"])
    return {"table": table, "questions": dict(sorted(ids_by_change.items()))}


def slice_rates(arms: dict[str, list[RunRecord]], name: SliceField) -> dict[str, dict[str, SliceFigures]]:
    """Return the rates by value of a field and by arm; empty if all records have the same value."""
    values = sorted({str(r[name]) for rows in arms.values() for r in rows})
    if len(values) < 2:
        return {}
    return {
        value: {arm: _slice_figures([r for r in rows if str(r[name]) == value]) for arm, rows in arms.items()}
        for value in values
    }


def _slice_figures(rows: Sequence[RunRecord]) -> SliceFigures:
    outcomes = [r["outcome"] for r in rows]
    total = len(outcomes)
    return {
        "questions": total,
        "hallucination": interval_json(wilson(outcomes.count("wrong"), total)),
        "correct": interval_json(wilson(outcomes.count("correct"), total)),
        "abstained": interval_json(wilson(outcomes.count("abstained"), total)),
    }


def count_error_causes(rows: Sequence[RunRecord]) -> dict[str, int]:
    """Count the error causes of an arm; arms without evidence have none."""
    kinds = Counter(r["blame"] for r in rows)
    return {kind: kinds[kind] for kind in ERROR_CAUSES}


def uncertainty_summary(rows: Sequence[RunRecord]) -> UncertaintyFigures | None:
    """Measure how well an arm's uncertainty separates wrong answers from correct ones; None if it was not measured.

    ``before`` and ``after`` are the calibration of the probability of the answer's tokens, as the model gives it and after
    a recalibration that is fitted on the other questions.
    """
    answered = [r for r in rows if r["uncertainty"]]
    if not answered:
        return None
    is_correct = [r["outcome"] == "correct" for r in answered]
    measured = [r["uncertainty"] for r in answered if r["uncertainty"]]
    values = {name: [_nan_if_none(u[name]) for u in measured] for name in UNCERTAINTY_MEASURES}
    chances = [_nan_if_none(u["chance"]) for u in measured]
    recalibrated_chances = recalibrate(chances, is_correct, [r["cluster"] for r in answered])
    # both figures cover the same answers: those that could be recalibrated
    compared_chances = [
        c if not math.isnan(m) else math.nan for c, m in zip(chances, recalibrated_chances, strict=True)
    ]
    if all(math.isnan(m) for m in recalibrated_chances):
        compared_chances = chances

    def calibration(probabilities: Sequence[float]) -> CalibrationFigures:
        return {
            "brier": brier_score(probabilities, is_correct),
            "ece": expected_calibration_error(probabilities, is_correct),
            "bins": reliability_bins(probabilities, is_correct),
        }

    return {
        "answers": len(answered),
        "wrong": is_correct.count(False),
        "auroc": {name: auroc(v, [not r for r in is_correct]) for name, v in values.items()},
        "rejection": {name: [list(p) for p in rejection_curve(v, is_correct)] for name, v in values.items()},
        "before": calibration(compared_chances),
        "after": calibration(recalibrated_chances),
    }


def _nan_if_none(value: float | bool | None) -> float:
    return math.nan if value is None else float(value)
