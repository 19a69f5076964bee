"""Runs of `kgrag bench answers` and `kgrag bench manuals` over questions with nuggets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from kgrag.terminal import console

if TYPE_CHECKING:
    from kgrag.answering.pipeline import ReaderMode
    from kgrag.dev.benchmarks.manuals.figures import Figures
    from kgrag.dev.benchmarks.manuals.questions import ManualQuestion
    from kgrag.store.store import Store


def run_manual_answers(
    store: Store,
    questions: Sequence[ManualQuestion],
    *,
    reader: ReaderMode = "auto",
    arm: str = "grounded",
    without: Sequence[str] = (),
    out: Path | None = None,
) -> Figures:
    """Measure answers with a bar; after Ctrl-C, the message says what was kept."""
    from kgrag.dev.benchmarks.manuals.answers import measure_manual_answers

    try:
        with console.show_counter("answers", len(questions)) as tick:
            report, _ = measure_manual_answers(
                store, questions, reader=reader, arm=arm, without=without, out=out, tick=tick
            )
    except KeyboardInterrupt:
        if out is None:
            raise
        raise KeyboardInterrupt(f"Answers are kept in {out}: run the same command again to continue.") from None
    return report
