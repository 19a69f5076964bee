"""The output of `kgrag bench answers --oracle`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.markup import escape

from kgrag.metrics.formatting import format_interval
from kgrag.serialize import nan_to_none
from kgrag.terminal import console

if TYPE_CHECKING:
    from kgrag.answering.pipeline import ReaderMode
    from kgrag.dev.benchmarks.manuals.figures import Figures
    from kgrag.dev.benchmarks.manuals.questions import ManualQuestion
    from kgrag.store.store import Store

_MEASURES = {
    "gold_retrieved": "gold passage among the hits",
    "gold_in_prompt": "gold quote in the prompt",
    "silenced_by_gate": "abstained before the model, of the retrieved",
    "withdrawn": "not whole, of those in the prompt",
    "oracle_whole": "whole answers, of the retrieved",
    "oracle_nugget_recall": "nugget recall, of the retrieved",
    "altered_caught": "altered answers caught",
    "abstained_unanswerable": "abstained on the unanswerable",
}
_GROUP_MEASURES = ("gold_retrieved", "gold_in_prompt", "withdrawn", "oracle_nugget_recall", "altered_caught")


def run_oracle_answers(
    store: Store,
    questions: Sequence[ManualQuestion],
    *,
    reader: ReaderMode,
    arm: str,
    without: Sequence[str],
    out: Path | None,
) -> Figures:
    """Measure the answers of the perfect model with a bar, and write a line a question to ``out``."""
    from kgrag.dev.benchmarks.manuals.oracle_answers import measure_oracle_answers

    with console.show_counter("answers", len(questions)) as tick:
        report, rows = measure_oracle_answers(store, questions, reader=reader, arm=arm, without=without, tick=tick)
    if out:
        out.write_text("".join(json.dumps(nan_to_none(row), ensure_ascii=False) + "\n" for row in rows), "utf-8")
    return report


def print_oracle_answers(report: Figures) -> None:
    """Print all measures, the alterations by kind, and the main measures by corpus, kind and language."""
    console.print_table(
        [
            ("measure", "value and 95 % interval"),
            *((title, format_interval(report[key])) for key, title in _MEASURES.items()),
        ],
        right=(1,),
        heading=True,
    )
    altered = [
        (kind, str(figures["alterations"]), format_interval(figures["altered_caught"]))
        for kind, figures in report["altered"].items()
    ]
    _print_table(("altered", "answers", "caught"), altered)
    for grouping in ("by_corpus", "by_kind", "by_language"):
        head = (
            grouping.replace("_", " "),
            "questions",
            *(key.removeprefix("oracle_").replace("_", " ") for key in _GROUP_MEASURES),
        )
        rows = [
            (escape(group), str(figures["questions"]), *(format_interval(figures[key]) for key in _GROUP_MEASURES))
            for group, figures in report[grouping].items()
        ]
        _print_table(head, rows)


def _print_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    console.print_result("")
    console.print_table([head, *rows], right=range(1, len(head)), heading=True)
