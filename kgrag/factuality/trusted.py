"""Tables of how far a run's figures can be trusted, and of what the run was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kgrag.factuality.tables import Cell, Report, Table, table
from kgrag.factuality.words import CONDITIONS, NONE, VERDICTS, count, plain, rate, who


def trust(report: Report) -> list[Table]:
    """The abstention detector, and what people say."""
    said = report.get("people") or {}
    return [
        t
        for t in (detector(report), judge(report), *_labels(said.get("claims")), _preferences(said.get("preferences")))
        if t
    ]


def detector(report: Report) -> Table | None:
    """How well silence is told from answers."""
    langs = report.get("abstention_detector") or {}
    if not langs:
        return None
    columns: dict[str, list[Cell]] = {"language": [*langs]}
    for name in ("precision", "recall"):
        columns[f"{name} of 100 [95 %]"] = [rate(f[name]) for f in langs.values()]
    columns["examples"] = [count(f["examples"]) for f in langs.values()]
    return table("How well “I do not know” is recognised, on a list of its own", columns)


def judge(report: Report) -> Table | None:
    """What the judge makes of answers that are known to be right or wrong."""
    found = report.get("judge")
    if not found:
        return None
    columns: dict[str, list[Cell]] = {
        "answers of one phrase": [count(found["claims"])],
        "known to be right": [count(found["right"])],
        "of those, the judge bears out, of 100 [95 %]": [rate(found["sensitivity"])],
        "of the wrong ones, it does not, of 100 [95 %]": [rate(found["specificity"])],
    }
    note = "What it says of these is not counted: what is known decides. Of sentences, and where no answer is known, it does."
    return table("The judge beside the known answers", columns, note=note)


def _labels(found: Report | None) -> Sequence[Table]:
    if not found:
        return ()
    agree: dict[str, list[Cell]] = {
        "claims labelled": [count(found["labels"])],
        "the judge agrees, of 100 [95 %]": [rate(found["agreement"])],
        "Cohen's kappa": [plain(found["kappa"])],
        "sensitivity": [plain(found["sensitivity"])],
        "specificity": [plain(found["specificity"])],
    }
    columns: dict[str, list[Cell]] = {"the judge says": [*VERDICTS]}
    for verdict in VERDICTS:
        columns[f"people say {verdict}"] = [count(found["table"][judge][verdict]) for judge in VERDICTS]
    rows = [
        (f"{arm}, {c}", f) for c, arms in found["factual_precision"].items() for arm, f in arms.items() if f["claims"]
    ]
    mended: dict[str, list[Cell]] = {"evidence": [name for name, _ in rows]}
    for name, said in (("counted", "as the judge counts"), ("corrected", "corrected for its errors")):
        mended[f"claims borne out, {said}"] = [rate(f[name]) for _, f in rows]
    shown = [table("People's labels", agree), table("The judge beside people", columns)]
    return [*shown, table("Claims borne out, of 100 [95 %] (Rogan and Gladen)", mended)] if rows else shown


def _preferences(found: Report | None) -> Table | None:
    if not found:
        return None
    columns: dict[str, list[Cell]] = {"answers of": [*found["arms"], "neither"]}
    columns["preferred"] = [count(n) for n in (*found["arms"].values(), found["neither"])]
    p = plain(found["p"])
    note = "" if p == NONE else f"Sign test between the arms: p {p}. Who chose did not know which arm had answered."
    return table("What people prefer, blind", columns, note=note)


def unasked(report: Report) -> Table | None:
    """What was not asked, and what does not count."""
    rows = [(r["arm"], CONDITIONS[r["condition"]], r["why"], r["questions"]) for r in report.get("unasked") or ()]
    edited = CONDITIONS["counterfactual"]
    rows += [
        (arm, edited, "the edit changed nothing of what was retrieved", n) for arm, n in report["unedited"].items()
    ]
    columns = {
        "evidence": [r[0] for r in rows],
        "questions that": [r[1] for r in rows],
        "why": [r[2] for r in rows],
        "questions": [count(r[3]) for r in rows],
    }
    return table("Not asked, or not counted", columns, folded="What was not asked, or is not counted") if rows else None


def arms(report: Report) -> Table:
    """What the names of the arms mean."""
    return table("What the arms are", {"evidence": report["arms"], "who answers": [who(arm) for arm in report["arms"]]}, folded="What the arms are")  # fmt: skip


def manifest(manifest: Mapping[str, Any]) -> Table | None:
    """All that decides the run, flattened: ``store.generation``."""
    rows: list[tuple[str, str]] = []

    def walk(name: str, value: Any) -> None:
        if isinstance(value, Mapping) and value:
            for key, part in value.items():
                walk(f"{name}.{key}".strip(".") or "model", part)
        elif value not in (None, "", [], {}):
            rows.append((name, ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)))

    walk("", manifest)
    return table("The manifest: with the same of these, the run gives the same", {"what": [r[0] for r in rows], "value": [r[1] for r in rows]}) if rows else None  # fmt: skip
