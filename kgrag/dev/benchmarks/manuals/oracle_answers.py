"""Measure what the pipeline lets through of right answers, and stops of altered ones, with a perfect model."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from kgrag.answering.pipeline import ReaderMode
from kgrag.dev.benchmarks.manuals.altered_answers import ALTERATION_KINDS, AnswerAlterer
from kgrag.dev.benchmarks.manuals.figures import GROUPINGS, Figures, grouped_figures, mean_interval
from kgrag.dev.benchmarks.manuals.gold_passages import find_missing_files
from kgrag.dev.benchmarks.manuals.oracle import OracleModel
from kgrag.dev.benchmarks.manuals.oracle_run import OracleRun
from kgrag.dev.benchmarks.manuals.questions import ManualQuestion
from kgrag.errors import UsageError
from kgrag.metrics.intervals import IntervalJson
from kgrag.serialize import JsonObject
from kgrag.store.store import Store

ORACLE_ARMS = ("grounded", "plain")


def measure_oracle_answers(
    store: Store,
    questions: Sequence[ManualQuestion],
    *,
    reader: ReaderMode = "auto",
    arm: str = "grounded",
    without: Sequence[str] = (),
    tick: Callable[[], None] = lambda: None,
) -> tuple[Figures, list[JsonObject]]:
    """Answer every question with an `OracleModel`, right and altered, and return the figures with a row a question.

    A question counts as retrieved if a passage that holds one of its quotes is among the hits; a question over several
    files may lack the others. An altered answer counts where the unaltered one reaches the user whole. It is caught if
    the pipeline abstains, the altered words are not in its answer, or a diagnostic reports their statement.

    Args:
        store: the opened store; its own language model is not loaded.
        questions: with reference answers.
        reader: of the grounded arm.
        arm: ``grounded``, or ``plain`` for `PlainRAG`.
        without: stages and guards that the pipeline leaves out (`kgrag.answering.profiles`).
        tick: called once a question.

    Returns:
        `oracle_values` with intervals, by group too; "altered_caught" of all alterations, by group too; "altered", kind ->
        "alterations", their number, and "altered_caught"; "not_whole", question id -> why its answer is not whole;
        "missing_files", "model" and "arm". A row has the answer, and under "altered" those of the alterations.

    Raises:
        UsageError: there is no such arm, stage or guard, or an answerable question has no reference answer.
    """
    if arm not in ORACLE_ARMS:
        raise UsageError(f"Expected --arm {' or '.join(ORACLE_ARMS)} with --oracle, found {arm!r}.")
    for question in questions:
        if question.is_answerable and not question.answer.strip():
            raise UsageError(
                f'Expected a reference answer in "answer" for --oracle, found none of question {question.id!r}: add it.'
            )
    alterer = AnswerAlterer(questions)
    with _kept_model(store):
        rows = []
        for question in questions:
            rows.append(OracleRun(store, question, reader, arm, without).row(alterer.alter(question)))
            tick()
    report = grouped_figures(questions, oracle_values(questions, rows))
    _add_altered(report, questions, rows)
    report["not_whole"] = {row["id"]: row["reason"] for row in rows if row["reason"]}
    report["missing_files"] = find_missing_files(store.graph_store, questions)
    report["model"], report["arm"] = OracleModel.name, arm
    return report, rows


def oracle_values(questions: Sequence[ManualQuestion], rows: Sequence[JsonObject]) -> dict[str, list[float]]:
    """Return the measures of each unaltered answer, NaN where a measure is not defined.

    - ``gold_retrieved``, ``gold_in_prompt``: a gold passage is among the hits, and its quote in the prompt; of the
      answerable questions with gold.
    - ``oracle_nugget_recall``, ``oracle_whole``: share of the nuggets in the answer, and whether it has all of them
      and no wrong form; of the retrieved questions.
    - ``silenced_by_gate``: abstained without asking the model; of the retrieved questions.
    - ``withdrawn``: abstained, or not whole; of the questions with gold in the prompt.
    - ``abstained_unanswerable``: of the unanswerable questions, whose answer is an abstention.
    """
    values: dict[str, list[float]] = {}
    for question, row in zip(questions, rows, strict=True):
        is_scored = question.is_answerable and bool(question.gold)
        is_retrieved, is_shown = is_scored and row["gold_retrieved"], is_scored and row["gold_in_prompt"]
        for measure, value, is_defined in (
            ("oracle_nugget_recall", row["nugget_recall"], is_retrieved),
            ("oracle_whole", row["whole"], is_retrieved),
            ("gold_in_prompt", row["gold_in_prompt"], is_scored),
            ("gold_retrieved", row["gold_retrieved"], is_scored),
            ("silenced_by_gate", row["abstained"] and not row["model_asked"], is_retrieved),
            ("withdrawn", not row["whole"], is_shown),
            ("abstained_unanswerable", row["abstained"], not question.is_answerable),
        ):
            values.setdefault(measure, []).append(float(value) if is_defined else math.nan)
    return values


def _add_altered(report: Figures, questions: Sequence[ManualQuestion], rows: Sequence[JsonObject]) -> None:
    """Add "altered_caught" to the figures and to those of each group, and "altered" by kind."""
    altered = [
        (question, alteration)
        for question, row in zip(questions, rows, strict=True)
        for alteration in row["altered"]
        if alteration["counts"]
    ]

    def share_caught(pairs: Sequence[tuple[ManualQuestion, JsonObject]]) -> IntervalJson:
        return mean_interval([float(alteration["caught"]) for _, alteration in pairs])

    report["altered_caught"] = share_caught(altered)
    for grouping, group_of in GROUPINGS.items():
        for group, figures in report[grouping].items():
            figures["altered_caught"] = share_caught([pair for pair in altered if group_of(pair[0]) == group])
    report["altered"] = {}
    for kind in ALTERATION_KINDS:
        of_kind = [pair for pair in altered if pair[1]["kind"] == kind]
        report["altered"][kind] = {"alterations": len(of_kind), "altered_caught": share_caught(of_kind)}


@contextmanager
def _kept_model(store: Store) -> Iterator[None]:
    """Give the store its language model back at the end, or none if it had none loaded."""
    model: Any = store.loaded_llm
    try:
        yield
    finally:
        store.use(llm=model) if model is not None else store.unload("llm")
