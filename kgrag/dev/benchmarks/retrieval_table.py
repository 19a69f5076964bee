"""The table of retrieval: what each row is worth on each set, and what the graph gains, every figure with its interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from kgrag.dev.benchmarks.ablations import ALL_PARTS, SetCandidates, reference_row, row_names
from kgrag.dev.benchmarks.run_comparison import MeasureValues, check_unique_ids, score_rankings, with_intervals
from kgrag.dev.benchmarks.trec_runs import Ranking, slug, write_run
from kgrag.metrics.intervals import bootstrap_interval, paired_permutation_test
from kgrag.metrics.ranking import recall_at

TESTED_MEASURES = ("recall@5", "recall@2")
"""The measures whose differences are tested."""
ROWS_BY_TYPE = (ALL_PARTS, "without graph", "RRF of both")
"""The rows that are split by the type of the questions."""


def set_report(candidates: SetCandidates, rankings: dict[str, list[Ranking]]) -> dict[str, Any]:
    """One set's part of the table, JSON-ready.

    Args:
        rankings: row -> a ranking for each question; with the rows of `kgrag.dev.benchmarks.ablations.rows` and any others.

    Returns:
        "questions"; "rows": row -> measures, "gave nothing" (questions without any document) and, but for `ALL`,
        "against" and "difference" of `COMPARED`; "by type" (recall@5 of `KINDS`) where questions have types;
        "candidates hold", the recall of all candidates; "gain of the graph".

    Raises:
        UsageError: two questions have the same id.
    """
    check_unique_ids(candidates.questions)
    values = {row: score_rankings(candidates.questions, each) for row, each in rankings.items()}
    report: dict[str, Any] = {"questions": len(candidates.questions), "rows": {}}
    for row, each in values.items():
        report["rows"][row] = with_intervals(each) | {"gave nothing": sum(not r for r in rankings[row])}
        other = reference_row(row)
        if other is not None:
            report["rows"][row] |= {"against": other, "difference": _differences(each, values[other])}
    pool = [recall_at(e.documents, e.gold, len(e.documents)) for e in candidates.examples_by_ablation[ALL_PARTS]]
    report["candidates hold"] = asdict(bootstrap_interval(pool))
    report["gain of the graph"] = {
        how: _differences(values[ALL_PARTS + end], values[f"without graph{end}"])
        for how, end in (("cross-validated", ""), ("left out", ", left out"))
        if ALL_PARTS + end in values
    }
    figures_by_type = _recall_by_type(candidates, values)
    return report | ({"by type": figures_by_type} if figures_by_type else {})


def _differences(ours: MeasureValues, others: MeasureValues) -> dict[str, Any]:
    return {measure: asdict(paired_permutation_test(ours[measure], others[measure])) for measure in TESTED_MEASURES}


def _recall_by_type(candidates: SetCandidates, values: dict[str, MeasureValues]) -> dict[str, Any]:
    numbers_by_type: dict[str, list[int]] = {}
    for number, question in enumerate(candidates.questions):
        if question.type:
            numbers_by_type.setdefault(question.type, []).append(number)
    return {
        kind: {"questions": len(numbers)}
        | {row: asdict(bootstrap_interval([values[row]["recall@5"][n] for n in numbers])) for row in ROWS_BY_TYPE}
        for kind, numbers in sorted(numbers_by_type.items())
    }


def write_runs(folder: Path, candidates: SetCandidates, rankings: dict[str, list[Ranking]]) -> None:
    """Every row as a TREC run, ``folder/row.run``, tagged with the row's name; rows that an earlier table had go."""
    for row in set(row_names()) - set(rankings):
        (folder / f"{slug(row)}.run").unlink(missing_ok=True)
    for row, each in rankings.items():
        run = {q.id: ranking for q, ranking in zip(candidates.questions, each, strict=True)}
        write_run(folder / f"{slug(row)}.run", run, slug(row))


def report_markdown(report: dict[str, Any]) -> str:
    """The whole report as Markdown tables: rows by sets, the gain of the graph, question types, latency."""
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
        [f"{how}, {measure}", *(_gain_cell(part, how, measure) for part in sets.values())]
        for how in ("cross-validated", "left out")
        for measure in TESTED_MEASURES
        if any(how in part["gain of the graph"] for part in sets.values())
    ]
    text += ["## Gain of the graph", "", *_markdown_table(["all less without graph", *sets], gains)]
    kinds = [
        [name, kind, str(figures["questions"]), *(format_interval(figures[row]) for row in ROWS_BY_TYPE)]
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
            *(format_interval(part["latency"][p], 1) for p in ("p50 ms", "p95 ms")),
            str(part["latency"]["questions"]),
        ]
        for name, part in sets.items()
        if part.get("latency")
    ]
    if times:
        text += [
            "## Milliseconds a question",
            "",
            *_markdown_table(["set", "median", "95th percentile", "questions"], times),
        ]
    return "\n".join(text).rstrip() + "\n"


def _interval_cell(row: dict[str, Any] | None, measure: str) -> str:
    return format_interval(row[measure]) if row else "–"


def _gain_cell(part: dict[str, Any], how: str, measure: str) -> str:
    gain = part["gain of the graph"].get(how)
    return format_difference(gain[measure]) if gain else "–"


def format_interval(measure: dict[str, float], scale: float = 100) -> str:
    """``93.5 [91.2, 95.6]``, or a dash where nothing was measured."""
    if math.isnan(measure["value"]):
        return "–"
    value, low, high = (scale * measure[part] for part in ("value", "low", "high"))
    return f"{value:.1f} [{low:.1f}, {high:.1f}]"


def format_difference(measure: dict[str, float]) -> str:
    """``+1.2 [0.3, 2.1], p 0.004`` in points of a hundred, or a dash where nothing was measured."""
    if math.isnan(measure["value"]):
        return "–"
    value, low, high = (100 * measure[part] for part in ("value", "low", "high"))
    p = f"{measure['p']:.3f}" if measure["p"] >= 0.001 else "<0.001"
    return f"{value:+.1f} [{low:+.1f}, {high:+.1f}], p {p}"


def _markdown_table(head: Sequence[str], body: Sequence[Sequence[str]]) -> list[str]:
    rows = [head, ["---"] * len(head), *body]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows] + [""]
