"""Human judgements of a run: labels of claims, which measure the judge, and blind preferences between arms."""

from __future__ import annotations

import csv
import hashlib
import json
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypedDict

from kgrag.errors import ReadError
from kgrag.factuality.figures import CorrectedRate, JudgeAgreement, PreferenceCounts, interval_json
from kgrag.factuality.records import EvidenceRecord, RetrievedRecord, RunRecord
from kgrag.factuality.report.files import to_csv, write_text
from kgrag.metrics.agreement import kappa
from kgrag.metrics.intervals import rogan_gladen, wilson
from kgrag.metrics.significance import mcnemar
from kgrag.storage.text_files import read_text_file

LABELS_FILE, SHEET_FILE, SHEET_KEY_FILE = "labels.jsonl", "preference.csv", "preference.key.json"
VERDICTS = ("supported", "contradicted", "unverifiable")
_SHEET_COLUMNS = ("number", "question", "answer_1", "answer_2", "preferred", "comment")


class ClaimToLabel(TypedDict):
    """A claim for a person to label, without the arm and the judge's verdict: labels must be blind."""

    key: str
    """record and index of the claim"""
    question: str
    claim: str
    evidence: list[str]
    """the texts that the judge read"""


def shuffle_key(name: str, seed: int) -> str:
    """Return a sort key for an order that depends on the seed only."""
    return hashlib.sha256(f"{seed}/{name}".encode("utf-8", "surrogatepass")).hexdigest()


def sample_claims_to_label(records: Sequence[RunRecord], number: int, seed: int = 0) -> list[ClaimToLabel]:
    """Sample claims for a person to label, spread evenly over the judge's verdicts, in random order."""
    by_verdict: dict[str, list[ClaimToLabel]] = {verdict: [] for verdict in VERDICTS}
    seen_claims = set()
    for record in records:
        for claim_index, claim in enumerate(record["claims"]):
            if (record["id"], record["condition"], claim["text"]) in seen_claims:
                continue
            seen_claims.add((record["id"], record["condition"], claim["text"]))
            key = f"{record['id']}/{record['condition']}/{record['arm']}/{claim_index}"
            gold: Sequence[EvidenceRecord | RetrievedRecord] = [e for e in record["evidence"] if e["gold"]]
            by_verdict[claim["verdict"]].append(
                {
                    "key": key,
                    "question": record["question"],
                    "claim": claim["text"],
                    "evidence": [f"{e['title']}: {e['text']}" for e in gold or claim["found"]],
                }
            )
    queues = [sorted(rows, key=lambda row: shuffle_key(row["key"], seed)) for rows in by_verdict.values()]
    interleaved = [
        row for turn in range(max(map(len, queues), default=0)) for row in (q[turn] for q in queues if len(q) > turn)
    ]
    return sorted(interleaved[:number], key=lambda row: shuffle_key(f"order {row['key']}", seed))


def load_labels(folder: Path) -> dict[str, str]:
    """Load the human labels of a run: verdict by key of the claim; empty without labels.

    Raises:
        ReadError: the file is damaged.
    """
    path = folder / LABELS_FILE
    if not path.is_file():
        return {}
    try:
        rows = [json.loads(line) for line in read_text_file(path).splitlines() if line.strip()]
        return {row["key"]: row["verdict"] for row in rows if row["verdict"] in VERDICTS}
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise ReadError(f"{path} cannot be read ({error}): fix or delete the line.") from error


def save_label(folder: Path, key: str, verdict: str) -> None:
    """Append a label to the file."""
    with (folder / LABELS_FILE).open("a", encoding="utf-8", newline="\n") as file:
        file.write(json.dumps({"key": key, "verdict": verdict}, ensure_ascii=False) + "\n")
        file.flush()


def judge_agreement(records: Sequence[RunRecord], labels: dict[str, str]) -> JudgeAgreement | None:
    """Measure the judge's agreement with human labels, and correct each arm's factual precision by it.

    None without labels.

    The sample is even over the judge's verdicts, so sensitivity and specificity of "supported" are weighted back to the
    run's own distribution of verdicts.
    """
    judge_verdicts = {
        f"{r['id']}/{r['condition']}/{r['arm']}/{n}": claim["verdict"]
        for r in records
        for n, claim in enumerate(r["claims"])
    }
    pairs = [(judge_verdicts[key], verdict) for key, verdict in labels.items() if key in judge_verdicts]
    if not pairs:
        return None
    paired_verdicts, person_verdicts = [a for a, _ in pairs], [b for _, b in pairs]
    sensitivity, specificity = _weighted_sensitivity_specificity(pairs, Counter(judge_verdicts.values()))
    positives = person_verdicts.count("supported")
    counted: dict[str, dict[str, CorrectedRate]] = {}
    for condition, arm in dict.fromkeys((r["condition"], r["arm"]) for r in records):
        arm_verdicts = [
            c["verdict"] for r in records if (r["condition"], r["arm"]) == (condition, arm) for c in r["claims"]
        ]
        rate = wilson(arm_verdicts.count("supported"), len(arm_verdicts))
        corrected = rogan_gladen(
            rate.value, len(arm_verdicts), sensitivity, positives, specificity, len(person_verdicts) - positives
        )
        counted.setdefault(condition, {})[arm] = {
            "claims": len(arm_verdicts),
            "counted": interval_json(rate),
            "corrected": interval_json(corrected),
        }
    return {
        "labels": len(pairs),
        "agreement": interval_json(wilson(sum(a == b for a, b in pairs), len(pairs))),
        "kappa": kappa(paired_verdicts, person_verdicts),
        "table": {a: {b: pairs.count((a, b)) for b in VERDICTS} for a in VERDICTS},
        "sensitivity": sensitivity,
        "specificity": specificity,
        "factual_precision": counted,
    }


def _weighted_sensitivity_specificity(pairs: Iterable[tuple[str, str]], in_run: Counter[str]) -> tuple[float, float]:
    """Return sensitivity and specificity of "supported"; a labelled claim weighs as many as it represents."""
    pairs = list(pairs)
    labelled = Counter(judge for judge, _ in pairs)
    weights = [in_run[judge] / labelled[judge] for judge, _ in pairs]

    def share(person: bool, judge: bool) -> float:
        matching = [(w, a) for w, (a, b) in zip(weights, pairs, strict=True) if (b == "supported") is person]
        total = sum(w for w, _ in matching)
        return sum(w for w, a in matching if (a == "supported") is judge) / total if total else math.nan

    return share(True, True), share(False, False)


def write_preference_sheet(
    folder: Path, records: Sequence[RunRecord], arm_a: str, arm_b: str, number: int, seed: int = 0
) -> None:
    """Write a sheet for blind preferences between the answers of two arms, and its key.

    Questions with equal answers are left out. A sheet that already has preferences is not overwritten.
    """
    if count_preferences(folder) is not None:
        return
    by_arm = {
        arm: {r["id"]: r for r in records if r["arm"] == arm and r["condition"] == "answerable"}
        for arm in (arm_a, arm_b)
    }
    differing_ids = [
        i for i in by_arm[arm_a] if i in by_arm[arm_b] and by_arm[arm_a][i]["answer"] != by_arm[arm_b][i]["answer"]
    ]
    rows, key = [], {}
    for number_in_sheet, name in enumerate(sorted(differing_ids, key=lambda i: shuffle_key(i, seed))[:number], 1):
        arms = [arm_a, arm_b] if int(shuffle_key(f"side {name}", seed), 16) % 2 else [arm_b, arm_a]
        answers = [by_arm[arm][name]["answer"] for arm in arms]
        rows.append(
            {
                "number": number_in_sheet,
                "question": by_arm[arm_a][name]["question"],
                "answer_1": answers[0],
                "answer_2": answers[1],
                "preferred": "",
                "comment": "",
            }
        )
        key[str(number_in_sheet)] = {"id": name, "1": arms[0], "2": arms[1]}
    write_text(folder / SHEET_FILE, to_csv(_SHEET_COLUMNS, rows))
    write_text(folder / SHEET_KEY_FILE, json.dumps(key, ensure_ascii=False, indent=1) + "\n")


def count_preferences(folder: Path) -> PreferenceCounts | None:
    """Count the preferences of the sheet and test them with a sign test; None without a preference.

    Raises:
        ReadError: a preference is not 1, 2 or 0 (neither).
    """
    sheet, key = folder / SHEET_FILE, folder / SHEET_KEY_FILE
    if not (sheet.is_file() and key.is_file()):
        return None
    arms = json.loads(key.read_text("utf-8"))
    wins: Counter[str] = Counter()
    neither = 0
    with sheet.open(encoding="utf-8-sig", newline="") as file:
        for row in csv.DictReader(file):
            choice = (row.get("preferred") or "").strip()
            if choice in ("1", "2") and row["number"] in arms:
                wins[arms[row["number"]][choice]] += 1
            elif choice == "0":
                neither += 1
            elif choice:
                raise ReadError(
                    f"{sheet}, number {row.get('number')}: expected 1, 2 or 0 (neither) as preferred, found {choice!r}."
                )
    if not wins and not neither:
        return None
    names = sorted({arm for row in arms.values() for arm in (row["1"], row["2"])})
    counts = {name: wins[name] for name in names}
    return {"arms": counts, "neither": neither, "p": mcnemar(*[*counts.values(), 0][:2])}
