"""What `kgrag eval` shows in a terminal: a bar with the time left, and the result in words and in a table."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from kgrag.factuality.report.text_summary import format_p
from kgrag.terminal import console

MIN_ANSWER_SECONDS = 0.05
"""Seconds: what takes less was kept from an earlier run, and says nothing of the time that is left."""
NOTICE_SECONDS = 30
"""Seconds between two lines where nobody looks."""


@contextmanager
def answer_progress(total: int) -> Iterator[Callable[[], None]]:
    """A bar that knows how long what is left will take; a line every half a minute where nobody looks."""
    start = last = last_notice = time.monotonic()
    done, slow_count, slow_seconds = 0, 0, 0.0
    bar = Progress(
        TextColumn("Answers"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[left]}"), console=console.err, transient=True
    )  # fmt: skip
    task = bar.add_task("", total=total, left="")

    def tick() -> None:
        nonlocal done, slow_count, slow_seconds, last, last_notice
        now = time.monotonic()
        took, last = now - last, now
        done += 1
        if took > MIN_ANSWER_SECONDS:
            slow_count, slow_seconds = slow_count + 1, slow_seconds + took
        left = slow_seconds / slow_count * (total - done) if slow_count else 0.0
        if console.err.is_terminal:
            console.end_progress()
            if not bar.live.is_started:
                bar.start()
            bar.update(task, completed=done, left=f"{format_duration(left)} left" if slow_count else "")
        elif now - last_notice > NOTICE_SECONDS:
            last_notice = now
            console.print_notice(
                f"{done:,} of {total:,} answers, {format_duration(left)} left ({format_duration(now - start)} so far)"
            )

    try:
        yield tick
    finally:
        if bar.live.is_started:
            bar.stop()


def format_duration(seconds: float) -> str:
    """``40 s``, ``12 min``, ``3 h 5 min``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def format_rate(measure: dict[str, float]) -> str:
    """``12.5 [8.1, 18.9]``, or a dash."""
    if math.isnan(measure["value"]):
        return "–"
    return f"{100 * measure['value']:.1f} [{100 * measure['low']:.1f}, {100 * measure['high']:.1f}]"


def print_report(report: dict[str, Any]) -> None:
    """The tables, a block for each condition, and then the sentences."""
    titles = {"answerable": "Questions that have an answer in the documents", "unanswerable": "Questions that the documents do not answer",
              "counterfactual": "Questions whose evidence was edited (right: what it says now)"}  # fmt: skip
    for condition, arms in report["rates"].items():
        console.print_result(f"\n[bold]{titles[condition]}[/bold], of 100 [dim]and 95 % interval[/dim]")
        headings = ("evidence", "right", "wrong", "silent", "wrong of those answered", "claims borne out", "questions")
        rows = [headings]
        for arm, f in arms.items():
            abstention = f["correct_abstention"] if condition == "unanswerable" else f["false_abstention"]
            precision = f["measures"]["factual_precision"]
            rows.append((escape(arm), format_rate(f["correct"]), format_rate(f["hallucination"]), format_rate(abstention), format_rate(f["hallucination_answered"]), format_rate(precision), str(f["questions"])))  # fmt: skip
        console.print_table(rows, right=(1, 2, 3, 4, 5, 6), heading=True)
    console.print_result("")
    for sentence in report["sentences"]:
        console.print_result(f"• {escape(sentence)}")


def print_comparison(comparison: dict[str, Any]) -> None:
    """`kgrag eval compare` as a table."""
    rows = [("condition", "arm", "measure", "B less A", "p", "only B, only A", "questions")]
    for row in comparison["differences"]:
        difference = f"{100 * row['value']:+.1f} [{100 * row['low']:+.1f}, {100 * row['high']:+.1f}]"
        discordant = f"{row['only_ours']}, {row['only_theirs']}" if row["only_ours"] is not None else "–"
        rows.append((row["condition"], escape(row["arm"]), row["measure"], difference, format_p(row.get("p_holm", row["p"])), discordant, str(row["questions"])))  # fmt: skip
    console.print_table(rows, right=(3, 4, 5, 6), heading=True)
    for name, (first_value, second_value) in comparison["settings"].items():
        console.print_notice(f"The runs differ in {name}: {first_value} and {second_value}.")
    if comparison["only_a"] or comparison["only_b"]:
        console.print_notice(
            f"Left out, as the other run lacks them: {comparison['only_a']} records of A, {comparison['only_b']} of B."
        )
