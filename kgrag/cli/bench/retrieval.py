"""The command `kgrag bench retrieval`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from kgrag.cli.bench.datasets import (
    load_rankings,
    open_store_with_corpus,
    parse_run,
)
from kgrag.cli.bench.gold import report_missing_gold
from kgrag.cli.bench.manuals import print_manual_retrieval, run_manual_retrieval
from kgrag.cli.bench.output import print_report, require_parent_folder
from kgrag.cli.options import (
    DEFAULT_STORE,
    JsonOption,
    StoreOption,
    WalkOption,
    print_json,
)
from kgrag.errors import UsageError
from kgrag.terminal import console


def bench_retrieval(
    questions: Annotated[
        Path, typer.Option(help="Questions: jsonl with _id, text, gold: document ids, or quotes of files.")
    ],
    store: StoreOption = DEFAULT_STORE,
    corpus: Annotated[
        Path | None, typer.Option(help="Corpus to ingest first, if the store lacks it (default: none).")
    ] = None,
    limit: Annotated[
        int | None, typer.Option(help="Number of questions to use, from the start (default: all).")
    ] = None,
    run: Annotated[list[str] | None, typer.Option(help="TREC run of another system: NAME=FILE; repeatable.")] = None,
    runs_out: Annotated[
        Path | None, typer.Option(help="File for the retrieved passages with their scores, as a TREC run.")
    ] = None,
    walk: WalkOption = None,
    json_: JsonOption = False,
) -> None:
    """Measure recall, mean reciprocal rank and latency of `retrieve`, beside other systems' runs.

    Questions with gold quotes and nuggets are scored by passages, beside BM25, vectors and their fusion.
    """
    from kgrag.dev.benchmarks.manuals.questions import load_any_questions
    from kgrag.dev.benchmarks.run_comparison import score_against_baseline
    from kgrag.dev.benchmarks.runner import retrieval_report, time_retrieval
    from kgrag.dev.benchmarks.trec_runs import write_run
    from kgrag.metrics.formatting import format_difference, format_interval
    from kgrag.question_sets import check_unique_ids, fingerprint
    from kgrag.retrieve.boosted_trees import TreeEnsemble

    question_list, manual_questions = load_any_questions(questions, limit)
    if manual_questions:
        if run or runs_out:
            raise UsageError(
                "Expected no --run and no --runs-out with questions that have quotes, found one: a TREC run ranks "
                "documents, and these questions are scored by passages."
            )
        report = run_manual_retrieval(open_store_with_corpus(store, corpus, walk=walk), manual_questions)
        if json_:
            print_json(report)
        else:
            print_manual_retrieval(report)
        return
    named_runs = [parse_run(text) for text in run or []]
    if len({name for name, _ in named_runs}) < len(named_runs):
        raise UsageError("Expected a different name for every --run, found one twice: pass another.")
    check_unique_ids(question_list)
    others = {name: load_rankings(name, file, question_list) for name, file in named_runs}
    require_parent_folder(runs_out, "--runs-out")
    opened_store = open_store_with_corpus(store, corpus, walk=walk)
    missing_gold = report_missing_gold(opened_store, question_list)
    with console.show_counter("questions", len(question_list)) as tick:
        rankings, milliseconds = time_retrieval(opened_store.retriever, question_list, tick)
    report = retrieval_report(question_list, rankings, milliseconds)
    if runs_out:
        write_run(runs_out, {q.id: r for q, r in zip(question_list, rankings, strict=True)}, "kgrag")
    runs = {name: score_against_baseline(question_list, rankings, other) for name, other in others.items()}
    if json_:
        report["missing_gold"] = missing_gold
        if runs:
            report["runs"] = runs
    is_trained_on = fingerprint(questions) in TreeEnsemble.load().trained_on
    report["trained on these questions"] = is_trained_on
    if is_trained_on:
        console.print_notice(
            "The built-in ranker was trained on these questions, so these figures are too high: "
            "`kgrag bench table` measures without that bias."
        )
    print_report(report, json_)
    if json_:
        return
    for name, figures in runs.items():
        console.print_result(f"\n[bold]{escape(name)}[/bold]")
        lines = [("measure", "value and 95 % interval", "kgrag − this run")]
        lines += [
            (m, format_interval(figures[m]), format_difference(apart)) for m, apart in figures["difference"].items()
        ]
        console.print_table(lines, right=(1, 2), heading=True)
