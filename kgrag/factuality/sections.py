"""The sections of the report in their order; a section that has nothing to show is not there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from kgrag.factuality import charts, tables, trusted
from kgrag.factuality.tables import Cell, Report, Table, table
from kgrag.factuality.words import CONDITIONS, DOUBTS, OUTCOMES, count, plain


@dataclass(frozen=True)
class Figure:
    """A chart with what is said below it; ``key`` says what its colours mean: (class, words)."""

    caption: str
    drawing: Markup
    key: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Flips:
    """What became of what between two arms, and which questions moved: (words, [(anchor, number)])."""

    table: Table
    moved: tuple[tuple[str, tuple[tuple[str, int], ...]], ...]


@dataclass(frozen=True)
class Section:
    """A heading with what stands below it."""

    id: str
    title: str
    lead: str
    parts: tuple[Table | Figure | Flips, ...]


def sections(
    report: Report, manifest: Mapping[str, Any], anchors: Mapping[tuple[str, str], tuple[str, int]]
) -> list[Section]:
    """All sections below the first screen.

    Args:
        report: every figure of the run.
        manifest: what decided it.
        anchors: (question's id, condition) -> where it stands on the page, and its number there.
    """
    more = [
        part
        for c in report["rates"]
        if c != "answerable"
        for part in (tables.outcomes(report, c), tables.rates(report, c))
    ]
    made = [
        Section("differences", "Differences", "Every comparison is of the same questions. A blue bar is a difference that chance hardly explains: its interval leaves out 0, and its p is below 0.05, adjusted where that is given. p is McNemar's exact test (of right less wrong: sign-flip permutation), and Holm's adjustment keeps the chance of any false finding among the primary ones below 5 of 100. The last columns say on how many questions only one of the two was so, and how great a difference would be found four times in five.", tuple(tables.forests(report))),
        Section("flips", "What became of what", "Rows are what the first arm said, columns what the second made of the same questions; the diagonal stayed as it was.", tuple(flips(report, anchors))),
        Section("conditions", "Other evidence", "The same questions with the documents that answer them out of view, and with those documents edited to say something else.", tuple(more)),
        Section("slices", "Slices", "Of the questions that the documents answer.", tuple(tables.slices(report))),
        Section("claims", "Claims", "Answers are split into claims, and each is held against the same reference in every arm: the known answers where it is one phrase, else the gold passages, what is retrieved for the claim, and the graph.", tuple(tables.each(report, tables.claims, tables.measures))),
        Section("grounding", "Grounding", "What the graph says of the answers, which of their names and numbers were shown, and what was retrieved.", tuple(tables.each(report, tables.grounding))),
        Section("blame", "Blame", "Where answers are lost: of the answers that could have been right and are not.", tuple(tables.blame(report))),
        Section("doubt", "Doubt", "Does the model know when it is wrong? The chance that it gives to the tokens of its answer, and what other samples of the answer say. An AUROC of 0.5 is no better than chance; a well calibrated model is on the diagonal. Calibration after is by Platt's method, fitted on other questions.", tuple(doubts(report))),
        Section("trust", "Trust", "How far these figures can be trusted: whether silence is told from answers, and what people say of the judge.", tuple(trusted.trust(report))),
        Section("run", "The run", "", tuple(t for t in (trusted.arms(report), trusted.unasked(report), trusted.manifest(manifest)) if t)),
    ]  # fmt: skip
    return [section for section in made if section.parts]


def flips(report: Report, anchors: Mapping[tuple[str, str], tuple[str, int]]) -> list[Flips]:
    """A table for each pair of arms, the first one open."""
    found: list[Flips] = []
    for flip in report["flips"]:
        title = f"From {flip['from']} to {flip['to']}: {CONDITIONS[flip['condition']].lower()}"
        columns: dict[str, list[Cell]] = {f"{flip['from']} was": [*OUTCOMES, "all"]}
        for kind in OUTCOMES:
            became = [flip["table"][before][kind] for before in OUTCOMES]
            columns[f"{flip['to']}: {kind}"] = [count(n) for n in (*became, sum(became))]
        rows = [sum(flip["table"][before].values()) for before in OUTCOMES]
        columns["all"] = [count(n) for n in (*rows, sum(rows))]
        moved = tuple(
            (said, tuple(anchors[one, flip["condition"]] for one in ids)) for said, ids in flip["questions"].items()
        )
        found.append(Flips(table(title, columns, folded=title if found else ""), moved))
    return found


def doubts(report: Report) -> list[Table | Figure]:
    """Ranking and calibration of each arm that was asked about them."""
    arms = report["uncertainty"]
    if not arms:
        return []
    columns: dict[str, list[Cell]] = {"evidence": [*arms]}
    columns["answers"] = [count(f["answers"]) for f in arms.values()]
    columns["wrong"] = [count(f["wrong"]) for f in arms.values()]
    for name, said in DOUBTS.items():
        columns[f"AUROC: {said}"] = [plain(f["auroc"].get(name)) for f in arms.values()]
    for name, said in (("brier", "Brier score"), ("ece", "calibration error (ECE)")):
        for when in ("before", "after"):
            columns[f"{said}, {when}"] = [plain(f[when][name]) for f in arms.values()]
    parts: list[Table | Figure] = [table("Wrong answers told from right ones, and calibration", columns)]
    for arm, f in arms.items():
        if f["before"]["bins"]:
            drawing = charts.reliability(f["before"]["bins"], f["after"]["bins"])
            key = (("before", "as the model says it"),) + ((("after", "calibrated"),) if f["after"]["bins"] else ())
            parts.append(Figure(f"{arm}: stated chance, and how often it was right", drawing, key))
        curves = {name: points for name, points in f["rejection"].items() if len(points) > 1}
        if curves:
            key = tuple((f"line{n}", DOUBTS.get(name, name)) for n, name in enumerate(curves))
            parts.append(Figure(f"{arm}: refusing the most doubtful answers", charts.rejection(curves), key))
    return parts
