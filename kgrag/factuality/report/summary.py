"""The figures of a run, all of them from its records: rates, differences, flips, slices, doubt and blame.

`report` gives one JSON-ready value, which ``report.json`` holds; docs/evaluation.md says what its keys are. What is not
defined is NaN here and null there.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from kgrag.factuality.experiment.arms import ADAPTER_SUFFIX
from kgrag.factuality.records import RunRecord
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
from kgrag.metrics.intervals import bootstrap_interval
from kgrag.metrics.significance import wilson

OUTCOME_ORDER = ("correct", "wrong", "abstained", "empty")
CONDITION_ORDER = ("answerable", "unanswerable", "counterfactual")


def is_counted(record: RunRecord) -> bool:
    """Whether a record is in the rates: a counterfactual one only where its edit reached what was retrieved."""
    return bool(record["condition"] != "counterfactual" or record["altered"])


def group_records(records: Sequence[RunRecord]) -> dict[str, dict[str, list[RunRecord]]]:
    """condition -> arm -> the records that count, conditions and arms in the order in which they were run."""
    arms = dict.fromkeys(r["arm"] for r in records)
    groups: dict[str, dict[str, list[RunRecord]]] = {c: {arm: [] for arm in arms} for c in CONDITION_ORDER}
    for record in filter(is_counted, records):
        groups[record["condition"]][record["arm"]].append(record)
    non_empty = {c: {arm: rows for arm, rows in by_arm.items() if rows} for c, by_arm in groups.items()}
    return {c: by_arm for c, by_arm in non_empty.items() if by_arm}


def build_report(records: Sequence[RunRecord], *, seed: int = 0) -> dict[str, Any]:
    """Every figure that follows from records alone."""
    groups = group_records(records)
    return {
        "questions": len({r["id"] for r in records}),
        "records": len(records),
        "arms": list(dict.fromkeys(r["arm"] for r in records)),
        "conditions": list(groups),
        "rates": {c: {arm: arm_figures(rows, c, seed) for arm, rows in arms.items()} for c, arms in groups.items()},
        "differences": all_differences(groups, seed=seed),
        "flips": all_flips(groups),
        "slices": {name: slice_rates(groups.get("answerable", {}), name) for name in ("lang", "hops", "type")},
        "blame": {
            c: {arm: count_error_causes(rows) for arm, rows in arms.items()}
            for c, arms in groups.items()
            if c != "unanswerable"
        },
        "judge": judge_against_known(records),
        "uncertainty": {
            arm: found for arm, rows in groups.get("answerable", {}).items() if (found := uncertainty_summary(rows))
        },
        "unedited": dict(Counter(r["arm"] for r in records if not is_counted(r))),
    }


def arm_figures(rows: Sequence[RunRecord], condition: str, seed: int = 0) -> dict[str, Any]:
    """An arm under a condition: `rates`, the measures of its claims, and what it took."""
    outcomes = [Outcome(r["outcome"]) for r in rows]
    figures = outcome_rates(outcomes, [r["cluster"] for r in rows], answerable=condition != "unanswerable", seed=seed)
    claims = [claim for r in rows for claim in r["claims"]]
    verdicts = Counter(claim["verdict"] for claim in claims)
    figures["f1"] = asdict(bootstrap_interval([_nan_if_none(r["f1"]) for r in rows]))
    figures["claims"] = {v: verdicts[v] for v in ("supported", "contradicted", "unverifiable")} | {"all": len(claims)}
    figures["measures"] = {}
    for name in CLAIM_METRICS:
        values = [_nan_if_none(r["measures"][name]) for r in rows]
        unscored = sum(math.isnan(v) for v in values)
        figures["measures"][name] = asdict(bootstrap_interval(values, seed=seed)) | {
            "scored": len(values) - unscored,
            "unscored": unscored,
        }
    figures["graph"] = dict(
        Counter(r["graph"]["verdict"] if r["graph"] else "not covered" for r in rows if r["claims"])
    )
    for kind in ("names", "numbers"):
        token_checks = [r["standing"] for r in rows if r["standing"]]
        total, missing = (sum(len(s[name]) for s in token_checks) for name in (kind, f"{kind}_missing"))
        figures[f"{kind}_grounded"] = asdict(wilson(total - missing, total))
    figures["from_memory"] = sum(r["from_memory"] for r in rows)
    coverages = [r["retrieval"] for r in rows if r["retrieval"]]
    figures["leaked"] = sum(bool(s["answer_shown"]) for s in coverages) if condition == "unanswerable" else 0
    for name in ("gold_retrieved", "gold_shown", "answer_shown"):
        figures[name] = asdict(bootstrap_interval([_nan_if_none(s[name]) for s in coverages]))
    figures["seconds"] = asdict(bootstrap_interval([r["seconds"] for r in rows]))
    return figures


def judge_against_known(records: Sequence[RunRecord]) -> dict[str, Any] | None:
    """What the judge says of claims that the known answers decide, each once: ``claims``, ``right`` (how many are), and
    its ``sensitivity`` and ``specificity`` of "supported" with their intervals; None where no claim is decided so."""
    decided: dict[tuple[str, str, str], tuple[bool, bool]] = {}
    for record in records:
        for claim in record["claims"]:
            checks = claim["checks"]
            verdicts = [checks[name]["verdict"] for name in ("gold", "retrieved") if name in checks]
            if "known" in checks and verdicts:
                # as the reference is read without what is known: the first that is decided
                verdict = next((v for v in verdicts if v != "unverifiable"), verdicts[0])
                right = checks["known"]["verdict"] == "supported"
                decided[record["id"], record["condition"], claim["text"]] = right, verdict == "supported"
    if not decided:
        return None
    judged_supported = {
        is_right: [said for was, said in decided.values() if was == is_right] for is_right in (True, False)
    }
    return {
        "claims": len(decided),
        "right": len(judged_supported[True]),
        "sensitivity": asdict(wilson(sum(judged_supported[True]), len(judged_supported[True]))),
        "specificity": asdict(wilson(judged_supported[False].count(False), len(judged_supported[False]))),
    }


def all_flips(groups: dict[str, dict[str, list[RunRecord]]]) -> list[dict[str, Any]]:
    """For each condition and pair of the baseline and another arm: what became of what, and which questions those are.

    ``table[before][after]`` counts; ``questions["wrong to correct"]`` names.
    """
    rows = []
    for condition, arms in groups.items():
        names = list(arms)
        first = BASELINE if BASELINE in arms else names[0]
        pairs = [(first, other) for other in names if other != first] + [
            (a.removesuffix(ADAPTER_SUFFIX), a) for a in names if a.endswith(ADAPTER_SUFFIX)
        ]
        for before, after in dict.fromkeys(pairs):
            if before in arms and before != after:
                rows.append(
                    {"condition": condition, "from": before, "to": after} | outcome_flips(arms[before], arms[after])
                )
    return rows


def outcome_flips(before: Sequence[RunRecord], after: Sequence[RunRecord]) -> dict[str, Any]:
    """What became of what: of the questions that both were asked."""
    outcome_after = {r["id"]: r["outcome"] for r in after}
    ids_by_change: dict[str, list[str]] = defaultdict(list)
    table = {outcome_a: dict.fromkeys(OUTCOME_ORDER, 0) for outcome_a in OUTCOME_ORDER}
    for record in before:
        if record["id"] in outcome_after:
            one, outcome_b = record["outcome"], outcome_after[record["id"]]
            table[one][outcome_b] += 1
            if one != outcome_b:
                ids_by_change[f"{one} to {outcome_b}"].append(record["id"])
    return {"table": table, "questions": dict(sorted(ids_by_change.items()))}


def slice_rates(arms: dict[str, list[RunRecord]], name: str) -> dict[str, Any]:
    """value of a record's ``name`` -> arm -> {questions, hallucination, correct, abstained}; none where all are alike."""
    values = sorted({str(r[name]) for rows in arms.values() for r in rows})
    figures: dict[str, Any] = {}
    for value in values if len(values) > 1 else ():
        figures[value] = {}
        for arm, rows in arms.items():
            outcomes = [r["outcome"] for r in rows if str(r[name]) == value]
            figures[value][arm] = {"questions": len(outcomes)} | {
                label: asdict(wilson(outcomes.count(kind), len(outcomes)))
                for label, kind in (("hallucination", "wrong"), ("correct", "correct"), ("abstained", "abstained"))
            }
    return figures


def count_error_causes(rows: Sequence[RunRecord]) -> dict[str, int]:
    """How often each of `KINDS` was to blame; only of arms that had evidence."""
    kinds = Counter(r["blame"] for r in rows)
    return {kind: kinds[kind] for kind in ERROR_CAUSES}


def uncertainty_summary(rows: Sequence[RunRecord]) -> dict[str, Any]:
    """Whether an arm's doubt tells wrong from right, of the answers that it gave; {} where none was measured.

    ``auroc`` by measure of doubt; ``rejection`` by measure: [share kept, accuracy]; ``before`` and ``after`` calibration by
    the other questions: ``brier``, ``ece`` and the ``bins`` of the chance of the answer's tokens.
    """
    answered = [r for r in rows if r["uncertainty"]]
    if not answered:
        return {}
    is_correct = [r["outcome"] == "correct" for r in answered]
    values = {name: [_nan_if_none(r["uncertainty"][name]) for r in answered] for name in UNCERTAINTY_MEASURES}
    chances = [_nan_if_none(r["uncertainty"]["chance"]) for r in answered]
    recalibrated_chances = recalibrate(chances, is_correct, [r["cluster"] for r in answered])
    # both are told of the same answers, those that could be mended
    compared_chances = [
        c if not math.isnan(m) else math.nan for c, m in zip(chances, recalibrated_chances, strict=True)
    ]
    if all(math.isnan(m) for m in recalibrated_chances):
        compared_chances = chances

    def calibration(probabilities: Sequence[float]) -> dict[str, Any]:
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
