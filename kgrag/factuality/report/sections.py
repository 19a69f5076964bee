"""The sections of the report in their order; a section that has nothing to show is not there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from kgrag.factuality.report import reliability_tables, svg_charts, tables
from kgrag.factuality.report.labels import CONDITION_TITLES, OUTCOMES, UNCERTAINTY_LABELS, format_count, format_number
from kgrag.factuality.report.tables import Cell, ReportTable, RunReport, make_table


@dataclass(frozen=True)
class ReportFigure:
    """A chart with what is said below it; ``key`` says what its colours mean: (class, words)."""

    caption: str
    drawing: Markup
    key: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class FlipTable:
    """What became of what between two arms, and which questions moved: (words, [(anchor, number)])."""

    table: ReportTable
    moved: tuple[tuple[str, tuple[tuple[str, int], ...]], ...]


@dataclass(frozen=True)
class ReportSection:
    """A heading with what stands below it."""

    id: str
    title: str
    lead: str
    parts: tuple[ReportTable | ReportFigure | FlipTable, ...]


def build_sections(
    report: RunReport, manifest: Mapping[str, Any], anchors: Mapping[tuple[str, str], tuple[str, int]]
) -> list[ReportSection]:
    """All sections below the first screen.

    Args:
        report: every figure of the run.
        manifest: what decided it.
        anchors: (question's id, condition) -> where it stands on the page, and its number there.
    """
    other_conditions = [
        part
        for c in report["rates"]
        if c != "answerable"
        for part in (tables.outcome_table(report, c), tables.rate_table(report, c))
    ]
    all_sections = [
        ReportSection("differences", "Differences", "Every comparison is of the same questions. A blue bar is a difference that chance hardly explains: its interval leaves out 0, and its p is below 0.05, adjusted where that is given. p is McNemar's exact test (of right less wrong: sign-flip permutation), and Holm's adjustment keeps the chance of any false finding among the primary ones below 5 of 100. The last columns say on how many questions only one of the two was so, and how great a difference would be found four times in five.", tuple(tables.forest_tables(report))),
        ReportSection("flips", "What became of what", "Rows are what the first arm said, columns what the second made of the same questions; the diagonal stayed as it was.", tuple(flip_tables(report, anchors))),
        ReportSection("conditions", "Other evidence", "The same questions with the documents that answer them out of view, and with those documents edited to say something else.", tuple(other_conditions)),
        ReportSection("slices", "Slices", "Of the questions that the documents answer.", tuple(tables.slice_tables(report))),
        ReportSection("claims", "Claims", "Answers are split into claims, and each is held against the same reference in every arm: the known answers where it is one phrase, else the gold passages, what is retrieved for the claim, and the graph.", tuple(tables.tables_per_condition(report, tables.claim_table, tables.claim_metric_table))),
        ReportSection("grounding", "Grounding", "What the graph says of the answers, which of their names and numbers were shown, and what was retrieved.", tuple(tables.tables_per_condition(report, tables.grounding_table))),
        ReportSection("blame", "Blame", "Where answers are lost: of the answers that could have been right and are not.", tuple(tables.error_cause_tables(report))),
        ReportSection("doubt", "Doubt", "Does the model know when it is wrong? The chance that it gives to the tokens of its answer, and what other samples of the answer say. An AUROC of 0.5 is no better than chance; a well calibrated model is on the diagonal. Calibration after is by Platt's method, fitted on other questions.", tuple(uncertainty_parts(report))),
        ReportSection("trust", "Trust", "How far these figures can be trusted: whether silence is told from answers, and what people say of the judge.", tuple(reliability_tables.trust_tables(report))),
        ReportSection("run", "The run", "", tuple(t for t in (reliability_tables.arm_table(report), reliability_tables.skipped_table(report), reliability_tables.manifest_table(manifest)) if t)),
    ]  # fmt: skip
    return [section for section in all_sections if section.parts]


def flip_tables(report: RunReport, anchors: Mapping[tuple[str, str], tuple[str, int]]) -> list[FlipTable]:
    """A table for each pair of arms, the first one open."""
    flip_parts: list[FlipTable] = []
    for flip in report["flips"]:
        title = f"From {flip['from']} to {flip['to']}: {CONDITION_TITLES[flip['condition']].lower()}"
        columns: dict[str, list[Cell]] = {f"{flip['from']} was": [*OUTCOMES, "all"]}
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
    """Ranking and calibration of each arm that was asked about them."""
    arms = report["uncertainty"]
    if not arms:
        return []
    columns: dict[str, list[Cell]] = {"evidence": [*arms]}
    columns["answers"] = [format_count(f["answers"]) for f in arms.values()]
    columns["wrong"] = [format_count(f["wrong"]) for f in arms.values()]
    for name, label in UNCERTAINTY_LABELS.items():
        columns[f"AUROC: {label}"] = [format_number(f["auroc"].get(name)) for f in arms.values()]
    for name, label in (("brier", "Brier score"), ("ece", "calibration error (ECE)")):
        for stage in ("before", "after"):
            columns[f"{label}, {stage}"] = [format_number(f[stage][name]) for f in arms.values()]
    parts: list[ReportTable | ReportFigure] = [
        make_table("Wrong answers told from right ones, and calibration", columns)
    ]
    for arm, f in arms.items():
        if f["before"]["bins"]:
            drawing = svg_charts.reliability_chart(f["before"]["bins"], f["after"]["bins"])
            key = (("before", "as the model says it"),) + ((("after", "calibrated"),) if f["after"]["bins"] else ())
            parts.append(ReportFigure(f"{arm}: stated chance, and how often it was right", drawing, key))
        curves = {name: points for name, points in f["rejection"].items() if len(points) > 1}
        if curves:
            key = tuple((f"line{n}", UNCERTAINTY_LABELS.get(name, name)) for n, name in enumerate(curves))
            parts.append(
                ReportFigure(f"{arm}: refusing the most doubtful answers", svg_charts.rejection_chart(curves), key)
            )
    return parts
