"""Terminal output of `kgrag tune`: a progress bar with loss, speed and time left, then the results."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from kgrag.terminal import console
from kgrag.tune.training.loop import TrainingProgress

NOTICE_SECONDS = 15.0
"""Seconds between two progress lines without a terminal."""


def format_time_left(seconds: float) -> str:
    """Format a duration: ``3 min``, ``1 h 20 min``."""
    minutes = round(seconds / 60)
    if minutes < 1:
        return f"{seconds:.0f} s"
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"


def format_step(name: str, now: TrainingProgress) -> str:
    """Describe a training step in a line."""
    held_out_text = (
        f", held-out loss {now.heldout_figures['held loss']:.3f}" if "held loss" in now.heldout_figures else ""
    )
    accuracy_text = (
        f", correct {100 * now.heldout_figures['factuality']:.0f} %" if "factuality" in now.heldout_figures else ""
    )
    margin_text = f", margin {now.heldout_figures['margin']:.2f}" if "margin" in now.heldout_figures else ""
    return (
        f"{name}: step {now.step} of {now.steps}, loss {now.loss:.3f}{held_out_text}{accuracy_text}{margin_text}, {now.tokens_per_second:,.0f} tokens/s, "
        f"about {format_time_left(now.seconds_left)} left"
    )


@contextmanager
def training_progress() -> Iterator[Callable[[str, TrainingProgress], None]]:
    """Show a progress bar; without a terminal, a line every 15 seconds and for each evaluation."""
    bar = Progress(
        TextColumn("{task.fields[name]}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[said]}"),
        console=console.err, transient=True,
    )  # fmt: skip
    task = bar.add_task("", total=None, name="training", said="")
    last_notice, held_out_text = 0.0, ""

    def tick(name: str, now: TrainingProgress) -> None:
        nonlocal last_notice, held_out_text
        console.end_progress()
        if not console.err.is_terminal:
            if "held loss" in now.heldout_figures or time.monotonic() - last_notice > NOTICE_SECONDS:
                last_notice = time.monotonic()
                console.print_notice(format_step(name, now))
            return
        if not bar.live.is_started:
            bar.start()
        if "held loss" in now.heldout_figures:
            held_out_text = f", held out {now.heldout_figures['held loss']:.3f}"
        status_text = f"loss {now.loss:.3f}{held_out_text}, {now.tokens_per_second:,.0f} tokens/s, {format_time_left(now.seconds_left)} left"
        bar.update(task, completed=now.step, total=now.steps, name=name, said=status_text)

    try:
        yield tick
    finally:
        if bar.live.is_started:
            bar.stop()


def print_training_report(report: Mapping[str, Any]) -> None:
    """Print the results of a training, and how to use its adapter."""
    rows = [("", "before", "after")]
    for name, phase in report["phases"].items():
        best_step_text = (
            f"step {phase['best step']:,} kept"
            if phase["best step"]
            else "no step improved on the start, which is kept"
        )
        phase_summary = f"{phase['steps']:,} steps in {format_time_left(phase['seconds'])}, {best_step_text}: {phase['why it ended']}."
        console.print_result(f"[bold]{name}[/bold]: {escape(phase_summary)}")
        for key in ("held loss", "answer loss", "factuality", "margin", "ahead"):
            if key in phase["after"]:
                before, after = phase["before"].get(key), phase["after"][key]
                rows.append((f"{name}: {key}", "" if before is None else f"{before:.3f}", f"{after:.3f}"))
    if len(rows) > 1:
        console.print_table(rows, right=(1, 2), heading=True)
    for phase in report["phases"].values():
        if phase["warning"]:
            console.print_result(f"[yellow]{escape(phase['warning'])}[/yellow]")
    if report["method"] == "full":
        console.print_result(
            f"The model is in [bold]{escape(report['adapter'])}[/bold]: pass this folder as --model to use it."
        )
        return
    console.print_result(
        f"The adapter is in [bold]{escape(report['adapter'])}[/bold]: use it with `adapter` in kgrag.toml or /adapter in `kgrag chat`; "
        "`kgrag eval --adapter` measures its effect."
    )
