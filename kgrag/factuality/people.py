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
from kgrag.factuality.records import Record
from kgrag.factuality.statistics import kappa, mcnemar, rogan_gladen, wilson
from kgrag.factuality.write import table, text

LABELS, SHEET, KEY = "labels.jsonl", "preference.csv", "preference.key.json"
VERDICTS = ("supported", "contradicted", "unverifiable")
_HEADS = ("number", "question", "answer_1", "answer_2", "preferred", "comment")
Label = dict[str, Any]


def drawn(name: str, seed: int) -> str:
    """A place in an order that depends on the seed alone."""
    return hashlib.sha256(f"{seed}/{name}".encode("utf-8", "surrogatepass")).hexdigest()


def to_label(records: Sequence[Record], number: int, seed: int = 0) -> list[Label]:
    """Claims for a person to judge: of each verdict as many as there are, as evenly as can be, in a drawn order.

    Each has ``key`` (record and claim), ``question``, ``claim``, and ``evidence``: what the judge read. Which arm said it and
    what the judge said are not there: who labels is not to know.
    """
    by_verdict: dict[str, list[Label]] = {verdict: [] for verdict in VERDICTS}
    seen = set()
    for record in records:
        for place, claim in enumerate(record["claims"]):
            if (record["id"], record["condition"], claim["text"]) in seen:
                continue
            seen.add((record["id"], record["condition"], claim["text"]))
            key = f"{record['id']}/{record['condition']}/{record['arm']}/{place}"
            gold = [e for e in record["evidence"] if e["gold"]] or claim["found"]
            by_verdict[claim["verdict"]].append({"key": key, "question": record["question"], "claim": claim["text"],
                "evidence": [f"{e['title']}: {e['text']}" for e in gold]})  # fmt: skip
    queues = [sorted(rows, key=lambda row: drawn(row["key"], seed)) for rows in by_verdict.values()]
    turns = [
        row for turn in range(max(map(len, queues), default=0)) for row in (q[turn] for q in queues if len(q) > turn)
    ]
    return sorted(turns[:number], key=lambda row: drawn(f"order {row['key']}", seed))


def load_labels(folder: Path) -> dict[str, str]:
    """key of a claim -> what a person said of it; none where nobody has yet.

    Raises:
        ReadError: the file is damaged.
    """
    path = folder / LABELS
    if not path.is_file():
        return {}
    try:
        rows = [json.loads(line) for line in path.read_text("utf-8").splitlines() if line.strip()]
        return {row["key"]: row["verdict"] for row in rows if row["verdict"] in VERDICTS}
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise ReadError(f"{path} cannot be read ({error}): mend or remove the line.") from error


def keep_label(folder: Path, key: str, verdict: str) -> None:
    """Add a label; it is on the disk when this returns."""
    with (folder / LABELS).open("a", encoding="utf-8", newline="\n") as file:
        file.write(json.dumps({"key": key, "verdict": verdict}, ensure_ascii=False) + "\n")
        file.flush()


def agreement(records: Sequence[Record], labels: dict[str, str]) -> dict[str, Any] | None:
    """How far the judge agrees with people, and each arm's factual precision corrected for it; None without labels.

    Returns:
        ``labels``, ``agreement`` (a share), ``kappa``, ``table[judge][person]``, ``sensitivity`` and ``specificity`` of
        "supported", and ``factual_precision``: condition -> arm -> ``counted`` and ``corrected``, shares of claims. The
        sample is even over the judge's verdicts, so sensitivity and specificity are weighed back to the run's own.
    """
    said = {
        f"{r['id']}/{r['condition']}/{r['arm']}/{n}": claim["verdict"]
        for r in records
        for n, claim in enumerate(r["claims"])
    }
    pairs = [(said[key], verdict) for key, verdict in labels.items() if key in said]
    if not pairs:
        return None
    judged, people = [a for a, _ in pairs], [b for _, b in pairs]
    sensitivity, specificity = _rates(pairs, Counter(said.values()))
    positives = people.count("supported")
    counted: dict[str, dict[str, Any]] = {}
    for condition, arm in dict.fromkeys((r["condition"], r["arm"]) for r in records):
        mine = [c["verdict"] for r in records if (r["condition"], r["arm"]) == (condition, arm) for c in r["claims"]]
        rate = wilson(mine.count("supported"), len(mine))
        true = rogan_gladen(rate.value, len(mine), sensitivity, positives, specificity, len(people) - positives)
        counted.setdefault(condition, {})[arm] = {
            "claims": len(mine),
            "counted": asdict(rate),
            "corrected": asdict(true),
        }
    return {
        "labels": len(pairs),
        "agreement": asdict(wilson(sum(a == b for a, b in pairs), len(pairs))),
        "kappa": kappa(judged, people),
        "table": {a: {b: pairs.count((a, b)) for b in VERDICTS} for a in VERDICTS},
        "sensitivity": sensitivity,
        "specificity": specificity,
        "factual_precision": counted,
    }


def _rates(pairs: Iterable[tuple[str, str]], in_run: Counter[str]) -> tuple[float, float]:
    """Sensitivity and specificity of "supported", each labelled claim weighed by how many it stands for."""
    pairs = list(pairs)
    labelled = Counter(judge for judge, _ in pairs)
    weights = [in_run[judge] / labelled[judge] for judge, _ in pairs]

    def share(person: bool, judge: bool) -> float:
        of = [(w, a) for w, (a, b) in zip(weights, pairs, strict=True) if (b == "supported") is person]
        total = sum(w for w, _ in of)
        return sum(w for w, a in of if (a == "supported") is judge) / total if total else math.nan

    return share(True, True), share(False, False)


def write_sheet(folder: Path, records: Sequence[Record], one: str, two: str, number: int, seed: int = 0) -> None:
    """A sheet on which people say which of two answers they prefer, without knowing which arm gave it, and its key.

    Questions on which both arms said the same are left out. A sheet that somebody has begun to fill in is left alone.
    """
    if preferences(folder) is not None:
        return
    by_arm = {
        arm: {r["id"]: r for r in records if r["arm"] == arm and r["condition"] == "answerable"} for arm in (one, two)
    }
    both = [i for i in by_arm[one] if i in by_arm[two] and by_arm[one][i]["answer"] != by_arm[two][i]["answer"]]
    rows, key = [], {}
    for place, name in enumerate(sorted(both, key=lambda i: drawn(i, seed))[:number], 1):
        arms = [one, two] if int(drawn(f"side {name}", seed), 16) % 2 else [two, one]
        answers = [by_arm[arm][name]["answer"] for arm in arms]
        rows.append({"number": place, "question": by_arm[one][name]["question"], "answer_1": answers[0], "answer_2": answers[1], "preferred": "", "comment": ""})  # fmt: skip
        key[str(place)] = {"id": name, "1": arms[0], "2": arms[1]}
    text(folder / SHEET, table(_HEADS, rows))
    text(folder / KEY, json.dumps(key, ensure_ascii=False, indent=1) + "\n")


def preferences(folder: Path) -> dict[str, Any] | None:
    """What people preferred: ``arms`` -> how often, ``neither``, and ``p`` of a sign test; None where nobody said anything.

    Raises:
        ReadError: the sheet says something else than 1, 2 or 0 (neither).
    """
    sheet, key = folder / SHEET, folder / KEY
    if not (sheet.is_file() and key.is_file()):
        return None
    arms = json.loads(key.read_text("utf-8"))
    won: Counter[str] = Counter()
    neither = 0
    with sheet.open(encoding="utf-8-sig", newline="") as file:
        for row in csv.DictReader(file):
            said = (row.get("preferred") or "").strip()
            if said in ("1", "2") and row["number"] in arms:
                won[arms[row["number"]][said]] += 1
            elif said == "0":
                neither += 1
            elif said:
                raise ReadError(
                    f"{sheet}, number {row.get('number')}: expected 1, 2 or 0 (neither) as preferred, found {said!r}."
                )
    if not won and not neither:
        return None
    names = sorted({arm for row in arms.values() for arm in (row["1"], row["2"])})
    counts = {name: won[name] for name in names}
    return {"arms": counts, "neither": neither, "p": mcnemar(*[*counts.values(), 0][:2])}
