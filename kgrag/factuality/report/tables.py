"""Tables of the report with their captions, ready for the page; `kgrag.factuality.report.sections` puts them in order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from kgrag.factuality.report import svg_charts
from kgrag.factuality.report.labels import (
    CLAIM_METRIC_LABELS,
    CONDITION_TITLES,
    CORRECTNESS_NOTES,
    ERROR_CAUSE_NOTES,
    OUTCOMES,
    UNDEFINED,
    VERDICTS,
    as_percent_points,
    format_count,
    format_difference,
    format_number,
    format_p_value,
    format_rate,
    is_defined,
    to_float,
)

RunReport = dict[str, Any]
Cell = str | Markup
DIFFERENCE_LABELS = {
    "hallucination": "wrong answers",
    "correct": "right answers",
    "truthfulness": "right less wrong answers",
}
"""Measures of differences in words."""


@dataclass(frozen=True)
class ReportTable:
    """A table with a caption; the first cell of a row is its head. ``folded``: what is clicked to see it, or empty."""

    caption: str
    heads: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""
    folded: str = ""


def make_table(caption: str, columns: Mapping[str, Sequence[Cell]], *, note: str = "", folded: str = "") -> ReportTable:
    """A table by its columns; a column that has nothing but dashes is left out."""
    kept_columns = {
        head: cells for n, (head, cells) in enumerate(columns.items()) if not n or any(c != UNDEFINED for c in cells)
    }
    return ReportTable(caption, tuple(kept_columns), tuple(zip(*kept_columns.values(), strict=True)), note, folded)


def outcome_table(report: RunReport, condition: str) -> ReportTable:
    """The arms side by side: what became of the questions, as a bar and as counts."""
    arms = report["rates"][condition]
    total = {arm: f["questions"] for arm, f in arms.items()}
    columns: dict[str, list[Cell]] = {"evidence": [*arms]}
    columns["what became of the questions"] = [svg_charts.stacked_bar(_outcome_counts(f)) for f in arms.values()]
    for kind in OUTCOMES:
        columns[kind] = [_count_of_total(f["counts"][kind], total[arm]) for arm, f in arms.items()]
    columns["wrong of 100 [95 %]"] = [format_rate(f["hallucination"]) for f in arms.values()]
    columns["questions"] = [format_count(n) for n in total.values()]
    return make_table(
        f"{CONDITION_TITLES[condition]}: the arms side by side", columns, note=CORRECTNESS_NOTES[condition]
    )


def rate_table(report: RunReport, condition: str) -> ReportTable:
    """Every rate of an arm with its interval."""
    arms = report["rates"][condition]
    names = {"correct": "correct", "hallucination": "wrong", "hallucination_answered": "wrong, of those answered", "truthfulness": "right less wrong",
             "false_abstention": "silent though answerable", "correct_abstention": "rightly silent", "empty": "empty"}  # fmt: skip
    columns: dict[str, list[Cell]] = {"evidence": [*arms]}
    columns |= {said: [format_rate(f[name]) for f in arms.values()] for name, said in names.items()}
    columns["token F1"] = [format_rate(f["f1"]) for f in arms.values()]
    columns["seconds"] = [format_number(f["seconds"]["value"], 1) for f in arms.values()]
    for name, label in (
        ("from_memory", "the file's answer all the same"),
        ("leaked", "said by what was shown all the same"),
    ):
        if condition == "unanswerable":
            columns[label] = [format_count(f[name]) for f in arms.values()]
    return make_table(
        f"{CONDITION_TITLES[condition]}: all rates, of 100 [95 %]", columns, folded="All rates with their intervals"
    )


def forest_tables(report: RunReport) -> list[ReportTable]:
    """A forest plot for each condition and measure; the primary one first and open."""
    plots = []
    for condition in report["rates"]:
        for measure, label in DIFFERENCE_LABELS.items():
            rows = [d for d in report["differences"] if (d["condition"], d["measure"]) == (condition, measure)]
            if not rows:
                continue
            limit = svg_charts.axis_limit(rows)
            is_primary = any(row["primary"] for row in rows)
            columns: dict[str, list[Cell]] = {"compared": [f"{r['arm']} less {r['against']}" for r in rows]}
            ends = f"{as_percent_points(-limit, 0)} … 0 … +{as_percent_points(limit, 0)}"
            columns[f"difference on an axis of {ends}"] = [svg_charts.forest_row(r, limit) for r in rows]
            columns["points [95 %]"] = [format_difference(r) for r in rows]
            columns["p"] = [format_p_value(r["p"]) for r in rows]
            columns["p (Holm)"] = [format_p_value(r["p_holm"]) for r in rows]
            columns["only the first, only the second"] = [
                UNDEFINED
                if r["only_ours"] is None
                else f"{format_count(r['only_ours'])}, {format_count(r['only_theirs'])}"
                for r in rows
            ]
            columns["least difference to be seen"] = [as_percent_points(r["smallest_effect"]) for r in rows]
            columns["questions"] = [format_count(r["questions"]) for r in rows]
            title = f"{CONDITION_TITLES[condition]}: {label}"
            plots.append(make_table(title, columns, folded="" if is_primary else title))
    return sorted(plots, key=lambda t: bool(t.folded))


def slice_tables(report: RunReport) -> list[ReportTable]:
    """The answerable questions by language, steps and type."""
    found = []
    for name, label in (("lang", "language"), ("hops", "steps (hops)"), ("type", "type")):
        rows = [
            (value, arm, f)
            for value, arms in report["slices"].get(name, {}).items()
            for arm, f in arms.items()
            if f["questions"]
        ]
        if rows:
            columns: dict[str, list[Cell]] = {label: [value or "not said" for value, _, _ in rows]}
            columns["evidence"] = [arm for _, arm, _ in rows]
            columns["what became of them"] = [svg_charts.stacked_bar(_slice_counts(f)) for _, _, f in rows]
            for measure, word in (("correct", "correct"), ("hallucination", "wrong"), ("abstained", "abstained")):
                columns[f"{word} of 100 [95 %]"] = [format_rate(f[measure]) for _, _, f in rows]
            columns["questions"] = [format_count(f["questions"]) for _, _, f in rows]
            found.append(make_table(f"By {label}", columns))
    return found


def claim_table(report: RunReport, condition: str) -> ReportTable | None:
    """The claims of each arm by verdict; None where nothing was claimed."""
    arms = {arm: f for arm, f in report["rates"][condition].items() if f["claims"]["all"]}
    if not arms:
        return None
    columns: dict[str, list[Cell]] = {"evidence": [*arms]}
    columns["claims by verdict"] = [
        svg_charts.stacked_bar({v: f["claims"][v] for v in VERDICTS}) for f in arms.values()
    ]
    for verdict in VERDICTS:
        columns[verdict] = [_count_of_total(f["claims"][verdict], f["claims"]["all"]) for f in arms.values()]
    return make_table(f"{CONDITION_TITLES[condition]}: claims", columns)


def claim_metric_table(report: RunReport, condition: str) -> ReportTable | None:
    """The measures of the claims, a row each; None where no answer has any that is defined."""
    arms = report["rates"][condition]
    labels = {
        n: label for n, label in CLAIM_METRIC_LABELS.items() if any(is_defined(f["measures"][n]) for f in arms.values())
    }
    columns: dict[str, list[Cell]] = {"share": [*labels.values()]}
    columns |= {arm: [_rate_with_unscored(f["measures"][name]) for name in labels] for arm, f in arms.items()}
    note = "The mean over answers; one for which a share is not defined is unscored there, and counted as that."
    return make_table(f"{CONDITION_TITLES[condition]}: shares, of 100 [95 %]", columns, note=note) if labels else None


def grounding_table(report: RunReport, condition: str) -> ReportTable | None:
    """What the graph says of the answers, which of their names and numbers were shown, and what was retrieved."""
    arms = report["rates"][condition]
    verdicts = [*VERDICTS, "not covered"]
    columns: dict[str, list[Cell]] = {"evidence": [*arms]}
    for verdict in verdicts:
        columns[f"graph: {verdict}"] = [
            format_count(f["graph"].get(verdict, 0)) if f["graph"] else UNDEFINED for f in arms.values()
        ]
    for name, label in (
        ("names_grounded", "names that were shown"),
        ("numbers_grounded", "numbers that were shown"),
        ("gold_retrieved", "gold documents retrieved"),
        ("gold_shown", "gold documents shown"),
        ("answer_shown", "answer said by what was shown"),
    ):
        columns[label] = [format_rate(f[name]) for f in arms.values()]
    result = make_table(f"{CONDITION_TITLES[condition]}: graph, names, numbers and retrieval, of 100 [95 %]", columns)
    return result if len(result.heads) > 1 else None


def error_cause_tables(report: RunReport) -> list[ReportTable]:
    """Why answers are not right, for arms that had evidence."""
    found = []
    for condition, by_arm in report["blame"].items():
        arms = {arm: f for arm, f in by_arm.items() if sum(f.values())}
        if arms:
            columns: dict[str, list[Cell]] = {"evidence": [*arms]}
            columns["what was to blame"] = [
                svg_charts.stacked_bar({k: f[k] for k in ERROR_CAUSE_NOTES}) for f in arms.values()
            ]
            for kind in ERROR_CAUSE_NOTES:
                columns[kind] = [_count_of_total(f[kind], sum(f.values())) for f in arms.values()]
            columns["not right"] = [format_count(sum(f.values())) for f in arms.values()]
            note = "; ".join(f"{kind}: {why}" for kind, why in ERROR_CAUSE_NOTES.items()) + "."
            found.append(
                make_table(
                    f"{CONDITION_TITLES[condition]}: why answers are not right",
                    columns,
                    note=note[0].upper() + note[1:],
                )
            )
    return found


def tables_per_condition(
    report: RunReport, *builders: Callable[[RunReport, str], ReportTable | None]
) -> list[ReportTable]:
    """The tables of all conditions that have any."""
    return [made for condition in report["rates"] for make in builders if (made := make(report, condition)) is not None]


def _count_of_total(number: int, total: int) -> str:
    return f"{format_count(number)} ({as_percent_points(number / total)})" if total else format_count(number)


def _rate_with_unscored(measure: dict[str, Any]) -> str:
    return (
        f"{format_rate(measure)} ({format_count(measure['unscored'])} unscored)" if is_defined(measure) else UNDEFINED
    )


def _outcome_counts(figures: RunReport) -> dict[str, int]:
    return {kind: figures["counts"][kind] for kind in OUTCOMES}


def _slice_counts(figures: RunReport) -> dict[str, int]:
    """Counts of a slice, from its shares; what is left is empty."""
    n = figures["questions"]
    counts = {
        kind: round(n * to_float(figures[name]["value"]))
        for kind, name in (("correct", "correct"), ("wrong", "hallucination"), ("abstained", "abstained"))
    }
    return counts | {"empty": n - sum(counts.values())}
