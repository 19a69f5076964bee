"""Tables of how far a run's figures can be trusted, and of what the run was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kgrag.factuality.report.labels import (
    CONDITION_TITLES,
    UNDEFINED,
    VERDICTS,
    arm_label,
    format_count,
    format_number,
    format_rate,
)
from kgrag.factuality.report.tables import Cell, ReportTable, RunReport, make_table


def trust_tables(report: RunReport) -> list[ReportTable]:
    """The abstention detector, and what people say."""
    human_results = report.get("people") or {}
    return [
        t
        for t in (
            abstention_table(report),
            judge_table(report),
            *_label_tables(human_results.get("claims")),
            _preference_table(human_results.get("preferences")),
        )
        if t
    ]


def abstention_table(report: RunReport) -> ReportTable | None:
    """How well silence is told from answers."""
    langs = report.get("abstention_detector") or {}
    if not langs:
        return None
    columns: dict[str, list[Cell]] = {"language": [*langs]}
    for name in ("precision", "recall"):
        columns[f"{name} of 100 [95 %]"] = [format_rate(f[name]) for f in langs.values()]
    columns["examples"] = [format_count(f["examples"]) for f in langs.values()]
    return make_table("How well “I do not know” is recognised, on a list of its own", columns)


def judge_table(report: RunReport) -> ReportTable | None:
    """What the judge makes of answers that are known to be right or wrong."""
    judge_figures = report.get("judge")
    if not judge_figures:
        return None
    columns: dict[str, list[Cell]] = {
        "answers of one phrase": [format_count(judge_figures["claims"])],
        "known to be right": [format_count(judge_figures["right"])],
        "of those, the judge bears out, of 100 [95 %]": [format_rate(judge_figures["sensitivity"])],
        "of the wrong ones, it does not, of 100 [95 %]": [format_rate(judge_figures["specificity"])],
    }
    note = "What it says of these is not counted: what is known decides. Of sentences, and where no answer is known, it does."
    return make_table("The judge beside the known answers", columns, note=note)


def _label_tables(agreement: RunReport | None) -> Sequence[ReportTable]:
    if not agreement:
        return ()
    agreement_columns: dict[str, list[Cell]] = {
        "claims labelled": [format_count(agreement["labels"])],
        "the judge agrees, of 100 [95 %]": [format_rate(agreement["agreement"])],
        "Cohen's kappa": [format_number(agreement["kappa"])],
        "sensitivity": [format_number(agreement["sensitivity"])],
        "specificity": [format_number(agreement["specificity"])],
    }
    columns: dict[str, list[Cell]] = {"the judge says": [*VERDICTS]}
    for verdict in VERDICTS:
        columns[f"people say {verdict}"] = [format_count(agreement["table"][judge][verdict]) for judge in VERDICTS]
    rows = [
        (f"{arm}, {c}", f)
        for c, arms in agreement["factual_precision"].items()
        for arm, f in arms.items()
        if f["claims"]
    ]
    corrected_columns: dict[str, list[Cell]] = {"evidence": [name for name, _ in rows]}
    for name, label in (("counted", "as the judge counts"), ("corrected", "corrected for its errors")):
        corrected_columns[f"claims borne out, {label}"] = [format_rate(f[name]) for _, f in rows]
    label_tables = [make_table("People's labels", agreement_columns), make_table("The judge beside people", columns)]
    return (
        [*label_tables, make_table("Claims borne out, of 100 [95 %] (Rogan and Gladen)", corrected_columns)]
        if rows
        else label_tables
    )


def _preference_table(preferences: RunReport | None) -> ReportTable | None:
    if not preferences:
        return None
    columns: dict[str, list[Cell]] = {"answers of": [*preferences["arms"], "neither"]}
    columns["preferred"] = [format_count(n) for n in (*preferences["arms"].values(), preferences["neither"])]
    p = format_number(preferences["p"])
    note = (
        "" if p == UNDEFINED else f"Sign test between the arms: p {p}. Who chose did not know which arm had answered."
    )
    return make_table("What people prefer, blind", columns, note=note)


def skipped_table(report: RunReport) -> ReportTable | None:
    """What was not asked, and what does not count."""
    rows = [(r["arm"], CONDITION_TITLES[r["condition"]], r["why"], r["questions"]) for r in report.get("unasked") or ()]
    edited = CONDITION_TITLES["counterfactual"]
    rows += [
        (arm, edited, "the edit changed nothing of what was retrieved", n) for arm, n in report["unedited"].items()
    ]
    columns = {
        "evidence": [r[0] for r in rows],
        "questions that": [r[1] for r in rows],
        "why": [r[2] for r in rows],
        "questions": [format_count(r[3]) for r in rows],
    }
    return (
        make_table("Not asked, or not counted", columns, folded="What was not asked, or is not counted")
        if rows
        else None
    )


def arm_table(report: RunReport) -> ReportTable:
    """What the names of the arms mean."""
    return make_table("What the arms are", {"evidence": report["arms"], "who answers": [arm_label(arm) for arm in report["arms"]]}, folded="What the arms are")  # fmt: skip


def manifest_table(manifest: Mapping[str, Any]) -> ReportTable | None:
    """All that decides the run, flattened: ``store.generation``."""
    rows: list[tuple[str, str]] = []

    def flatten(name: str, value: Any) -> None:
        if isinstance(value, Mapping) and value:
            for key, part in value.items():
                flatten(f"{name}.{key}".strip(".") or "model", part)
        elif value not in (None, "", [], {}):
            rows.append((name, ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)))

    flatten("", manifest)
    return make_table("The manifest: with the same of these, the run gives the same", {"what": [r[0] for r in rows], "value": [r[1] for r in rows]}) if rows else None  # fmt: skip
