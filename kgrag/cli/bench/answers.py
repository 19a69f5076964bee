"""The command `kgrag bench answers`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from kgrag.cli.bench.datasets import (
    open_store_with_corpus,
)
from kgrag.cli.bench.manuals import print_manual_answers, run_manual_answers
from kgrag.cli.bench.output import print_report, require_parent_folder
from kgrag.cli.options import (
    DEFAULT_STORE,
    ArmChoice,
    JsonOption,
    ModelOption,
    ReaderChoice,
    StoreOption,
    print_json,
)
from kgrag.serialize import nan_to_none
from kgrag.terminal import console


def bench_answers(
    questions: Annotated[Path, typer.Option(help="Questions: jsonl with _id, text, answers or nuggets, gold.")],
    store: StoreOption = DEFAULT_STORE,
    corpus: Annotated[
        Path | None, typer.Option(help="Corpus to ingest first, if the store lacks it (default: none).")
    ] = None,
    reader: Annotated[ReaderChoice, typer.Option(help="Source of the answers.")] = ReaderChoice.auto,
    arm: Annotated[ArmChoice, typer.Option(help="Evidence of the answers.")] = ArmChoice.grounded,
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

    Questions with nuggets are scored by these, and by corpus, kind and language.
    """
    from functools import partial

    from kgrag.dev.benchmarks.manuals.questions import load_any_questions
    from kgrag.dev.benchmarks.runner import measure_answers
    from kgrag.factuality.experiment.sources import gold_passages
    from kgrag.serialize import answer_json

    question_list, manual_questions = load_any_questions(questions, limit)
    require_parent_folder(out, "--out")
    opened_store = open_store_with_corpus(store, corpus, model)
    if manual_questions:
        figures = run_manual_answers(opened_store, manual_questions, reader=reader.value, arm=arm.value, out=out)
        if json_:
            print_json(figures)
        else:
            print_manual_answers(figures)
        return
    with console.show_counter("questions", len(question_list)) as tick:
        report, given_answers = measure_answers(
            opened_store.answer_pipeline,
            question_list,
            reader=reader.value,
            arm=arm.value,
            k=opened_store.config.k,
            gold=partial(gold_passages, opened_store.graph_store),
            tick=tick,
        )
    if out:
        rows = [
            nan_to_none({**answer_json(a), "id": q.id, "answers": q.answers})
            for q, a in zip(question_list, given_answers, strict=True)
        ]
        out.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    print_report(report, json_)
