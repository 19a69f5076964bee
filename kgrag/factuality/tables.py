"""Tables of the report with their captions, ready for the page; `kgrag.factuality.sections` puts them in order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from kgrag.factuality import charts
from kgrag.factuality.words import (
    BLAMES,
    CONDITIONS,
    MEASURES,
    NONE,
    OUTCOMES,
    RIGHT,
    VERDICTS,
    count,
    defined,
    hundred,
    known,
    p_value,
    plain,
    points,
    rate,
)

Report = dict[str, Any]
Cell = str | Markup
SAID = {"hallucination": "wrong answers", "correct": "right answers", "truthfulness": "right less wrong answers"}
"""Measures of differences in words."""


@dataclass(frozen=True)
class Table:
    """A table with a caption; the first cell of a row is its head. ``folded``: what is clicked to see it, or empty."""

    caption: str
    heads: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""
    folded: str = ""


def table(caption: str, columns: Mapping[str, Sequence[Cell]], *, note: str = "", folded: str = "") -> Table:
    """A table by its columns; a column that has nothing but dashes is left out."""
    kept = {head: cells for n, (head, cells) in enumerate(columns.items()) if not n or any(c != NONE for c in cells)}
    return Table(caption, tuple(kept), tuple(zip(*kept.values(), strict=True)), note, folded)


def outcomes(report: Report, condition: str) -> Table:
    """The arms side by side: what became of the questions, as a bar and as counts."""
    arms = report["rates"][condition]
    total = {arm: f["questions"] for arm, f in arms.items()}
    columns: dict[str, list[Cell]] = {"evidence": [*arms]}
    columns["what became of the questions"] = [charts.stacked(_outcome_counts(f)) for f in arms.values()]
    for kind in OUTCOMES:
        columns[kind] = [_of(f["counts"][kind], total[arm]) for arm, f in arms.items()]
    columns["wrong of 100 [95 %]"] = [rate(f["hallucination"]) for f in arms.values()]
    columns["questions"] = [count(n) for n in total.values()]
    return table(f"{CONDITIONS[condition]}: the arms side by side", columns, note=RIGHT[condition])


def rates(report: Report, condition: str) -> Table:
    """Every rate of an arm with its interval."""
    arms = report["rates"][condition]
    names = {"correct": "correct", "hallucination": "wrong", "hallucination_answered": "wrong, of those answered", "truthfulness": "right less wrong",
             "false_abstention": "silent though answerable", "correct_abstention": "rightly silent", "empty": "empty"}  # fmt: skip
    columns: dict[str, list[Cell]] = {"evidence": [*arms]}
    columns |= {said: [rate(f[name]) for f in arms.values()] for name, said in names.items()}
    columns["token F1"] = [rate(f["f1"]) for f in arms.values()]
    columns["seconds"] = [plain(f["seconds"]["value"], 1) for f in arms.values()]
    for name, said in (
        ("from_memory", "the file's answer all the same"),
        ("leaked", "said by what was shown all the same"),
    ):
        if condition == "unanswerable":
            columns[said] = [count(f[name]) for f in arms.values()]
    return table(f"{CONDITIONS[condition]}: all rates, of 100 [95 %]", columns, folded="All rates with their intervals")


def forests(report: Report) -> list[Table]:
    """A forest plot for each condition and measure; the primary one first and open."""
    found = []
    for condition in report["rates"]:
        for measure, said in SAID.items():
            rows = [d for d in report["differences"] if (d["condition"], d["measure"]) == (condition, measure)]
            if not rows:
                continue
            limit = charts.reach(rows)
            first = any(row["primary"] for row in rows)
            columns: dict[str, list[Cell]] = {"compared": [f"{r['arm']} less {r['against']}" for r in rows]}
            ends = f"{hundred(-limit, 0)} … 0 … +{hundred(limit, 0)}"
            columns[f"difference on an axis of {ends}"] = [charts.forest(r, limit) for r in rows]
            columns["points [95 %]"] = [points(r) for r in rows]
            columns["p"] = [p_value(r["p"]) for r in rows]
            columns["p (Holm)"] = [p_value(r["p_holm"]) for r in rows]
            columns["only the first, only the second"] = [
                NONE if r["only_ours"] is None else f"{count(r['only_ours'])}, {count(r['only_theirs'])}" for r in rows
            ]
            columns["least difference to be seen"] = [hundred(r["smallest_effect"]) for r in rows]
            columns["questions"] = [count(r["questions"]) for r in rows]
            title = f"{CONDITIONS[condition]}: {said}"
            found.append(table(title, columns, folded="" if first else title))
    return sorted(found, key=lambda t: bool(t.folded))


def slices(report: Report) -> list[Table]:
    """The answerable questions by language, steps and type."""
    found = []
    for name, said in (("lang", "language"), ("hops", "steps (hops)"), ("type", "type")):
        rows = [
            (value, arm, f)
            for value, arms in report["slices"].get(name, {}).items()
            for arm, f in arms.items()
            if f["questions"]
        ]
        if rows:
            columns: dict[str, list[Cell]] = {said: [value or "not said" for value, _, _ in rows]}
            columns["evidence"] = [arm for _, arm, _ in rows]
            columns["what became of them"] = [charts.stacked(_shares(f)) for _, _, f in rows]
            for measure, word in (("correct", "correct"), ("hallucination", "wrong"), ("abstained", "abstained")):
                columns[f"{word} of 100 [95 %]"] = [rate(f[measure]) for _, _, f in rows]
            columns["questions"] = [count(f["questions"]) for _, _, f in rows]
            found.append(table(f"By {said}", columns))
    return found


def claims(report: Report, condition: str) -> Table | None:
    """The claims of each arm by verdict; None where nothing was claimed."""
    arms = {arm: f for arm, f in report["rates"][condition].items() if f["claims"]["all"]}
    if not arms:
        return None
    columns: dict[str, list[Cell]] = {"evidence": [*arms]}
    columns["claims by verdict"] = [charts.stacked({v: f["claims"][v] for v in VERDICTS}) for f in arms.values()]
    for verdict in VERDICTS:
        columns[verdict] = [_of(f["claims"][verdict], f["claims"]["all"]) for f in arms.values()]
    return table(f"{CONDITIONS[condition]}: claims", columns)


def measures(report: Report, condition: str) -> Table | None:
    """The measures of the claims, a row each; None where no answer has any that is defined."""
    arms = report["rates"][condition]
    named = {n: said for n, said in MEASURES.items() if any(known(f["measures"][n]) for f in arms.values())}
    columns: dict[str, list[Cell]] = {"share": [*named.values()]}
    columns |= {arm: [_scored(f["measures"][name]) for name in named] for arm, f in arms.items()}
    note = "The mean over answers; one for which a share is not defined is unscored there, and counted as that."
    return table(f"{CONDITIONS[condition]}: shares, of 100 [95 %]", columns, note=note) if named else None


def grounding(report: Report, condition: str) -> Table | None:
    """What the graph says of the answers, which of their names and numbers were shown, and what was retrieved."""
    arms = report["rates"][condition]
    verdicts = [*VERDICTS, "not covered"]
    columns: dict[str, list[Cell]] = {"evidence": [*arms]}
    for verdict in verdicts:
        columns[f"graph: {verdict}"] = [
            count(f["graph"].get(verdict, 0)) if f["graph"] else NONE for f in arms.values()
        ]
    for name, said in (
        ("names_grounded", "names that were shown"),
        ("numbers_grounded", "numbers that were shown"),
        ("gold_retrieved", "gold documents retrieved"),
        ("gold_shown", "gold documents shown"),
        ("answer_shown", "answer said by what was shown"),
    ):
        columns[said] = [rate(f[name]) for f in arms.values()]
    made = table(f"{CONDITIONS[condition]}: graph, names, numbers and retrieval, of 100 [95 %]", columns)
    return made if len(made.heads) > 1 else None


def blame(report: Report) -> list[Table]:
    """Why answers are not right, for arms that had evidence."""
    found = []
    for condition, by_arm in report["blame"].items():
        arms = {arm: f for arm, f in by_arm.items() if sum(f.values())}
        if arms:
            columns: dict[str, list[Cell]] = {"evidence": [*arms]}
            columns["what was to blame"] = [charts.stacked({k: f[k] for k in BLAMES}) for f in arms.values()]
            for kind in BLAMES:
                columns[kind] = [_of(f[kind], sum(f.values())) for f in arms.values()]
            columns["not right"] = [count(sum(f.values())) for f in arms.values()]
            note = "; ".join(f"{kind}: {why}" for kind, why in BLAMES.items()) + "."
            found.append(
                table(f"{CONDITIONS[condition]}: why answers are not right", columns, note=note[0].upper() + note[1:])
            )
    return found


def each(report: Report, *makes: Callable[[Report, str], Table | None]) -> list[Table]:
    """The tables of all conditions that have any."""
    return [made for condition in report["rates"] for make in makes if (made := make(report, condition)) is not None]


def _of(number: int, total: int) -> str:
    return f"{count(number)} ({hundred(number / total)})" if total else count(number)


def _scored(measure: dict[str, Any]) -> str:
    return f"{rate(measure)} ({count(measure['unscored'])} unscored)" if known(measure) else NONE


def _outcome_counts(figures: Report) -> dict[str, int]:
    return {kind: figures["counts"][kind] for kind in OUTCOMES}


def _shares(figures: Report) -> dict[str, int]:
    """Counts of a slice, from its shares; what is left is empty."""
    n = figures["questions"]
    found = {
        kind: round(n * defined(figures[name]["value"]))
        for kind, name in (("correct", "correct"), ("wrong", "hallucination"), ("abstained", "abstained"))
    }
    return found | {"empty": n - sum(found.values())}
