"""The commands of `kgrag bench`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from kgrag.cli.bench.components import bench_ingest, bench_linking
from kgrag.cli.bench.datasets import (
    CORPUS_FILE,
    DEFAULT_STORES_FOLDER,
    QUESTIONS_FILE,
    DataOption,
    StoresOption,
    find_set_folders,
    load_rankings,
    open_store_with_corpus,
    parse_run,
)
from kgrag.cli.bench.extraction import bench_extraction, bench_paths, bench_relations
from kgrag.cli.bench.judge import bench_judge, bench_judge_set, bench_judge_train
from kgrag.cli.bench.llm import bench_llm
from kgrag.cli.bench.neo4j import bench_server
from kgrag.cli.bench.retrieval_table import bench_compare, bench_table
from kgrag.cli.bench.scale import bench_scale
from kgrag.cli.bench.sentence_selection import bench_sentences
from kgrag.cli.bench.training import bench_reader_data, bench_tune
from kgrag.cli.options import (
    DEFAULT_STORE,
    ArmChoice,
    JsonOption,
    ModelOption,
    ReaderChoice,
    StoreOption,
    WalkOption,
    nan_to_none,
    print_json,
    require_library,
)
from kgrag.errors import UsageError
from kgrag.terminal import console

bench = typer.Typer(
    suggest_commands=False, help="Measure retrieval and answers, with 95 % intervals.", no_args_is_help=True
)
bench.command("table")(bench_table)
bench.command("compare")(bench_compare)
bench.command("linking")(bench_linking)
bench.command("ingest")(bench_ingest)
bench.command("extraction")(bench_extraction)
bench.command("judge")(bench_judge)
bench.command("judge-train")(bench_judge_train)
bench.command("judge-set")(bench_judge_set)
bench.command("llm")(bench_llm)
bench.command("paths")(bench_paths)
bench.command("relations")(bench_relations)
bench.command("tune")(bench_tune)
bench.command("reader-data")(bench_reader_data)
bench.command("sentences")(bench_sentences)


@bench.command("retrieval")
def bench_retrieval(
    questions: Annotated[Path, typer.Option(help="Questions: jsonl with _id, text, gold.")],
    store: StoreOption = DEFAULT_STORE,
    corpus: Annotated[Path | None, typer.Option(help="Corpus to ingest first, if the store lacks it.")] = None,
    limit: Annotated[int | None, typer.Option(help="Only the first N questions.")] = None,
    run: Annotated[list[str] | None, typer.Option(help="Another system's TREC run: NAME=FILE; repeatable.")] = None,
    runs_out: Annotated[Path | None, typer.Option(help="Write what was found, as scored, as a TREC run.")] = None,
    walk: WalkOption = None,
    json_: JsonOption = False,
) -> None:
    """Recall, mean reciprocal rank and latency of `retrieve`; other systems' runs beside it."""
    from kgrag.dev.benchmarks.retrieval_table import format_difference, format_interval
    from kgrag.dev.benchmarks.run_comparison import check_unique_ids, score_against_baseline
    from kgrag.dev.benchmarks.runner import retrieval_report, time_retrieval
    from kgrag.dev.benchmarks.trec_runs import write_run
    from kgrag.question_sets import fingerprint, load_questions
    from kgrag.retrieve.boosted_trees import TreeEnsemble

    question_list = load_questions(questions, limit)
    named_runs = [parse_run(text) for text in run or []]
    if len({name for name, _ in named_runs}) < len(named_runs):
        raise UsageError("Expected a name of its own for every --run, found one twice: give another.")
    if named_runs or runs_out:
        check_unique_ids(question_list)
    others = {name: load_rankings(name, file, question_list) for name, file in named_runs}
    _require_parent_folder(runs_out, "--runs-out")
    opened_store = open_store_with_corpus(store, corpus, walk=walk)
    with console.show_counter("questions", len(question_list)) as tick:
        rankings, milliseconds = time_retrieval(opened_store.retriever, question_list, tick)
    report = retrieval_report(question_list, rankings, milliseconds)
    if runs_out:
        write_run(runs_out, {q.id: r for q, r in zip(question_list, rankings, strict=True)}, "kgrag")
    if others:
        report["runs"] = {
            name: score_against_baseline(question_list, rankings, other) for name, other in others.items()
        }
    is_trained_on = fingerprint(questions) in TreeEnsemble.load().trained_on
    report["trained on these questions"] = is_trained_on
    if is_trained_on:
        console.print_notice(
            "The shipped ranker was trained on these questions, so these figures flatter it: "
            "`kgrag bench table` has honest ones."
        )
    runs = {} if json_ else report.pop("runs", {})
    _print_report(report, json_)
    for name, figures in runs.items():
        console.print_result(f"\n[bold]{escape(name)}[/bold]")
        lines = [("measure", "value and 95 % interval", "kgrag less this")]
        lines += [
            (m, format_interval(figures[m]), format_difference(apart)) for m, apart in figures["difference"].items()
        ]
        console.print_table(lines, right=(1, 2), heading=True)


@bench.command("answers")
def bench_answers(
    questions: Annotated[Path, typer.Option(help="Questions: jsonl with _id, text, answers, gold.")],
    store: StoreOption = DEFAULT_STORE,
    corpus: Annotated[Path | None, typer.Option(help="Corpus to ingest first, if the store lacks it.")] = None,
    reader: Annotated[ReaderChoice, typer.Option(help="Who answers.")] = ReaderChoice.auto,
    arm: Annotated[ArmChoice, typer.Option(help="With which evidence.")] = ArmChoice.grounded,
    limit: Annotated[int | None, typer.Option(help="Only the first N questions.")] = None,
    out: Annotated[Path | None, typer.Option(help="Write every answer to this jsonl file.")] = None,
    model: ModelOption = None,
    json_: JsonOption = False,
) -> None:
    """Token F1, exact match, abstention and seconds a question."""
    from functools import partial

    from kgrag.dev.benchmarks.runner import measure_answers
    from kgrag.factuality.experiment.sources import gold_passages
    from kgrag.question_sets import load_questions
    from kgrag.serialize import answer_json

    question_list = load_questions(questions, limit)
    _require_parent_folder(out, "--out")
    opened_store = open_store_with_corpus(store, corpus, model)
    with console.show_counter("questions", len(question_list)) as tick:
        report, given_answers = measure_answers(
            opened_store.answer_pipeline,
            question_list,
            reader=reader.value,
            arm=arm.value,
            k=opened_store.config.k,
            gold=partial(gold_passages, opened_store.graph),
            tick=tick,
        )
    if out:
        rows = [
            nan_to_none({**answer_json(a), "id": q.id, "answers": q.answers})
            for q, a in zip(question_list, given_answers, strict=True)
        ]
        out.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    _print_report(report, json_)


@bench.command("ranker")
def bench_ranker(
    data: DataOption,
    stores: StoresOption = DEFAULT_STORES_FOLDER,
    out: Annotated[Path | None, typer.Option(help="Train on all of it and write the ranker here.")] = None,
    json_: JsonOption = False,
) -> None:
    """Train the ordering of `retrieve`, and say what it is worth on questions and on sets that it never saw."""
    from kgrag.dev.training.ranker.cross_validation import compare_rankers, write_ranker
    from kgrag.dev.training.ranker.examples import RankingExample, build_examples
    from kgrag.question_sets import fingerprint, load_questions

    folders = find_set_folders(data, min_folders=2)
    require_library("lightgbm", "train")
    sets: dict[str, list[RankingExample]] = {}
    names: list[str] = []
    for folder in folders:
        store = open_store_with_corpus(stores / folder.name, folder / CORPUS_FILE)
        names, sets[folder.name] = build_examples(store.retriever, load_questions(folder / QUESTIONS_FILE))
    report = compare_rankers(sets)
    if out:
        write_ranker(out, names, sets, [fingerprint(folder / QUESTIONS_FILE) for folder in folders])
    if json_:
        print_json(report)
        return
    for name, rows in report.items():
        console.print_result(f"[bold]{name}[/bold] ({len(sets[name])} questions)")
        console.print_benchmark(rows)


def _require_parent_folder(file: Path | None, option: str) -> None:
    if file and not file.parent.is_dir():
        raise UsageError(f"Expected a folder for {option}, found none at {file.parent}: make it, or name another file.")


def _print_report(report: dict[str, Any], json_: bool) -> None:
    if json_:
        print_json(report)
    else:
        console.print_benchmark(report)


bench.command("scale")(bench_scale)
bench.command("server")(bench_server)
