"""What a training shows: a bar with loss, speed and the time left while it goes on, and what came of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from kgrag import console
from kgrag.tune.training.loop import Now

SECONDS = 15.0
"""Between two lines where nobody looks."""


def left(seconds: float) -> str:
    """``3 min``, ``1 h 20 min``."""
    minutes = round(seconds / 60)
    if minutes < 1:
        return f"{seconds:.0f} s"
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"


def line(name: str, now: Now) -> str:
    """A step in words."""
    held = f", held-out loss {now.held['held loss']:.3f}" if "held loss" in now.held else ""
    right = f", right {100 * now.held['factuality']:.0f} %" if "factuality" in now.held else ""
    margin = f", margin {now.held['margin']:.2f}" if "margin" in now.held else ""
    return (
        f"{name}: step {now.step} of {now.steps}, loss {now.loss:.3f}{held}{right}{margin}, {now.rate:,.0f} tokens/s, "
        f"about {left(now.left)} left"
    )


@contextmanager
def training() -> Iterator[Callable[[str, Now], None]]:
    """A bar; a line every quarter of a minute, and for each look at what was held out, where nobody looks."""
    bar = Progress(
        TextColumn("{task.fields[name]}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[said]}"),
        console=console.err, transient=True,
    )  # fmt: skip
    task = bar.add_task("", total=None, name="training", said="")
    last, held = 0.0, ""

    def tick(name: str, now: Now) -> None:
        nonlocal last, held
        console.end_progress()
        if not console.err.is_terminal:
            if "held loss" in now.held or time.monotonic() - last > SECONDS:
                last = time.monotonic()
                console.notice(line(name, now))
            return
        if not bar.live.is_started:
            bar.start()
        if "held loss" in now.held:
            held = f", held out {now.held['held loss']:.3f}"
        said = f"loss {now.loss:.3f}{held}, {now.rate:,.0f} tokens/s, {left(now.left)} left"
        bar.update(task, completed=now.step, total=now.steps, name=name, said=said)

    try:
        yield tick
    finally:
        if bar.live.is_started:
            bar.stop()


def show(report: Mapping[str, Any]) -> None:
    """What came of it, and how it is used."""
    rows = [("", "before", "after")]
    for name, phase in report["phases"].items():
        kept = (
            f"step {phase['best step']:,} kept"
            if phase["best step"]
            else "none of them better than before, which is kept"
        )
        said = f"{phase['steps']:,} steps in {left(phase['seconds'])}, {kept}: {phase['why it ended']}."
        console.say(f"[bold]{name}[/bold]: {escape(said)}")
        for key in ("held loss", "answer loss", "factuality", "margin", "ahead"):
            if key in phase["after"]:
                before, after = phase["before"].get(key), phase["after"][key]
                rows.append((f"{name}: {key}", "" if before is None else f"{before:.3f}", f"{after:.3f}"))
    if len(rows) > 1:
        console.table(rows, right=(1, 2), heading=True)
    for phase in report["phases"].values():
        if phase["warning"]:
            console.say(f"[yellow]{escape(phase['warning'])}[/yellow]")
    if report["method"] == "full":
        console.say(f"The model is in [bold]{escape(report['adapter'])}[/bold]: --model with that folder uses it.")
        return
    console.say(
        f"The adapter is in [bold]{escape(report['adapter'])}[/bold]: `adapter` in kgrag.toml or /adapter in `kgrag chat` uses it, "
        "`kgrag eval --adapter` says what it is worth."
    )
