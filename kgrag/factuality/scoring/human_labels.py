"""What people say of a run: labels of claims, which show how far the judge can be trusted, and blind preferences."""

from __future__ import annotations

import csv
import hashlib
import json
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from kgrag.errors import ReadError
from kgrag.factuality.records import RunRecord
from kgrag.factuality.report.files import to_csv, write_text
from kgrag.metrics.significance import kappa, mcnemar, rogan_gladen, wilson

LABELS_FILE, SHEET_FILE, SHEET_KEY_FILE = "labels.jsonl", "preference.csv", "preference.key.json"
VERDICTS = ("supported", "contradicted", "unverifiable")
_SHEET_COLUMNS = ("number", "question", "answer_1", "answer_2", "preferred", "comment")
ClaimLabel = dict[str, Any]


def shuffle_key(name: str, seed: int) -> str:
    """A place in an order that depends on the seed alone."""
    return hashlib.sha256(f"{seed}/{name}".encode("utf-8", "surrogatepass")).hexdigest()


def sample_claims_to_label(records: Sequence[RunRecord], number: int, seed: int = 0) -> list[ClaimLabel]:
    """Claims for a person to judge: of each verdict as many as there are, as evenly as can be, in a drawn order.

    Each has ``key`` (record and claim), ``question``, ``claim``, and ``evidence``: what the judge read. Which arm said it and
    what the judge said are not there: who labels is not to know.
    """
    by_verdict: dict[str, list[ClaimLabel]] = {verdict: [] for verdict in VERDICTS}
    seen_claims = set()
    for record in records:
        for claim_index, claim in enumerate(record["claims"]):
            if (record["id"], record["condition"], claim["text"]) in seen_claims:
                continue
            seen_claims.add((record["id"], record["condition"], claim["text"]))
            key = f"{record['id']}/{record['condition']}/{record['arm']}/{claim_index}"
            gold = [e for e in record["evidence"] if e["gold"]] or claim["found"]
            by_verdict[claim["verdict"]].append({"key": key, "question": record["question"], "claim": claim["text"],
                "evidence": [f"{e['title']}: {e['text']}" for e in gold]})  # fmt: skip
    queues = [sorted(rows, key=lambda row: shuffle_key(row["key"], seed)) for rows in by_verdict.values()]
    interleaved = [
        row for turn in range(max(map(len, queues), default=0)) for row in (q[turn] for q in queues if len(q) > turn)
    ]
    return sorted(interleaved[:number], key=lambda row: shuffle_key(f"order {row['key']}", seed))


def load_labels(folder: Path) -> dict[str, str]:
    """key of a claim -> what a person said of it; none where nobody has yet.

    Raises:
        ReadError: the file is damaged.
    """
    path = folder / LABELS_FILE
    if not path.is_file():
        return {}
    try:
        rows = [json.loads(line) for line in path.read_text("utf-8").splitlines() if line.strip()]
        return {row["key"]: row["verdict"] for row in rows if row["verdict"] in VERDICTS}
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise ReadError(f"{path} cannot be read ({error}): mend or remove the line.") from error


def save_label(folder: Path, key: str, verdict: str) -> None:
    """Add a label; it is on the disk when this returns."""
    with (folder / LABELS_FILE).open("a", encoding="utf-8", newline="\n") as file:
        file.write(json.dumps({"key": key, "verdict": verdict}, ensure_ascii=False) + "\n")
        file.flush()


def judge_agreement(records: Sequence[RunRecord], labels: dict[str, str]) -> dict[str, Any] | None:
    """How far the judge agrees with people, and each arm's factual precision corrected for it; None without labels.

    Returns:
        ``labels``, ``agreement`` (a share), ``kappa``, ``table[judge][person]``, ``sensitivity`` and ``specificity`` of
        "supported", and ``factual_precision``: condition -> arm -> ``counted`` and ``corrected``, shares of claims. The
        sample is even over the judge's verdicts, so sensitivity and specificity are weighed back to the run's own.
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
    counted: dict[str, dict[str, Any]] = {}
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
            "counted": asdict(rate),
            "corrected": asdict(corrected),
        }
    return {
        "labels": len(pairs),
        "agreement": asdict(wilson(sum(a == b for a, b in pairs), len(pairs))),
        "kappa": kappa(paired_verdicts, person_verdicts),
        "table": {a: {b: pairs.count((a, b)) for b in VERDICTS} for a in VERDICTS},
        "sensitivity": sensitivity,
        "specificity": specificity,
        "factual_precision": counted,
    }


def _weighted_sensitivity_specificity(pairs: Iterable[tuple[str, str]], in_run: Counter[str]) -> tuple[float, float]:
    """Sensitivity and specificity of "supported", each labelled claim weighed by how many it stands for."""
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
    """A sheet on which people say which of two answers they prefer, without knowing which arm gave it, and its key.

    Questions on which both arms said the same are left out. A sheet that somebody has begun to fill in is left alone.
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
        rows.append({"number": number_in_sheet, "question": by_arm[arm_a][name]["question"], "answer_1": answers[0], "answer_2": answers[1], "preferred": "", "comment": ""})  # fmt: skip
        key[str(number_in_sheet)] = {"id": name, "1": arms[0], "2": arms[1]}
    write_text(folder / SHEET_FILE, to_csv(_SHEET_COLUMNS, rows))
    write_text(folder / SHEET_KEY_FILE, json.dumps(key, ensure_ascii=False, indent=1) + "\n")


def count_preferences(folder: Path) -> dict[str, Any] | None:
    """What people preferred: ``arms`` -> how often, ``neither``, and ``p`` of a sign test; None where nobody said anything.

    Raises:
        ReadError: the sheet says something else than 1, 2 or 0 (neither).
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
