"""Terminal output of `kgrag eval`: a progress bar with the time left, tables, and the main results."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from kgrag.factuality.figures import RunComparison, RunReport
from kgrag.factuality.report.labels import to_float
from kgrag.factuality.report.text_summary import format_p
from kgrag.metrics.formatting import format_interval
from kgrag.terminal import console

MIN_ANSWER_SECONDS = 0.05
"""Seconds: a faster answer came from the cache, and does not count for the time left."""
NOTICE_SECONDS = 30
"""Seconds between two progress lines without a terminal."""


@contextmanager
def answer_progress(total: int) -> Iterator[Callable[[], None]]:
    """Show a progress bar with the time left; without a terminal, a line every half minute."""
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
    """Format a duration: ``40 s``, ``12 min``, ``3 h 5 min``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def print_report(report: RunReport) -> None:
    """Print a table for each condition, then the main results."""
    titles = {"answerable": "Questions with an answer in the documents", "unanswerable": "Questions without an answer in the documents",
              "counterfactual": "Questions with edited evidence (correct: the edited fact)"}  # fmt: skip
    for condition, arms in report["rates"].items():
        console.print_result(f"\n[bold]{titles[condition]}[/bold], % [dim]with 95 % interval[/dim]")
        headings = (
            "arm",
            "correct",
            "hallucinated",
            "abstained",
            "hallucinated of answered",
            "claims supported",
            "questions",
        )
        rows = [headings]
        for arm, f in arms.items():
            abstention = f["correct_abstention"] if condition == "unanswerable" else f["false_abstention"]
            precision = f["measures"]["factual_precision"]
            rows.append((escape(arm), format_interval(f["correct"]), format_interval(f["hallucination"]), format_interval(abstention), format_interval(f["hallucination_answered"]), format_interval(precision), str(f["questions"])))  # fmt: skip
        console.print_table(rows, right=(1, 2, 3, 4, 5, 6), heading=True)
    console.print_result("")
    for sentence in report["sentences"]:
        console.print_result(f"• {escape(sentence)}")


def print_comparison(comparison: RunComparison) -> None:
    """Print the result of `kgrag eval compare` as a table."""
    rows = [("condition", "arm", "measure", "B − A", "p", "only B, only A", "questions")]
    for row in comparison["differences"]:
        value, low, high = (100 * to_float(bound) for bound in (row["value"], row["low"], row["high"]))
        difference = f"{value:+.1f} [{low:+.1f}, {high:+.1f}]"
        discordant = f"{row['only_ours']}, {row['only_theirs']}" if row["only_ours"] is not None else "–"
        rows.append((row["condition"], escape(row["arm"]), row["measure"], difference, format_p(to_float(row.get("p_holm", row["p"]))), discordant, str(row["questions"])))  # fmt: skip
    console.print_table(rows, right=(3, 4, 5, 6), heading=True)
    for name, (first_value, second_value) in comparison["settings"].items():
        console.print_notice(f"The runs differ in {name}: {first_value} and {second_value}.")
    if comparison["only_a"] or comparison["only_b"]:
        console.print_notice(
            f"Left out, because the other run lacks them: {comparison['only_a']} records of A, {comparison['only_b']} of B."
        )
