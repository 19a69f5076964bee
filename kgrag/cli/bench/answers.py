"""The command `kgrag bench answers`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kgrag.answering.profiles import GUARDS, STAGES
from kgrag.cli.bench.datasets import (
    open_store_with_corpus,
)
from kgrag.cli.bench.gold import notice_missing_files, report_missing_gold
from kgrag.cli.bench.manual_answers import run_manual_answers
from kgrag.cli.bench.manuals import print_manual_answers
from kgrag.cli.bench.oracle import print_oracle_answers, run_oracle_answers
from kgrag.cli.bench.output import print_report, require_parent_folder
from kgrag.cli.options import (
    DEFAULT_STORE,
    JsonOption,
    ModelOption,
    ReaderChoice,
    StoreOption,
    print_json,
)
from kgrag.errors import UsageError
from kgrag.serialize import nan_to_none
from kgrag.terminal import console

if TYPE_CHECKING:
    from kgrag.store.store import Store
    from kgrag.types import Question


class ArmChoice(StrEnum):
    """Evidence of an answer; plain has the nearest passages, one prompt and no checks."""

    grounded = "grounded"
    closed_book = "closed-book"
    gold = "gold"
    plain = "plain"


def bench_answers(
    questions: Annotated[Path, typer.Option(help="Questions: jsonl with _id, text, answers or nuggets, gold.")],
    store: StoreOption = DEFAULT_STORE,
    corpus: Annotated[
        Path | None, typer.Option(help="Corpus to ingest first, if the store lacks it (default: none).")
    ] = None,
    reader: Annotated[ReaderChoice, typer.Option(help="Source of the answers.")] = ReaderChoice.auto,
    arm: Annotated[
        ArmChoice,
        typer.Option(help="Evidence of the answers; plain: the five nearest passages in one prompt, without checks."),
    ] = ArmChoice.grounded,
    oracle: Annotated[
        bool,
        typer.Option(
            "--oracle",
            help="Use a perfect model, which says the reference answer with the right citations, and then wrong ones "
            "(default: no).",
        ),
    ] = False,
    without: Annotated[
        list[str] | None,
        typer.Option(
            help="Stage or guard of the pipeline to leave out; repeatable (default: none). Names: "
            f"{', '.join((*STAGES, *GUARDS))}."
        ),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(help="Number of questions to use, from the start (default: all).")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="File for all answers (jsonl); with nuggets, a stopped run continues from it.")
    ] = None,
    model: ModelOption = None,
    json_: JsonOption = False,
) -> None:
    """Measure token F1, exact match, abstention and seconds per question.

    Questions with nuggets are scored by these, and by corpus, kind and language. With --oracle, the figures show what the
    pipeline lets through of right answers, and what it stops of the same answers with a number, a name, an option or a negation changed.
    """
    from kgrag.dev.benchmarks.manuals.questions import load_any_questions
    from kgrag.question_sets import check_unique_ids

    question_list, manual_questions = load_any_questions(questions, limit)
    if oracle and not manual_questions:
        raise UsageError(
            f"Expected questions with nuggets for --oracle, found none in {questions}: see docs/reference/formats.md."
        )
    if oracle and model:
        raise UsageError("Expected --oracle or --model, found both: leave one out.")
    if without and arm not in (ArmChoice.grounded, ArmChoice.gold):
        raise UsageError(f"Expected --without with --arm grounded or gold, found {arm.value!r}: it has no stages.")
    check_unique_ids(question_list)
    require_parent_folder(out, "--out")
    opened_store = open_store_with_corpus(store, corpus, model)
    if manual_questions:
        run_answers = run_oracle_answers if oracle else run_manual_answers
        figures = run_answers(
            opened_store, manual_questions, reader=reader.value, arm=arm.value, without=without or (), out=out
        )
        notice_missing_files(figures["missing_files"])
        if json_:
            print_json(figures)
        elif oracle:
            print_oracle_answers(figures)
        else:
            print_manual_answers(figures)
        return
    _measure_answers(opened_store, question_list, reader, arm, without or (), out, json_)


def _measure_answers(
    store: Store,
    questions: list[Question],
    reader: ReaderChoice,
    arm: ArmChoice,
    without: Sequence[str],
    out: Path | None,
    json_: bool,
) -> None:
    """Answer questions without nuggets, and print their figures."""
    from functools import partial

    from kgrag.dev.benchmarks.ablated_pipeline import ablated_pipeline
    from kgrag.dev.benchmarks.plain_rag import PlainRAG
    from kgrag.dev.benchmarks.runner import measure_answers
    from kgrag.factuality.experiment.sources import gold_passages
    from kgrag.serialize import answer_json

    missing_gold = report_missing_gold(store, questions)
    plain_rag = PlainRAG(store)
    with console.show_counter("questions", len(questions)) as tick:
        report, given_answers = measure_answers(
            ablated_pipeline(store, without),
            questions,
            reader=reader.value,
            arm=arm.value,
            k=store.config.k,
            gold=partial(gold_passages, store.graph_store),
            plain=lambda question: plain_rag.answer(question, store.llm),
            tick=tick,
        )
    if out:
        rows = [
            nan_to_none({**answer_json(a), "id": q.id, "answers": q.answers})
            for q, a in zip(questions, given_answers, strict=True)
        ]
        out.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    if json_:
        report["missing_gold"] = missing_gold
    print_report(report, json_)
