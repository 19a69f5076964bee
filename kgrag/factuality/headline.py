"""The main difference, for who reads one sentence: how many wrong answers the documents take away."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

from kgrag.evaluate.statistics import RESAMPLES
from kgrag.factuality.charts import sure
from kgrag.factuality.differences import BASELINE, GROUNDED
from kgrag.factuality.records import Record
from kgrag.factuality.statistics import ALPHA
from kgrag.factuality.words import OUTCOMES, count, defined, hundred, p_value, percent, who
from kgrag.types import Interval

SYSTEM = "system"
"""The arm that is `kgrag ask` as it is."""


def main_row(report: dict[str, Any]) -> dict[str, Any] | None:
    """The difference that the first screen tells: grounded against closed-book, or else the first of the primary family."""
    rows = [row for row in report["differences"] if row["primary"]]
    return next(
        (row for row in rows if (row["arm"], row["against"]) == (GROUNDED, BASELINE)), rows[0] if rows else None
    )


def reduction(records: Sequence[Record], arm: str, against: str, *, seed: int = 0) -> Interval:
    """The share of the wrong answers of ``against`` that ``arm`` does away with, of the questions that both were asked.

    ``1 - wrong(arm) / wrong(against)``: 1 where none is left, below 0 where there are more. The interval is a percentile
    bootstrap over clusters of questions (Davison and Hinkley 1997, 3.8). Without a wrong answer of ``against`` there is
    nothing to take away, and all is NaN; so are the bounds where the draws without any could move them.

    Args:
        records: of a run.
        arm: whose wrong answers are left.
        against: whose wrong answers there were.
        seed: of the draws.
    """
    sums: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for before, after in _pairs(records, arm, against):
        sums[before["cluster"]][0] += before["outcome"] == "wrong"
        sums[before["cluster"]][1] += after["outcome"] == "wrong"
    counts = np.array(list(sums.values()), float).reshape(-1, 2)
    wrong, left = counts.sum(axis=0)
    if not wrong:
        return Interval(math.nan, math.nan, math.nan)
    random = np.random.default_rng(seed)
    drawn = np.array([counts[random.integers(0, len(counts), len(counts))].sum(axis=0) for _ in range(RESAMPLES)])
    some = drawn[drawn[:, 0] > 0]
    value = float(1 - left / wrong)
    if len(some) < RESAMPLES * (1 - ALPHA / 2):
        return Interval(value, math.nan, math.nan)
    low, high = np.percentile(1 - some[:, 1] / some[:, 0], [100 * ALPHA / 2, 100 * (1 - ALPHA / 2)])
    return Interval(value, float(low), float(high))


def _pairs(records: Sequence[Record], arm: str, against: str) -> list[tuple[Record, Record]]:
    """(of ``against``, of ``arm``) for each answerable question that both were asked."""
    rows: dict[str, dict[str, Record]] = {arm: {}, against: {}}
    for record in records:
        if record["condition"] == "answerable" and record["arm"] in rows:
            rows[record["arm"]][record["id"]] = record
    return [(record, rows[arm][name]) for name, record in rows[against].items() if name in rows[arm]]


def sentences(report: dict[str, Any], records: Sequence[Record], *, seed: int = 0) -> list[str]:
    """What the run found, most important first, in words; the first one is the heading of the report."""
    row = main_row(report)
    said = _main(report, row, records, seed) if row else _single(report)
    held = {arm: f for arm, f in report["rates"].get("answerable", {}).items() if arm in ("placebo", "gold")}
    if row and held:
        wrong = [
            f"{who(arm).removeprefix('the model ')} {count(f['counts']['wrong'])} of {count(f['questions'])}"
            for arm, f in held.items()
        ]
        said.append(f"To hold beside it: {' and '.join(wrong)} are answered wrongly.")
    if row and row["arm"] != SYSTEM and (ask := _ask(report, row["against"])):
        said.insert(2, ask)
    for arm, figures in report["rates"].get("unanswerable", {}).items():
        if arm in (GROUNDED, "system"):
            silent = figures["counts"]["abstained"]
            said.append(
                f"Where the documents do not say, {who(arm)} says so in {count(silent)} of {_questions(figures['questions'])}."
            )
    for arm, figures in report["rates"].get("counterfactual", {}).items():
        if arm == GROUNDED:
            right = figures["counts"]["correct"]
            said.append(
                f"Where the documents were edited to say something else, {who(arm)} follows them in {count(right)} of {_questions(figures['questions'])}."
            )
    return said


def _ask(report: dict[str, Any], against: str) -> str:
    """What `kgrag ask` makes of the same questions, "" where that was not run."""
    figures = report["rates"].get("answerable", {}).get(SYSTEM)
    rows = [
        row for row in report["differences"] if row["primary"] and (row["arm"], row["against"]) == (SYSTEM, against)
    ]
    if not figures or not rows:
        return ""
    counts, row = figures["counts"], rows[0]
    said = f"What kgrag ask makes of them, with typed facts and all its checks: {count(counts['wrong'])} wrong, {count(counts['correct'])} right, {count(counts['abstained'])} silent"
    low, high = defined(row["low"]), defined(row["high"])
    if not sure(row) or math.isnan(low + high):
        return f"{said}; the difference in wrong answers is not enough to tell from chance."
    near, far = sorted((abs(low), abs(high)))
    kind = "fewer" if row["value"] < 0 else "more"
    return f"{said}; that is {hundred(abs(row['value']))} {kind} wrong answers in 100 questions, with 95 % confidence between {hundred(near)} and {hundred(far)} {kind}."


def _single(report: dict[str, Any]) -> list[str]:
    """Of a run without two arms to hold against each other."""
    for arms in report["rates"].values():
        for arm, figures in arms.items():
            counts = figures["counts"]
            return [
                f"Of {_questions(figures['questions'])}, {who(arm)} answers {count(counts['correct'])} rightly and {count(counts['wrong'])} wrongly.",
                "No other arm was asked the same, so this run does not tell what the documents are worth.",
            ]
    return ["No question of this run counts in any rate."]


def _main(report: dict[str, Any], row: dict[str, Any], records: Sequence[Record], seed: int) -> list[str]:
    arm, against = row["arm"], row["against"]
    table = {one: dict.fromkeys(OUTCOMES, 0) for one in OUTCOMES}
    for one, other in _pairs(records, arm, against):
        table[one["outcome"]][other["outcome"]] += 1
    taken = reduction(records, arm, against, seed=seed)
    before = {kind: sum(table[kind].values()) for kind in OUTCOMES}
    after = {kind: sum(table[one][kind] for one in OUTCOMES) for kind in OUTCOMES}
    said = [
        f"Of {_questions(row['questions'])}, {who(against)} answers {count(before['wrong'])} wrongly; {_with(arm, against)} {count(after['wrong'])}."
    ]
    adjusted = not math.isnan(defined(row["p_holm"]))
    p = defined(row["p_holm"] if adjusted else row["p"])
    said.append(_worth(row, taken, sure(row), _what(arm, against)))
    said.append(
        f"Right answers go from {count(before['correct'])} to {count(after['correct'])}, and answers of “I do not know” from {count(before['abstained'])} to {count(after['abstained'])}."
    )
    if before["wrong"]:
        became = table["wrong"]
        said.append(
            f"Of the {count(before['wrong'])} wrong answers {count(became['correct'])} become right, {count(became['abstained'] + became['empty'])} become silence and {count(became['wrong'])} stay wrong; {count(table['correct']['wrong'])} that were right become wrong."
        )
    if not math.isnan(p) and row["only_ours"] + row["only_theirs"]:
        family = sum(bool(r["primary"]) for r in report["differences"])
        held = f", adjusted for {family} comparisons (Holm)" if adjusted and family > 1 else ""
        chance = "fewer than 1 of 1,000" if p < 0.001 else f"about {count(round(1000 * p))} of 1,000"
        said.append(
            f"Chance alone would give so great a difference in {chance} such experiments (McNemar's exact test, p {_equal(p)}{held})."
        )
    return said


def _worth(row: dict[str, Any], taken: Interval, certain: bool, what: str) -> str:
    """What the difference is worth, and how sure that is."""
    value, low, high = (defined(row[name]) for name in ("value", "low", "high"))
    if math.isnan(value):
        return "No question was asked of both, so nothing can be said of the difference."
    if not row["only_ours"] + row["only_theirs"]:
        return "No question is answered wrongly by one and not by the other, so nothing tells them apart."
    if not certain:
        ends = " and ".join(_change(bound) for bound in (low, high))
        span = "" if math.isnan(low + high) else f" With 95 % confidence it lies between {ends} in 100 questions."
        return f"This is not enough to tell from chance.{span}"
    if value < 0 and taken.low > 0:
        return f"{what} {percent(taken.value)} of the wrong answers; with 95 % confidence between {percent(taken.low)} and {percent(taken.high)}."
    near, far = sorted((abs(low), abs(high)))
    kind = "fewer" if value < 0 else "more"
    return f"That is {hundred(abs(value))} {kind} wrong answers in 100 questions; with 95 % confidence between {hundred(near)} and {hundred(far)} {kind}."


def _change(bound: float) -> str:
    """``4.0 fewer wrong answers``."""
    return f"{hundred(abs(bound))} {'fewer' if bound < 0 else 'more'} wrong answers"


def _with(arm: str, against: str) -> str:
    return "with the documents" if (arm, against) == (GROUNDED, BASELINE) else who(arm)


def _what(arm: str, against: str) -> str:
    return "The documents take away" if (arm, against) == (GROUNDED, BASELINE) else "That takes away"


def _equal(p: float) -> str:
    text = p_value(p)
    return text if text.startswith("<") else f"= {text}"


def _questions(number: int) -> str:
    return "1 question" if number == 1 else f"{count(number)} questions"
