"""The table of retrieval: what each row is worth on each set, and what the graph gains, every figure with its interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from kgrag.evaluate.compare import Values, measured, unique, with_intervals
from kgrag.evaluate.metrics import recall_at
from kgrag.evaluate.rows import ALL, Gathered, reference, row_names
from kgrag.evaluate.statistics import interval, paired
from kgrag.evaluate.trec import Ranking, slug, write_run

COMPARED = ("recall@5", "recall@2")
"""The measures whose differences are tested."""
KINDS = (ALL, "without graph", "RRF of both")
"""The rows that are split by the type of the questions."""


def set_report(gathered: Gathered, rankings: dict[str, list[Ranking]]) -> dict[str, Any]:
    """One set's part of the table, JSON-ready.

    Args:
        rankings: row -> a ranking for each question; with the rows of `kgrag.evaluate.rows.rows` and any others.

    Returns:
        "questions"; "rows": row -> measures, "gave nothing" (questions without any document) and, but for `ALL`,
        "against" and "difference" of `COMPARED`; "by type" (recall@5 of `KINDS`) where questions have types;
        "candidates hold", the recall of all candidates; "gain of the graph".

    Raises:
        UsageError: two questions have the same id.
    """
    unique(gathered.questions)
    values = {row: measured(gathered.questions, each) for row, each in rankings.items()}
    report: dict[str, Any] = {"questions": len(gathered.questions), "rows": {}}
    for row, each in values.items():
        report["rows"][row] = with_intervals(each) | {"gave nothing": sum(not r for r in rankings[row])}
        other = reference(row)
        if other is not None:
            report["rows"][row] |= {"against": other, "difference": _differences(each, values[other])}
    pool = [recall_at(e.documents, e.gold, len(e.documents)) for e in gathered.parts[ALL]]
    report["candidates hold"] = asdict(interval(pool))
    report["gain of the graph"] = {
        how: _differences(values[ALL + end], values[f"without graph{end}"])
        for how, end in (("cross-validated", ""), ("left out", ", left out"))
        if ALL + end in values
    }
    kinds = _by_type(gathered, values)
    return report | ({"by type": kinds} if kinds else {})


def _differences(ours: Values, others: Values) -> dict[str, Any]:
    return {measure: asdict(paired(ours[measure], others[measure])) for measure in COMPARED}


def _by_type(gathered: Gathered, values: dict[str, Values]) -> dict[str, Any]:
    kinds: dict[str, list[int]] = {}
    for number, question in enumerate(gathered.questions):
        if question.type:
            kinds.setdefault(question.type, []).append(number)
    return {
        kind: {"questions": len(numbers)}
        | {row: asdict(interval([values[row]["recall@5"][n] for n in numbers])) for row in KINDS}
        for kind, numbers in sorted(kinds.items())
    }


def write_runs(folder: Path, gathered: Gathered, rankings: dict[str, list[Ranking]]) -> None:
    """Every row as a TREC run, ``folder/row.run``, tagged with the row's name; rows that an earlier table had go."""
    for row in set(row_names()) - set(rankings):
        (folder / f"{slug(row)}.run").unlink(missing_ok=True)
    for row, each in rankings.items():
        run = {q.id: ranking for q, ranking in zip(gathered.questions, each, strict=True)}
        write_run(folder / f"{slug(row)}.run", run, slug(row))


def markdown(report: dict[str, Any]) -> str:
    """The whole report as Markdown tables: rows by sets, the gain of the graph, question types, latency."""
    sets = report["sets"]
    order = list(dict.fromkeys(row for part in sets.values() for row in part["rows"]))
    text = ["# Retrieval", "", f"{report['note']}", ""]
    for measure in COMPARED:
        head = [f"{name}, {part['questions']} questions" for name, part in sets.items()]
        body = [[row, *(_cell(part["rows"].get(row), measure) for part in sets.values())] for row in order]
        holds = ["candidates hold", *(shown(part["candidates hold"]) for part in sets.values())]
        text += [f"## {measure}", "", *_lines([measure, *head], [*body, *([holds] if measure == COMPARED[0] else [])])]
    gains = [
        [f"{how}, {measure}", *(_gain(part, how, measure) for part in sets.values())]
        for how in ("cross-validated", "left out")
        for measure in COMPARED
        if any(how in part["gain of the graph"] for part in sets.values())
    ]
    text += ["## Gain of the graph", "", *_lines(["all less without graph", *sets], gains)]
    kinds = [
        [name, kind, str(figures["questions"]), *(shown(figures[row]) for row in KINDS)]
        for name, part in sets.items()
        for kind, figures in part.get("by type", {}).items()
    ]
    if kinds:
        text += ["## recall@5 by type of question", "", *_lines(["set", "type", "questions", *KINDS], kinds)]
    times = [
        [name, *(shown(part["latency"][p], 1) for p in ("p50 ms", "p95 ms")), str(part["latency"]["questions"])]
        for name, part in sets.items()
        if part.get("latency")
    ]
    if times:
        text += ["## Milliseconds a question", "", *_lines(["set", "median", "95th percentile", "questions"], times)]
    return "\n".join(text).rstrip() + "\n"


def _cell(row: dict[str, Any] | None, measure: str) -> str:
    return shown(row[measure]) if row else "–"


def _gain(part: dict[str, Any], how: str, measure: str) -> str:
    gain = part["gain of the graph"].get(how)
    return difference(gain[measure]) if gain else "–"


def shown(measure: dict[str, float], scale: float = 100) -> str:
    """``93.5 [91.2, 95.6]``, or a dash where nothing was measured."""
    if math.isnan(measure["value"]):
        return "–"
    value, low, high = (scale * measure[part] for part in ("value", "low", "high"))
    return f"{value:.1f} [{low:.1f}, {high:.1f}]"


def difference(measure: dict[str, float]) -> str:
    """``+1.2 [0.3, 2.1], p 0.004`` in points of a hundred, or a dash where nothing was measured."""
    if math.isnan(measure["value"]):
        return "–"
    value, low, high = (100 * measure[part] for part in ("value", "low", "high"))
    p = f"{measure['p']:.3f}" if measure["p"] >= 0.001 else "<0.001"
    return f"{value:+.1f} [{low:+.1f}, {high:+.1f}], p {p}"


def _lines(head: Sequence[str], body: Sequence[Sequence[str]]) -> list[str]:
    rows = [head, ["---"] * len(head), *body]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows] + [""]
