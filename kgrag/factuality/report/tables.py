"""Tables of the report with their captions; `kgrag.factuality.report.sections` puts them in order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from kgrag.factuality.figures import ArmFigures, ClaimMetricFigures, RateName, RunReport, SliceFigures
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
    rate_figures,
    to_float,
)

Cell = str | Markup
DIFFERENCE_LABELS = {
    "hallucination": "wrong answers",
    "correct": "correct answers",
    "truthfulness": "correct minus wrong answers",
}
"""Labels of the measures of differences."""


@dataclass(frozen=True)
class ReportTable:
    """A table with a caption; the first cell of a row is its head.

    ``folded`` is the label of a folded table; "" if the table is open.
    """

    caption: str
    heads: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""
    folded: str = ""


def make_table(caption: str, columns: Mapping[str, Sequence[Cell]], *, note: str = "", folded: str = "") -> ReportTable:
    """Build a table from its columns; a column of dashes only is left out."""
    kept_columns = {
        head: cells for n, (head, cells) in enumerate(columns.items()) if not n or any(c != UNDEFINED for c in cells)
    }
    return ReportTable(caption, tuple(kept_columns), tuple(zip(*kept_columns.values(), strict=True)), note, folded)


def outcome_table(report: RunReport, condition: str) -> ReportTable:
    """Compare the arms: outcomes as a bar and as counts."""
    arms = report["rates"][condition]
    total = {arm: f["questions"] for arm, f in arms.items()}
    columns: dict[str, list[Cell]] = {"evidence": [*arms]}
    columns["outcomes"] = [svg_charts.stacked_bar(_outcome_counts(f)) for f in arms.values()]
    for kind in OUTCOMES:
        columns[kind] = [_count_of_total(f["counts"][kind], total[arm]) for arm, f in arms.items()]
    columns["wrong of 100 [95 %]"] = [format_rate(f["hallucination"]) for f in arms.values()]
    columns["questions"] = [format_count(n) for n in total.values()]
    return make_table(
        f"{CONDITION_TITLES[condition]}: comparison of the arms", columns, note=CORRECTNESS_NOTES[condition]
    )


def rate_table(report: RunReport, condition: str) -> ReportTable:
    """Show every rate of each arm with its interval."""
    arms = report["rates"][condition]
    labels: dict[RateName, str] = {
        "correct": "correct",
        "hallucination": "wrong",
        "hallucination_answered": "wrong, of those answered",
        "truthfulness": "correct minus wrong",
        "false_abstention": "abstained though answerable",
        "correct_abstention": "correctly abstained",
        "empty": "empty",
    }
    columns: dict[str, list[Cell]] = {"evidence": [*arms]}
    columns |= {label: [format_rate(f[name]) for f in arms.values()] for name, label in labels.items()}
    columns["token F1"] = [format_rate(f["f1"]) for f in arms.values()]
    columns["seconds"] = [format_number(f["seconds"]["value"], 1) for f in arms.values()]
    if condition == "unanswerable":
        columns["equal to the file's answer"] = [format_count(f["from_memory"]) for f in arms.values()]
        columns["answer stated by the shown evidence"] = [format_count(f["leaked"]) for f in arms.values()]
    return make_table(
        f"{CONDITION_TITLES[condition]}: all rates, of 100 [95 %]", columns, folded="All rates with their intervals"
    )


def forest_tables(report: RunReport) -> list[ReportTable]:
    """Return a forest plot per condition and measure; the primary one comes first, unfolded."""
    plots = []
    for condition in report["rates"]:
        for measure, label in DIFFERENCE_LABELS.items():
            rows = [d for d in report["differences"] if (d["condition"], d["measure"]) == (condition, measure)]
            if not rows:
                continue
            limit = svg_charts.axis_limit(rows)
            is_primary = any(row["primary"] for row in rows)
            columns: dict[str, list[Cell]] = {"compared": [f"{r['arm']} minus {r['against']}" for r in rows]}
            ends = f"{as_percent_points(-limit, 0)} … 0 … +{as_percent_points(limit, 0)}"
            columns[f"difference on an axis of {ends}"] = [svg_charts.forest_row(r, limit) for r in rows]
            columns["points [95 %]"] = [format_difference(r) for r in rows]
            columns["p"] = [format_p_value(r["p"]) for r in rows]
            columns["p (Holm)"] = [format_p_value(r["p_holm"]) for r in rows]
            columns["only the first, only the second"] = [
                UNDEFINED
                if r["only_ours"] is None or r["only_theirs"] is None
                else f"{format_count(r['only_ours'])}, {format_count(r['only_theirs'])}"
                for r in rows
            ]
            columns["smallest detectable difference"] = [as_percent_points(r["smallest_effect"]) for r in rows]
            columns["questions"] = [format_count(r["questions"]) for r in rows]
            title = f"{CONDITION_TITLES[condition]}: {label}"
            plots.append(make_table(title, columns, folded="" if is_primary else title))
    return sorted(plots, key=lambda t: bool(t.folded))


def slice_tables(report: RunReport) -> list[ReportTable]:
    """Return tables of the answerable questions by language, steps and type."""
    slices = []
    for name, label in (("lang", "language"), ("hops", "steps (hops)"), ("type", "type")):
        rows = [
            (value, arm, f)
            for value, arms in report["slices"].get(name, {}).items()
            for arm, f in arms.items()
            if f["questions"]
        ]
        if rows:
            columns: dict[str, list[Cell]] = {label: [value or "not given" for value, _, _ in rows]}
            columns["evidence"] = [arm for _, arm, _ in rows]
            columns["outcomes"] = [svg_charts.stacked_bar(_slice_counts(f)) for _, _, f in rows]
            for measure, word in (("correct", "correct"), ("hallucination", "wrong"), ("abstained", "abstained")):
                columns[f"{word} of 100 [95 %]"] = [format_rate(rate_figures(f, measure)) for _, _, f in rows]
            columns["questions"] = [format_count(f["questions"]) for _, _, f in rows]
            slices.append(make_table(f"By {label}", columns))
    return slices


def claim_table(report: RunReport, condition: str) -> ReportTable | None:
    """Show the claims of each arm by verdict; None without claims."""
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
    """Show the claim metrics, one row each; None if no metric is defined."""
    arms = report["rates"][condition]
    labels = {
        n: label for n, label in CLAIM_METRIC_LABELS.items() if any(is_defined(f["measures"][n]) for f in arms.values())
    }
    columns: dict[str, list[Cell]] = {"metric": [*labels.values()]}
    columns |= {arm: [_rate_with_unscored(f["measures"][name]) for name in labels] for arm, f in arms.items()}
    note = "Mean over the answers. An answer for which a metric cannot be computed counts as unscored."
    return (
        make_table(f"{CONDITION_TITLES[condition]}: claim metrics, of 100 [95 %]", columns, note=note)
        if labels
        else None
    )


def grounding_table(report: RunReport, condition: str) -> ReportTable | None:
    """Show the graph's verdicts, the grounded names and numbers, and the coverage of the evidence."""
    arms = report["rates"][condition]
    verdicts = [*VERDICTS, "not covered"]
    columns: dict[str, list[Cell]] = {"evidence": [*arms]}
    for verdict in verdicts:
        columns[f"graph: {verdict}"] = [
            format_count(f["graph"].get(verdict, 0)) if f["graph"] else UNDEFINED for f in arms.values()
        ]
    for name, label in (
        ("names_grounded", "names found in the evidence"),
        ("numbers_grounded", "numbers found in the evidence"),
        ("gold_retrieved", "gold documents retrieved"),
        ("gold_shown", "gold documents shown"),
        ("answer_shown", "answer stated by the shown evidence"),
    ):
        columns[label] = [format_rate(rate_figures(f, name)) for f in arms.values()]
    result = make_table(f"{CONDITION_TITLES[condition]}: graph, names, numbers and retrieval, of 100 [95 %]", columns)
    return result if len(result.heads) > 1 else None


def error_cause_tables(report: RunReport) -> list[ReportTable]:
    """Return tables of the error causes, for arms with evidence."""
    cause_tables = []
    for condition, by_arm in report["blame"].items():
        arms = {arm: f for arm, f in by_arm.items() if sum(f.values())}
        if arms:
            columns: dict[str, list[Cell]] = {"evidence": [*arms]}
            columns["error causes"] = [
                svg_charts.stacked_bar({k: f[k] for k in ERROR_CAUSE_NOTES}) for f in arms.values()
            ]
            for kind in ERROR_CAUSE_NOTES:
                columns[kind] = [_count_of_total(f[kind], sum(f.values())) for f in arms.values()]
            columns["not correct"] = [format_count(sum(f.values())) for f in arms.values()]
            note = "; ".join(f"{kind}: {why}" for kind, why in ERROR_CAUSE_NOTES.items()) + "."
            cause_tables.append(
                make_table(
                    f"{CONDITION_TITLES[condition]}: error causes",
                    columns,
                    note=note[0].upper() + note[1:],
                )
            )
    return cause_tables


def tables_per_condition(
    report: RunReport, *builders: Callable[[RunReport, str], ReportTable | None]
) -> list[ReportTable]:
    """Build the tables of all conditions; a builder returns None without data."""
    return [t for condition in report["rates"] for build in builders if (t := build(report, condition)) is not None]


def _count_of_total(number: int, total: int) -> str:
    return f"{format_count(number)} ({as_percent_points(number / total)})" if total else format_count(number)


def _rate_with_unscored(measure: ClaimMetricFigures) -> str:
    return (
        f"{format_rate(measure)} ({format_count(measure['unscored'])} unscored)" if is_defined(measure) else UNDEFINED
    )


def _outcome_counts(figures: ArmFigures) -> dict[str, int]:
    return {kind: figures["counts"][kind] for kind in OUTCOMES}


def _slice_counts(figures: SliceFigures) -> dict[str, int]:
    """Return the outcome counts of a slice from its shares; the rest is empty answers."""
    n = figures["questions"]
    counts = {
        kind: round(n * to_float(rate_figures(figures, name)["value"]))
        for kind, name in (("correct", "correct"), ("wrong", "hallucination"), ("abstained", "abstained"))
    }
    return counts | {"empty": n - sum(counts.values())}
