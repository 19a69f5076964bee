"""Sections of the report in their order; a section without content is left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from markupsafe import Markup

from kgrag.factuality.figures import Manifest, RunReport
from kgrag.factuality.report import reliability_tables, svg_charts, tables
from kgrag.factuality.report.labels import CONDITION_TITLES, OUTCOMES, UNCERTAINTY_LABELS, format_count, format_number
from kgrag.factuality.report.tables import Cell, ReportTable, make_table


@dataclass(frozen=True)
class ReportFigure:
    """A chart with its caption; ``key`` explains its colours: (class, label)."""

    caption: str
    drawing: Markup
    key: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class FlipTable:
    """Transitions of outcomes between two arms, and the questions that moved: (change, [(anchor, number)])."""

    table: ReportTable
    moved: tuple[tuple[str, tuple[tuple[str, int], ...]], ...]


@dataclass(frozen=True)
class ReportSection:
    """A section: title, introduction and parts."""

    id: str
    title: str
    lead: str
    parts: tuple[ReportTable | ReportFigure | FlipTable, ...]


def build_sections(
    report: RunReport, manifest: Manifest, anchors: Mapping[tuple[str, str], tuple[str, int]]
) -> list[ReportSection]:
    """Build all sections below the first screen.

    Args:
        report: figures of the run.
        manifest: settings that decide the run.
        anchors: anchor and number on the page of each (question id, condition).
    """
    other_conditions = [
        part
        for c in report["rates"]
        if c != "answerable"
        for part in (tables.outcome_table(report, c), tables.rate_table(report, c))
    ]
    all_sections = [
        ReportSection("differences", "Differences", "Every comparison uses the same questions. A blue bar marks a significant difference: its interval excludes 0, and its p (adjusted, if given) is below 0.05. p is McNemar's exact test; for correct minus wrong answers it is a sign-flip permutation test. Holm's adjustment keeps the chance of any false finding among the primary comparisons below 5 of 100. The last columns give the questions that count for only one of the two arms, and the smallest difference that four of five such runs would detect.", tuple(tables.forest_tables(report))),
        ReportSection("flips", "Outcome changes", "Rows are the outcomes of the first arm, columns those of the second arm on the same questions. Questions on the diagonal did not change.", tuple(flip_tables(report, anchors))),
        ReportSection("conditions", "Hidden and edited evidence", "The same questions with their gold documents hidden, and with their gold documents edited to state another answer.", tuple(other_conditions)),
        ReportSection("slices", "Slices", "Groups of the questions that the documents answer.", tuple(tables.slice_tables(report))),
        ReportSection("claims", "Claims", "Answers are split into claims. Every arm has the same reference: the known answers for an answer of one phrase, then the gold passages, the passages retrieved for the claim, and the graph.", tuple(tables.tables_per_condition(report, tables.claim_table, tables.claim_metric_table))),
        ReportSection("grounding", "Grounding", "The graph's verdicts on the answers, the names and numbers of the answers that the evidence contains, and the coverage of the evidence.", tuple(tables.tables_per_condition(report, tables.grounding_table))),
        ReportSection("blame", "Error causes", "Why answerable questions have no correct answer.", tuple(tables.error_cause_tables(report))),
        ReportSection("doubt", "Uncertainty", "Does the model know when it is wrong? The measures are the probability of the answer's tokens and the agreement of other samples. An AUROC of 0.5 is no better than chance. A well calibrated model is on the diagonal. “After” is calibrated by Platt's method, fitted on other questions.", tuple(uncertainty_parts(report))),
        ReportSection("trust", "Reliability", "Checks of the figures themselves: detection of abstentions, the judge's accuracy, and human labels.", tuple(reliability_tables.trust_tables(report))),
        ReportSection("run", "Run", "", tuple(t for t in (reliability_tables.arm_table(report), reliability_tables.skipped_table(report), reliability_tables.manifest_table(manifest)) if t)),
    ]  # fmt: skip
    return [section for section in all_sections if section.parts]


def flip_tables(report: RunReport, anchors: Mapping[tuple[str, str], tuple[str, int]]) -> list[FlipTable]:
    """Return a table per pair of arms; the first one is unfolded."""
    flip_parts: list[FlipTable] = []
    for flip in report["flips"]:
        title = f"From {flip['from']} to {flip['to']}: {CONDITION_TITLES[flip['condition']].lower()}"
        columns: dict[str, list[Cell]] = {f"{flip['from']}": [*OUTCOMES, "all"]}
        for kind in OUTCOMES:
            after_counts = [flip["table"][before][kind] for before in OUTCOMES]
            columns[f"{flip['to']}: {kind}"] = [format_count(n) for n in (*after_counts, sum(after_counts))]
        rows = [sum(flip["table"][before].values()) for before in OUTCOMES]
        columns["all"] = [format_count(n) for n in (*rows, sum(rows))]
        moved_questions = tuple(
            (change, tuple(anchors[question_id, flip["condition"]] for question_id in ids))
            for change, ids in flip["questions"].items()
        )
        flip_parts.append(FlipTable(make_table(title, columns, folded=title if flip_parts else ""), moved_questions))
    return flip_parts


def uncertainty_parts(report: RunReport) -> list[ReportTable | ReportFigure]:
    """Return ranking and calibration of each arm with measured uncertainty."""
    arms = report["uncertainty"]
    if not arms:
        return []
    columns: dict[str, list[Cell]] = {"evidence": [*arms]}
    columns["answers"] = [format_count(f["answers"]) for f in arms.values()]
    columns["wrong"] = [format_count(f["wrong"]) for f in arms.values()]
    for measure, label in UNCERTAINTY_LABELS.items():
        columns[f"AUROC: {label}"] = [format_number(f["auroc"].get(measure)) for f in arms.values()]
    calibration_labels: dict[Literal["brier", "ece"], str] = {"brier": "Brier score", "ece": "calibration error (ECE)"}
    for name, label in calibration_labels.items():
        columns[f"{label}, before"] = [format_number(f["before"][name]) for f in arms.values()]
        columns[f"{label}, after"] = [format_number(f["after"][name]) for f in arms.values()]
    parts: list[ReportTable | ReportFigure] = [
        make_table("Separation of wrong and correct answers, and calibration", columns)
    ]
    for arm, f in arms.items():
        if f["before"]["bins"]:
            drawing = svg_charts.reliability_chart(f["before"]["bins"], f["after"]["bins"])
            key = (("before", "as the model states it"),) + ((("after", "calibrated"),) if f["after"]["bins"] else ())
            parts.append(ReportFigure(f"{arm}: stated probability and share of correct answers", drawing, key))
        curves = {measure: points for measure, points in f["rejection"].items() if len(points) > 1}
        if curves:
            key = tuple((f"line{n}", UNCERTAINTY_LABELS.get(measure, measure)) for n, measure in enumerate(curves))
            parts.append(
                ReportFigure(
                    f"{arm}: accuracy after refusing the least certain answers", svg_charts.rejection_chart(curves), key
                )
            )
    return parts
