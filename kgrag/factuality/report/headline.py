"""Headline sentences of the report: the main difference first, in words that need no statistics."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from kgrag.factuality.figures import DifferenceRow, RunReport
from kgrag.factuality.records import RunRecord
from kgrag.factuality.report.labels import (
    OUTCOMES,
    arm_label,
    as_percent_points,
    format_count,
    format_p_value,
    format_percent,
    to_float,
)
from kgrag.factuality.report.paired_differences import BASELINE, GROUNDED
from kgrag.factuality.report.svg_charts import is_significant
from kgrag.metrics.intervals import ALPHA, RESAMPLES
from kgrag.types import Interval

SYSTEM_ARM = "system"
"""The arm that runs `kgrag ask`."""


def primary_difference(report: RunReport) -> DifferenceRow | None:
    """Return the main difference: grounded against closed-book, or else the first of the primary family."""
    rows = [row for row in report["differences"] if row["primary"]]
    return next(
        (row for row in rows if (row["arm"], row["against"]) == (GROUNDED, BASELINE)), rows[0] if rows else None
    )


def relative_reduction(records: Sequence[RunRecord], arm: str, against: str, *, seed: int = 0) -> Interval:
    """Return the share of the wrong answers of ``against`` that ``arm`` prevents on their common questions.

    The value is ``1 - wrong(arm) / wrong(against)``: 1 if no wrong answer is left, below 0 if there are more. The interval
    is a percentile bootstrap over clusters of questions (Davison and Hinkley 1997, 3.8). Without a wrong answer of
    ``against``, all values are NaN. The bounds are NaN if too many resamples have no wrong answer of ``against``.

    Args:
        records: records of a run.
        arm: the arm that may prevent wrong answers.
        against: the arm to compare with.
        seed: seed of the resamples.
    """
    sums: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for before, after in _paired_records(records, arm, against):
        sums[before["cluster"]][0] += before["outcome"] == "wrong"
        sums[before["cluster"]][1] += after["outcome"] == "wrong"
    counts = np.array(list(sums.values()), float).reshape(-1, 2)
    wrong, remaining = counts.sum(axis=0)
    if not wrong:
        return Interval(math.nan, math.nan, math.nan)
    random = np.random.default_rng(seed)
    resamples = np.array([counts[random.integers(0, len(counts), len(counts))].sum(axis=0) for _ in range(RESAMPLES)])
    with_wrong = resamples[resamples[:, 0] > 0]
    value = float(1 - remaining / wrong)
    if len(with_wrong) < RESAMPLES * (1 - ALPHA / 2):
        return Interval(value, math.nan, math.nan)
    low, high = np.percentile(1 - with_wrong[:, 1] / with_wrong[:, 0], [100 * ALPHA / 2, 100 * (1 - ALPHA / 2)])
    return Interval(value, float(low), float(high))


def _paired_records(records: Sequence[RunRecord], arm: str, against: str) -> list[tuple[RunRecord, RunRecord]]:
    """Return (record of ``against``, record of ``arm``) for each answerable question that both have."""
    rows: dict[str, dict[str, RunRecord]] = {arm: {}, against: {}}
    for record in records:
        if record["condition"] == "answerable" and record["arm"] in rows:
            rows[record["arm"]][record["id"]] = record
    return [(record, rows[arm][name]) for name, record in rows[against].items() if name in rows[arm]]


def headline_sentences(report: RunReport, records: Sequence[RunRecord], *, seed: int = 0) -> list[str]:
    """Return the main results as sentences, most important first; the first one is the heading of the report."""
    row = primary_difference(report)
    lines = _comparison_sentences(report, row, records, seed) if row else _single_arm_sentences(report)
    reference_arms = {arm: f for arm, f in report["rates"].get("answerable", {}).items() if arm in ("placebo", "gold")}
    if row and reference_arms:
        wrong = [
            f"{arm_label(arm).removeprefix('the model ')} {format_count(f['counts']['wrong'])} of {format_count(f['questions'])}"
            for arm, f in reference_arms.items()
        ]
        lines.append(f"For comparison, wrong answers: {' and '.join(wrong)}.")
    if row and row["arm"] != SYSTEM_ARM and (system_sentence := _system_sentence(report, row["against"])):
        lines.insert(2, system_sentence)
    for arm, figures in report["rates"].get("unanswerable", {}).items():
        if arm in (GROUNDED, "system"):
            abstained = figures["counts"]["abstained"]
            lines.append(
                f"If the documents do not hold the answer, {arm_label(arm)} abstains on {format_count(abstained)} of {_question_count(figures['questions'])}."
            )
    for arm, figures in report["rates"].get("counterfactual", {}).items():
        if arm == GROUNDED:
            correct = figures["counts"]["correct"]
            lines.append(
                f"If the documents are edited, {arm_label(arm)} follows the edit on {format_count(correct)} of {_question_count(figures['questions'])}."
            )
    return lines


def _system_sentence(report: RunReport, against: str) -> str:
    """Return the result of `kgrag ask` on the same questions; "" if that arm did not run."""
    figures = report["rates"].get("answerable", {}).get(SYSTEM_ARM)
    rows = [
        row for row in report["differences"] if row["primary"] and (row["arm"], row["against"]) == (SYSTEM_ARM, against)
    ]
    if not figures or not rows:
        return ""
    counts, row = figures["counts"], rows[0]
    opening = f"kgrag ask, with typed facts and all its checks: {format_count(counts['wrong'])} wrong, {format_count(counts['correct'])} correct, {format_count(counts['abstained'])} abstained"
    low, high = to_float(row["low"]), to_float(row["high"])
    if not is_significant(row) or math.isnan(low + high):
        return f"{opening}; the difference in wrong answers may be chance."
    smaller, larger = sorted((abs(low), abs(high)))
    value = to_float(row["value"])
    kind = "fewer" if value < 0 else "more"
    return f"{opening}; that is {as_percent_points(abs(value))} {kind} wrong answers in 100 questions, with 95 % confidence between {as_percent_points(smaller)} and {as_percent_points(larger)} {kind}."


def _single_arm_sentences(report: RunReport) -> list[str]:
    """Return the result of a run without two arms to compare."""
    for arms in report["rates"].values():
        for arm, figures in arms.items():
            counts = figures["counts"]
            return [
                f"{_capitalized(arm_label(arm))} answers {format_count(counts['correct'])} of {_question_count(figures['questions'])} correctly and {format_count(counts['wrong'])} wrongly.",
                "No other arm answered the same questions, so this run does not measure the effect of the documents.",
            ]
    return ["No question of this run counts in any rate."]


def _comparison_sentences(report: RunReport, row: DifferenceRow, records: Sequence[RunRecord], seed: int) -> list[str]:
    arm, against = row["arm"], row["against"]
    table = {outcome: dict.fromkeys(OUTCOMES, 0) for outcome in OUTCOMES}
    for record_before, record_after in _paired_records(records, arm, against):
        table[record_before["outcome"]][record_after["outcome"]] += 1
    reduction_interval = relative_reduction(records, arm, against, seed=seed)
    before = {kind: sum(table[kind].values()) for kind in OUTCOMES}
    after = {kind: sum(table[old][kind] for old in OUTCOMES) for kind in OUTCOMES}
    lines = [
        f"{_capitalized(arm_label(against))} answers {format_count(before['wrong'])} of {_question_count(row['questions'])} wrongly; {_arm_phrase(arm, against)} {format_count(after['wrong'])}."
    ]
    adjusted = not math.isnan(to_float(row["p_holm"]))
    p = to_float(row["p_holm"] if adjusted else row["p"])
    lines.append(_effect_sentence(row, reduction_interval, is_significant(row), _reduction_subject(arm, against)))
    lines.append(
        f"Correct answers change from {format_count(before['correct'])} to {format_count(after['correct'])}, and abstentions from {format_count(before['abstained'])} to {format_count(after['abstained'])}."
    )
    if before["wrong"]:
        wrong_transitions = table["wrong"]
        lines.append(
            f"Of the {format_count(before['wrong'])} wrong answers, {format_count(wrong_transitions['correct'])} become correct, {format_count(wrong_transitions['abstained'] + wrong_transitions['empty'])} become abstentions or empty, and {format_count(wrong_transitions['wrong'])} stay wrong; {format_count(table['correct']['wrong'])} correct answers become wrong."
        )
    if not math.isnan(p) and _discordant_count(row):
        family = sum(bool(r["primary"]) for r in report["differences"])
        adjustment_note = f", adjusted for {family} comparisons (Holm)" if adjusted and family > 1 else ""
        chance = "fewer than 1 of 1,000" if p < 0.001 else f"about {format_count(round(1000 * p))} of 1,000"
        lines.append(
            f"Chance alone would give a difference this large in {chance} such experiments (McNemar's exact test, p {_p_with_relation(p)}{adjustment_note})."
        )
    return lines


def _effect_sentence(row: DifferenceRow, reduction_interval: Interval, is_certain: bool, subject: str) -> str:
    """Return the size of the difference and its uncertainty as a sentence."""
    value, low, high = to_float(row["value"]), to_float(row["low"]), to_float(row["high"])
    if math.isnan(value):
        return "The two arms have no question in common, so there is no difference to report."
    if not _discordant_count(row):
        return "No question is answered wrongly by only one of the two arms, so there is no difference."
    if not is_certain:
        bounds = " and ".join(_change_phrase(bound) for bound in (low, high))
        span = "" if math.isnan(low + high) else f" With 95 % confidence it lies between {bounds} in 100 questions."
        return f"This difference may be chance.{span}"
    if value < 0 and reduction_interval.low > 0:
        return f"{subject} {format_percent(reduction_interval.value)} of the wrong answers; with 95 % confidence between {format_percent(reduction_interval.low)} and {format_percent(reduction_interval.high)}."
    smaller, larger = sorted((abs(low), abs(high)))
    kind = "fewer" if value < 0 else "more"
    return f"That is {as_percent_points(abs(value))} {kind} wrong answers in 100 questions; with 95 % confidence between {as_percent_points(smaller)} and {as_percent_points(larger)} {kind}."


def _change_phrase(bound: float) -> str:
    """Format a bound of the difference: ``4.0 fewer wrong answers``."""
    return f"{as_percent_points(abs(bound))} {'fewer' if bound < 0 else 'more'} wrong answers"


def _arm_phrase(arm: str, against: str) -> str:
    return "with the documents" if (arm, against) == (GROUNDED, BASELINE) else arm_label(arm)


def _reduction_subject(arm: str, against: str) -> str:
    return "The documents prevent" if (arm, against) == (GROUNDED, BASELINE) else "This prevents"


def _discordant_count(row: DifferenceRow) -> int:
    return (row["only_ours"] or 0) + (row["only_theirs"] or 0)


def _capitalized(text: str) -> str:
    return text if text.startswith("kgrag") else text[:1].upper() + text[1:]


def _p_with_relation(p: float) -> str:
    text = format_p_value(p)
    return text if text.startswith("<") else f"= {text}"


def _question_count(number: int) -> str:
    return "1 question" if number == 1 else f"{format_count(number)} questions"
