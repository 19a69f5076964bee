"""Tables of the reliability of a run's figures, and of the run itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kgrag.factuality.figures import JudgeAgreement, Manifest, PreferenceCounts, RunReport
from kgrag.factuality.report.labels import (
    CONDITION_TITLES,
    UNDEFINED,
    VERDICTS,
    arm_label,
    format_count,
    format_number,
    format_rate,
    rate_figures,
)
from kgrag.factuality.report.tables import Cell, ReportTable, make_table


def trust_tables(report: RunReport) -> list[ReportTable]:
    """Return the tables of the abstention detector, the judge, and the human judgements."""
    human_results = report.get("people")
    labels, preferences = (human_results["claims"], human_results["preferences"]) if human_results else (None, None)
    return [
        t
        for t in (
            abstention_table(report),
            judge_table(report),
            *_label_tables(labels),
            _preference_table(preferences),
        )
        if t
    ]


def abstention_table(report: RunReport) -> ReportTable | None:
    """Show precision and recall of the abstention detector."""
    langs = report.get("abstention_detector") or {}
    if not langs:
        return None
    columns: dict[str, list[Cell]] = {"language": [*langs]}
    for name in ("precision", "recall"):
        columns[f"{name} of 100 [95 %]"] = [format_rate(rate_figures(f, name)) for f in langs.values()]
    columns["examples"] = [format_count(f["examples"]) for f in langs.values()]
    return make_table("Detection of abstentions, on a separate list of examples", columns)


def judge_table(report: RunReport) -> ReportTable | None:
    """Show the judge's accuracy on answers that the known answers decide."""
    judge_figures = report.get("judge")
    if not judge_figures:
        return None
    columns: dict[str, list[Cell]] = {
        "answers of one phrase": [format_count(judge_figures["claims"])],
        "known to be correct": [format_count(judge_figures["right"])],
        "correct ones that the judge supports, of 100 [95 %]": [format_rate(judge_figures["sensitivity"])],
        "wrong ones that it does not support, of 100 [95 %]": [format_rate(judge_figures["specificity"])],
    }
    note = "The known answers decide these claims, so the judge's verdict on them does not count. The judge decides sentences, and all claims without a known answer."
    return make_table("Judge and known answers", columns, note=note)


def _label_tables(agreement: JudgeAgreement | None) -> Sequence[ReportTable]:
    if not agreement:
        return ()
    agreement_columns: dict[str, list[Cell]] = {
        "claims labelled": [format_count(agreement["labels"])],
        "the judge agrees, of 100 [95 %]": [format_rate(agreement["agreement"])],
        "Cohen's kappa": [format_number(agreement["kappa"])],
        "sensitivity": [format_number(agreement["sensitivity"])],
        "specificity": [format_number(agreement["specificity"])],
    }
    columns: dict[str, list[Cell]] = {"judge's verdict": [*VERDICTS]}
    for verdict in VERDICTS:
        columns[f"human label {verdict}"] = [format_count(agreement["table"][judge][verdict]) for judge in VERDICTS]
    rows = [
        (f"{arm}, {c}", f)
        for c, arms in agreement["factual_precision"].items()
        for arm, f in arms.items()
        if f["claims"]
    ]
    corrected_columns: dict[str, list[Cell]] = {"evidence": [name for name, _ in rows]}
    for name, label in (("counted", "as the judge counts"), ("corrected", "corrected for its errors")):
        corrected_columns[f"supported claims, {label}"] = [format_rate(rate_figures(f, name)) for _, f in rows]
    label_tables = [make_table("Human labels", agreement_columns), make_table("Judge and human labels", columns)]
    return (
        [*label_tables, make_table("Supported claims, of 100 [95 %] (Rogan and Gladen)", corrected_columns)]
        if rows
        else label_tables
    )


def _preference_table(preferences: PreferenceCounts | None) -> ReportTable | None:
    if not preferences:
        return None
    columns: dict[str, list[Cell]] = {"answers of": [*preferences["arms"], "neither"]}
    columns["preferred"] = [format_count(n) for n in (*preferences["arms"].values(), preferences["neither"])]
    p = format_number(preferences["p"])
    note = (
        "" if p == UNDEFINED else f"Sign test between the arms: p {p}. The preferences are blind: the arms were hidden."
    )
    return make_table("Blind preferences", columns, note=note)


def skipped_table(report: RunReport) -> ReportTable | None:
    """Show the questions that did not run or do not count."""
    rows = [(r["arm"], CONDITION_TITLES[r["condition"]], r["why"], r["questions"]) for r in report.get("unasked") or ()]
    edited = CONDITION_TITLES["counterfactual"]
    rows += [(arm, edited, "the edit changed no retrieved passage", n) for arm, n in report["unedited"].items()]
    columns = {
        "evidence": [r[0] for r in rows],
        "condition": [r[1] for r in rows],
        "why": [r[2] for r in rows],
        "questions": [format_count(r[3]) for r in rows],
    }
    return (
        make_table("Questions not asked or not counted", columns, folded="Questions not asked or not counted")
        if rows
        else None
    )


def arm_table(report: RunReport) -> ReportTable:
    """Explain the names of the arms."""
    columns = {"evidence": report["arms"], "meaning": [arm_label(arm) for arm in report["arms"]]}
    return make_table("Arms", columns, folded="Meaning of the arms")


def manifest_table(manifest: Manifest) -> ReportTable | None:
    """Show all settings that decide the run, with flattened names such as ``store.generation``."""
    rows: list[tuple[str, str]] = []

    def flatten(name: str, value: object) -> None:
        if isinstance(value, Mapping) and value:
            for key, part in value.items():
                flatten(f"{name}.{key}".strip(".") or "model", part)
        elif value not in (None, "", [], {}):
            rows.append((name, ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)))

    flatten("", manifest)
    columns = {"setting": [r[0] for r in rows], "value": [r[1] for r in rows]}
    return make_table("Manifest: equal settings give an equal run", columns) if rows else None
