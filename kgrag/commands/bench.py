"""The commands of `kgrag bench`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from kgrag import console
from kgrag.commands.bench_graph import bench_extraction, bench_paths, bench_relations
from kgrag.commands.bench_judge import bench_judge, bench_judge_set, bench_judge_train
from kgrag.commands.bench_llm import bench_llm
from kgrag.commands.bench_parts import bench_ingest, bench_linking
from kgrag.commands.bench_scale import bench_scale
from kgrag.commands.bench_sentences import bench_sentences
from kgrag.commands.bench_server import bench_server
from kgrag.commands.bench_sets import (
    CORPUS,
    QUESTIONS,
    STORES,
    Data,
    Stores,
    named_run,
    rankings_of,
    set_folders,
    with_corpus,
)
from kgrag.commands.bench_table import bench_compare, bench_table
from kgrag.commands.bench_tune import bench_reader_data, bench_tune
from kgrag.commands.options import STORE, Arm, Json, Model, ReaderName, Store, Walk, defined, need, print_json
from kgrag.errors import UsageError

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
    store: Store = STORE,
    corpus: Annotated[Path | None, typer.Option(help="Corpus to ingest first, if the store lacks it.")] = None,
    limit: Annotated[int | None, typer.Option(help="Only the first N questions.")] = None,
    run: Annotated[list[str] | None, typer.Option(help="Another system's TREC run: NAME=FILE; repeatable.")] = None,
    runs_out: Annotated[Path | None, typer.Option(help="Write what was found, as scored, as a TREC run.")] = None,
    walk: Walk = None,
    json_: Json = False,
) -> None:
    """Recall, mean reciprocal rank and latency of `retrieve`; other systems' runs beside it."""
    from kgrag.evaluate.bench import retrieval_report, search
    from kgrag.evaluate.compare import beside, unique
    from kgrag.evaluate.questions import fingerprint, load_questions
    from kgrag.evaluate.table import difference, shown
    from kgrag.evaluate.trec import write_run
    from kgrag.retrieve.ranker import Ranker

    asked = load_questions(questions, limit)
    named = [named_run(text) for text in run or []]
    if len({name for name, _ in named}) < len(named):
        raise UsageError("Expected a name of its own for every --run, found one twice: give another.")
    if named or runs_out:
        unique(asked)
    others = {name: rankings_of(name, file, asked) for name, file in named}
    _folder_of(runs_out, "--runs-out")
    opened = with_corpus(store, corpus, walk=walk)
    with console.counter("questions", len(asked)) as tick:
        rankings, milliseconds = search(opened.retriever, asked, tick)
    report = retrieval_report(asked, rankings, milliseconds)
    if runs_out:
        write_run(runs_out, {q.id: r for q, r in zip(asked, rankings, strict=True)}, "kgrag")
    if others:
        report["runs"] = {name: beside(asked, rankings, other) for name, other in others.items()}
    seen = fingerprint(questions) in Ranker.load().trained_on
    report["trained on these questions"] = seen
    if seen:
        console.notice(
            "The shipped ranker was trained on these questions, so these figures flatter it: "
            "`kgrag bench table` has honest ones."
        )
    runs = {} if json_ else report.pop("runs", {})
    _report(report, json_)
    for name, figures in runs.items():
        console.say(f"\n[bold]{escape(name)}[/bold]")
        lines = [("measure", "value and 95 % interval", "kgrag less this")]
        lines += [(m, shown(figures[m]), difference(apart)) for m, apart in figures["difference"].items()]
        console.table(lines, right=(1, 2), heading=True)


@bench.command("answers")
def bench_answers(
    questions: Annotated[Path, typer.Option(help="Questions: jsonl with _id, text, answers, gold.")],
    store: Store = STORE,
    corpus: Annotated[Path | None, typer.Option(help="Corpus to ingest first, if the store lacks it.")] = None,
    reader: Annotated[ReaderName, typer.Option(help="Who answers.")] = ReaderName.auto,
    arm: Annotated[Arm, typer.Option(help="With which evidence.")] = Arm.grounded,
    limit: Annotated[int | None, typer.Option(help="Only the first N questions.")] = None,
    out: Annotated[Path | None, typer.Option(help="Write every answer to this jsonl file.")] = None,
    model: Model = None,
    json_: Json = False,
) -> None:
    """Token F1, exact match, abstention and seconds a question."""
    from kgrag.evaluate.bench import answers
    from kgrag.evaluate.questions import load_questions
    from kgrag.render import answer_json

    asked = load_questions(questions, limit)
    _folder_of(out, "--out")
    opened = with_corpus(store, corpus, model)
    with console.counter("questions", len(asked)) as tick:
        report, given = answers(
            opened.answerer, asked, reader=reader.value, arm=arm.value, k=opened.config.k, gold=opened.gold, tick=tick
        )
    if out:
        rows = [
            defined({**answer_json(a), "id": q.id, "answers": q.answers}) for q, a in zip(asked, given, strict=True)
        ]
        out.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    _report(report, json_)


@bench.command("ranker")
def bench_ranker(
    data: Data,
    stores: Stores = STORES,
    out: Annotated[Path | None, typer.Option(help="Train on all of it and write the ranker here.")] = None,
    json_: Json = False,
) -> None:
    """Train the ordering of `retrieve`, and say what it is worth on questions and on sets that it never saw."""
    from kgrag.evaluate.examples import Example, examples
    from kgrag.evaluate.questions import fingerprint, load_questions
    from kgrag.evaluate.ranking import compare, write

    folders = set_folders(data, least=2)
    need("lightgbm", "train")
    sets: dict[str, list[Example]] = {}
    names: list[str] = []
    for folder in folders:
        opened = with_corpus(stores / folder.name, folder / CORPUS)
        names, sets[folder.name] = examples(opened.retriever, load_questions(folder / QUESTIONS))
    report = compare(sets)
    if out:
        write(out, names, sets, [fingerprint(folder / QUESTIONS) for folder in folders])
    if json_:
        print_json(report)
        return
    for name, rows in report.items():
        console.say(f"[bold]{name}[/bold] ({len(sets[name])} questions)")
        console.bench_table(rows)


def _folder_of(file: Path | None, option: str) -> None:
    if file and not file.parent.is_dir():
        raise UsageError(f"Expected a folder for {option}, found none at {file.parent}: make it, or name another file.")


def _report(report: dict[str, Any], json_: bool) -> None:
    if json_:
        print_json(report)
    else:
        console.bench_table(report)


bench.command("scale")(bench_scale)
bench.command("server")(bench_server)
