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

from kgrag.evaluate.statistics import interval
from kgrag.factuality.arms import ADAPTED
from kgrag.factuality.blame import KINDS
from kgrag.factuality.calibration import auroc, brier, expected_error, recalibrated, rejection, reliability
from kgrag.factuality.differences import BASELINE, differences
from kgrag.factuality.outcomes import Outcome, rates
from kgrag.factuality.records import Record
from kgrag.factuality.statistics import wilson
from kgrag.factuality.support import MEASURES
from kgrag.factuality.uncertainty import DOUBTS

ORDER = ("correct", "wrong", "abstained", "empty")
CONDITIONS = ("answerable", "unanswerable", "counterfactual")


def counted(record: Record) -> bool:
    """Whether a record is in the rates: a counterfactual one only where its edit reached what was retrieved."""
    return bool(record["condition"] != "counterfactual" or record["altered"])


def grouped(records: Sequence[Record]) -> dict[str, dict[str, list[Record]]]:
    """condition -> arm -> the records that count, conditions and arms in the order in which they were run."""
    arms = dict.fromkeys(r["arm"] for r in records)
    found: dict[str, dict[str, list[Record]]] = {c: {arm: [] for arm in arms} for c in CONDITIONS}
    for record in filter(counted, records):
        found[record["condition"]][record["arm"]].append(record)
    kept = {c: {arm: rows for arm, rows in by_arm.items() if rows} for c, by_arm in found.items()}
    return {c: by_arm for c, by_arm in kept.items() if by_arm}


def report(records: Sequence[Record], *, seed: int = 0) -> dict[str, Any]:
    """Every figure that follows from records alone."""
    groups = grouped(records)
    return {
        "questions": len({r["id"] for r in records}),
        "records": len(records),
        "arms": list(dict.fromkeys(r["arm"] for r in records)),
        "conditions": list(groups),
        "rates": {c: {arm: arm_figures(rows, c, seed) for arm, rows in arms.items()} for c, arms in groups.items()},
        "differences": differences(groups, seed=seed),
        "flips": flips(groups),
        "slices": {name: slices(groups.get("answerable", {}), name) for name in ("lang", "hops", "type")},
        "blame": {
            c: {arm: blamed(rows) for arm, rows in arms.items()} for c, arms in groups.items() if c != "unanswerable"
        },
        "judge": judged(records),
        "uncertainty": {arm: found for arm, rows in groups.get("answerable", {}).items() if (found := doubts(rows))},
        "unedited": dict(Counter(r["arm"] for r in records if not counted(r))),
    }


def arm_figures(rows: Sequence[Record], condition: str, seed: int = 0) -> dict[str, Any]:
    """An arm under a condition: `rates`, the measures of its claims, and what it took."""
    outcomes = [Outcome(r["outcome"]) for r in rows]
    found = rates(outcomes, [r["cluster"] for r in rows], answerable=condition != "unanswerable", seed=seed)
    claims = [claim for r in rows for claim in r["claims"]]
    verdicts = Counter(claim["verdict"] for claim in claims)
    found["f1"] = asdict(interval([_number(r["f1"]) for r in rows]))
    found["claims"] = {v: verdicts[v] for v in ("supported", "contradicted", "unverifiable")} | {"all": len(claims)}
    found["measures"] = {}
    for name in MEASURES:
        values = [_number(r["measures"][name]) for r in rows]
        unscored = sum(math.isnan(v) for v in values)
        found["measures"][name] = asdict(interval(values, seed=seed)) | {
            "scored": len(values) - unscored,
            "unscored": unscored,
        }
    found["graph"] = dict(Counter(r["graph"]["verdict"] if r["graph"] else "not covered" for r in rows if r["claims"]))
    for kind in ("names", "numbers"):
        stand = [r["standing"] for r in rows if r["standing"]]
        total, missing = (sum(len(s[name]) for s in stand) for name in (kind, f"{kind}_missing"))
        found[f"{kind}_grounded"] = asdict(wilson(total - missing, total))
    found["from_memory"] = sum(r["from_memory"] for r in rows)
    shown = [r["retrieval"] for r in rows if r["retrieval"]]
    found["leaked"] = sum(bool(s["answer_shown"]) for s in shown) if condition == "unanswerable" else 0
    for name in ("gold_retrieved", "gold_shown", "answer_shown"):
        found[name] = asdict(interval([_number(s[name]) for s in shown]))
    found["seconds"] = asdict(interval([r["seconds"] for r in rows]))
    return found


def judged(records: Sequence[Record]) -> dict[str, Any] | None:
    """What the judge says of claims that the known answers decide, each once: ``claims``, ``right`` (how many are), and
    its ``sensitivity`` and ``specificity`` of "supported" with their intervals; None where no claim is decided so."""
    told: dict[tuple[str, str, str], tuple[bool, bool]] = {}
    for record in records:
        for claim in record["claims"]:
            checks = claim["checks"]
            said = [checks[name]["verdict"] for name in ("gold", "retrieved") if name in checks]
            if "known" in checks and said:
                # as the reference is read without what is known: the first that is decided
                verdict = next((v for v in said if v != "unverifiable"), said[0])
                right = checks["known"]["verdict"] == "supported"
                told[record["id"], record["condition"], claim["text"]] = right, verdict == "supported"
    if not told:
        return None
    of = {right: [said for was, said in told.values() if was == right] for right in (True, False)}
    return {
        "claims": len(told),
        "right": len(of[True]),
        "sensitivity": asdict(wilson(sum(of[True]), len(of[True]))),
        "specificity": asdict(wilson(of[False].count(False), len(of[False]))),
    }


def flips(groups: dict[str, dict[str, list[Record]]]) -> list[dict[str, Any]]:
    """For each condition and pair of the baseline and another arm: what became of what, and which questions those are.

    ``table[before][after]`` counts; ``questions["wrong to correct"]`` names.
    """
    found = []
    for condition, arms in groups.items():
        names = list(arms)
        first = BASELINE if BASELINE in arms else names[0]
        pairs = [(first, other) for other in names if other != first] + [
            (a.removesuffix(ADAPTED), a) for a in names if a.endswith(ADAPTED)
        ]
        for before, after in dict.fromkeys(pairs):
            if before in arms and before != after:
                found.append({"condition": condition, "from": before, "to": after} | flip(arms[before], arms[after]))
    return found


def flip(before: Sequence[Record], after: Sequence[Record]) -> dict[str, Any]:
    """What became of what: of the questions that both were asked."""
    then = {r["id"]: r["outcome"] for r in after}
    moved: dict[str, list[str]] = defaultdict(list)
    table = {one: dict.fromkeys(ORDER, 0) for one in ORDER}
    for record in before:
        if record["id"] in then:
            one, two = record["outcome"], then[record["id"]]
            table[one][two] += 1
            if one != two:
                moved[f"{one} to {two}"].append(record["id"])
    return {"table": table, "questions": dict(sorted(moved.items()))}


def slices(arms: dict[str, list[Record]], name: str) -> dict[str, Any]:
    """value of a record's ``name`` -> arm -> {questions, hallucination, correct, abstained}; none where all are alike."""
    values = sorted({str(r[name]) for rows in arms.values() for r in rows})
    found: dict[str, Any] = {}
    for value in values if len(values) > 1 else ():
        found[value] = {}
        for arm, rows in arms.items():
            some = [r["outcome"] for r in rows if str(r[name]) == value]
            found[value][arm] = {"questions": len(some)} | {
                label: asdict(wilson(some.count(kind), len(some)))
                for label, kind in (("hallucination", "wrong"), ("correct", "correct"), ("abstained", "abstained"))
            }
    return found


def blamed(rows: Sequence[Record]) -> dict[str, int]:
    """How often each of `KINDS` was to blame; only of arms that had evidence."""
    kinds = Counter(r["blame"] for r in rows)
    return {kind: kinds[kind] for kind in KINDS}


def doubts(rows: Sequence[Record]) -> dict[str, Any]:
    """Whether an arm's doubt tells wrong from right, of the answers that it gave; {} where none was measured.

    ``auroc`` by measure of doubt; ``rejection`` by measure: [share kept, accuracy]; ``before`` and ``after`` calibration by
    the other questions: ``brier``, ``ece`` and the ``bins`` of the chance of the answer's tokens.
    """
    spoke = [r for r in rows if r["uncertainty"]]
    if not spoke:
        return {}
    right = [r["outcome"] == "correct" for r in spoke]
    values = {name: [_number(r["uncertainty"][name]) for r in spoke] for name in DOUBTS}
    chances = [_number(r["uncertainty"]["chance"]) for r in spoke]
    mended = recalibrated(chances, right, [r["cluster"] for r in spoke])
    # both are told of the same answers, those that could be mended
    told = [c if not math.isnan(m) else math.nan for c, m in zip(chances, mended, strict=True)]
    if all(math.isnan(m) for m in mended):
        told = chances

    def calibration(of: Sequence[float]) -> dict[str, Any]:
        return {"brier": brier(of, right), "ece": expected_error(of, right), "bins": reliability(of, right)}

    return {
        "answers": len(spoke),
        "wrong": right.count(False),
        "auroc": {name: auroc(v, [not r for r in right]) for name, v in values.items()},
        "rejection": {name: [list(p) for p in rejection(v, right)] for name, v in values.items()},
        "before": calibration(told),
        "after": calibration(mended),
    }


def _number(value: float | bool | None) -> float:
    return math.nan if value is None else float(value)
