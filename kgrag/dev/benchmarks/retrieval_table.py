"""The retrieval table: measures of each row on each set, and the gain of the graph, all with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NotRequired, TypedDict

from kgrag.dev.benchmarks.ablations import ALL_PARTS, SetCandidates, reference_row, row_names
from kgrag.dev.benchmarks.latency import LatencyReport
from kgrag.dev.benchmarks.run_comparison import (
    MeasureValues,
    RunFigures,
    score_rankings,
    with_intervals,
)
from kgrag.dev.benchmarks.trec_runs import Ranking, slug, write_run
from kgrag.metrics.formatting import UNDEFINED, format_difference, format_interval
from kgrag.metrics.intervals import IntervalJson, bootstrap_interval, interval_json
from kgrag.metrics.ranking import recall_at
from kgrag.metrics.significance import DifferenceJson, difference_json, paired_permutation_test
from kgrag.question_sets import check_unique_ids

TESTED_MEASURES = ("recall@5", "recall@2")
"""Measures whose differences are tested."""
ROWS_BY_TYPE = (ALL_PARTS, "without graph", "RRF of both")
"""Rows that are split by the type of the questions."""


class StoreFigures(TypedDict):
    """Figures of a set that need its store.

    Questions without gold, gold ids that are no document, and the retrieval time, if it was measured.
    """

    unscored: int
    missing_gold: list[str]
    latency: LatencyReport | None


RecallOfType = dict[str, IntervalJson | int]
"""Recall@5 of each of `ROWS_BY_TYPE` on the questions of one type, and "questions", their number."""
SetReport = TypedDict(
    "SetReport",
    {
        "unscored": NotRequired[int],
        "missing_gold": NotRequired[list[str]],
        "latency": NotRequired[LatencyReport | None],
        "questions": int,
        "rows": dict[str, RunFigures],
        "candidates hold": IntervalJson,
        "gain of the graph": dict[str, dict[str, DifferenceJson]],
        "by type": NotRequired[dict[str, RecallOfType]],
    },
)
"""One set's part of the table.

- "unscored", "missing_gold", "latency": see `StoreFigures`; the command adds them, as it has the store.
- "questions": questions with gold.
- "rows": row -> measures; "gave nothing", the questions without any document; and, but for `ALL_PARTS`, "against", the
  reference row, and "difference" of `TESTED_MEASURES` to it.
- "candidates hold": the recall of all candidates.
- "gain of the graph": training method -> measure -> difference.
- "by type": type of question -> "questions", and recall@5 of `ROWS_BY_TYPE`; if the questions have types.
"""


class RetrievalTable(TypedDict):
    """The whole report."""

    note: str
    sets: dict[str, SetReport]


def set_report(candidates: SetCandidates, rankings: dict[str, list[Ranking]]) -> SetReport:
    """Return one set's part of the table, JSON-ready.

    Args:
        candidates: of the set.
        rankings: row -> a ranking for each question; the rows of `ablations.build_rows`, and any others.

    Raises:
        UsageError: two questions have the same id.
    """
    check_unique_ids(candidates.questions)
    values = {row: score_rankings(candidates.questions, each) for row, each in rankings.items()}
    rows: dict[str, RunFigures] = {}
    for row, row_values in values.items():
        rows[row] = {**with_intervals(row_values), "gave nothing": sum(not ranking for ranking in rankings[row])}
        reference = reference_row(row)
        if reference is not None:
            rows[row] |= {"against": reference, "difference": _differences(row_values, values[reference])}
    pool = [recall_at(e.documents, e.gold, len(e.documents)) for e in candidates.examples_by_ablation[ALL_PARTS]]
    report: SetReport = {
        "questions": len(candidates.questions),
        "rows": rows,
        "candidates hold": interval_json(bootstrap_interval(pool)),
        "gain of the graph": {
            training: _differences(values[ALL_PARTS + suffix], values[f"without graph{suffix}"])
            for training, suffix in (("cross-validated", ""), ("left out", ", left out"))
            if ALL_PARTS + suffix in values
        },
    }
    if recall_by_type := _recall_by_type(candidates, values):
        report["by type"] = recall_by_type
    return report


def _differences(ours: MeasureValues, reference: MeasureValues) -> dict[str, DifferenceJson]:
    return {m: difference_json(paired_permutation_test(ours[m], reference[m])) for m in TESTED_MEASURES}


def _recall_by_type(candidates: SetCandidates, values: dict[str, MeasureValues]) -> dict[str, RecallOfType]:
    numbers_by_type: dict[str, list[int]] = {}
    for number, question in enumerate(candidates.questions):
        if question.type:
            numbers_by_type.setdefault(question.type, []).append(number)
    return {
        kind: {
            "questions": len(numbers),
            **{
                row: interval_json(bootstrap_interval([values[row]["recall@5"][n] for n in numbers]))
                for row in ROWS_BY_TYPE
            },
        }
        for kind, numbers in sorted(numbers_by_type.items())
    }


def write_runs(folder: Path, candidates: SetCandidates, rankings: dict[str, list[Ranking]]) -> None:
    """Write every row as a TREC run, ``folder/row.run``, tagged with the row's name.

    Runs of rows that only an earlier table had are deleted.
    """
    for row in set(row_names()) - set(rankings):
        (folder / f"{slug(row)}.run").unlink(missing_ok=True)
    for row, each in rankings.items():
        run = {q.id: ranking for q, ranking in zip(candidates.questions, each, strict=True)}
        write_run(folder / f"{slug(row)}.run", run, slug(row))


def report_markdown(report: RetrievalTable) -> str:
    """Render the report as Markdown tables: rows by sets, the gain of the graph, question types, latency."""
    sets = report["sets"]
    order = list(dict.fromkeys(row for part in sets.values() for row in part["rows"]))
    text = ["# Retrieval", "", f"{report['note']}", ""]
    for measure in TESTED_MEASURES:
        head = [f"{name}, {part['questions']} questions" for name, part in sets.items()]
        body = [[row, *(_interval_cell(part["rows"].get(row), measure) for part in sets.values())] for row in order]
        candidate_row = ["candidates hold", *(format_interval(part["candidates hold"]) for part in sets.values())]
        text += [
            f"## {measure}",
            "",
            *_markdown_table([measure, *head], [*body, *([candidate_row] if measure == TESTED_MEASURES[0] else [])]),
        ]
    gains = [
        [f"{training}, {measure}", *(_gain_cell(part, training, measure) for part in sets.values())]
        for training in ("cross-validated", "left out")
        for measure in TESTED_MEASURES
        if any(training in part["gain of the graph"] for part in sets.values())
    ]
    text += ["## Gain of the graph", "", *_markdown_table(["all less without graph", *sets], gains)]
    kinds = [
        [name, kind, str(figures["questions"]), *_recall_cells(figures)]
        for name, part in sets.items()
        for kind, figures in part.get("by type", {}).items()
    ]
    if kinds:
        text += [
            "## recall@5 by type of question",
            "",
            *_markdown_table(["set", "type", "questions", *ROWS_BY_TYPE], kinds),
        ]
    times = [
        [
            name,
            format_interval(latency["p50 ms"], 1),
            format_interval(latency["p95 ms"], 1),
            str(latency["questions"]),
        ]
        for name, part in sets.items()
        if (latency := part.get("latency"))
    ]
    if times:
        text += [
            "## Milliseconds a question",
            "",
            *_markdown_table(["set", "median", "95th percentile", "questions"], times),
        ]
    return "\n".join(text).rstrip() + "\n"


def _interval_cell(row: RunFigures | None, measure: str) -> str:
    return format_interval(row[measure]) if row else UNDEFINED


def _recall_cells(figures: RecallOfType) -> list[str]:
    return [format_interval(recall) for row in ROWS_BY_TYPE if not isinstance(recall := figures[row], int)]


def _gain_cell(part: SetReport, training: str, measure: str) -> str:
    gain = part["gain of the graph"].get(training)
    return format_difference(gain[measure]) if gain else UNDEFINED


def _markdown_table(head: Sequence[str], body: Sequence[Sequence[str]]) -> list[str]:
    rows = [head, ["---"] * len(head), *body]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows] + [""]
