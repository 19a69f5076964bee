"""Show the progress of an ingest: passages done, their rate, and the time that is left."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, Progress, TaskID, TextColumn

from ingest.report import format_duration
from kgrag.terminal import console

SECONDS_PER_LINE = 10.0
"""Seconds between two lines without a terminal; the first one comes with the first passages."""
MIN_SECONDS_MEASURED, MAX_SECONDS_MEASURED = 2.0, 120.0
"""Shortest and longest time over which the rate is measured."""
IngestCallback = Callable[[int, int, int], None]


@contextmanager
def show_ingest_progress() -> Iterator[IngestCallback]:
    """Show a bar with passages per second and the time left; without a terminal, a line every ten seconds."""
    bar = Progress(
        TextColumn("Ingesting"), BarColumn(), TextColumn("{task.fields[text]}"), console=console.err, transient=True
    )
    display = _ProgressDisplay(bar, bar.add_task("", total=None, text="…"))
    try:
        yield display.update
    finally:
        if bar.live.is_started:
            bar.stop()


class _ProgressDisplay:
    """A bar, or lines, with the estimate of the time left."""

    def __init__(self, bar: Progress, task: TaskID) -> None:
        self._bar, self._task = bar, task
        self._next_line = 0.0
        self._clock = RateClock()

    def update(self, done: int, total: int, documents: int) -> None:
        """Show that ``done`` of about ``total`` passages, and ``documents`` documents, are ready."""
        console.end_progress()
        now = time.monotonic()
        self._clock.add(now, done)
        text = f"{documents:,} documents, {done:,} of about {total:,} passages{self._clock.describe(total - done)}"
        if console.err.is_terminal:
            if not self._bar.live.is_started:
                self._bar.start()
            self._bar.update(self._task, completed=done, total=total, text=text)
        elif done and now >= self._next_line:
            self._next_line = now + SECONDS_PER_LINE
            console.print_notice(text)


class RateClock:
    """Rate of the last passages, from which the time left is estimated."""

    def __init__(self) -> None:
        self._marks: deque[tuple[float, int]] = deque()

    def add(self, now: float, done: int) -> None:
        """Record that ``done`` passages are ready at ``now``, in seconds."""
        self._marks.append((now, done))
        while len(self._marks) > 2 and now - self._marks[1][0] >= MAX_SECONDS_MEASURED:
            self._marks.popleft()

    def describe(self, remaining: int) -> str:
        """Return the rate and the time left as the end of a line; "" until both are known."""
        (start, before), (end, done) = self._marks[0], self._marks[-1]
        if end - start < MIN_SECONDS_MEASURED or done <= before:
            return ""
        rate = (done - before) / (end - start)
        return f", {rate:.1f} passages/s, about {format_duration(remaining / rate)} left"
