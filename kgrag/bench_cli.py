"""The commands of `kgrag bench`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from kgrag import console
from kgrag.app import App
from kgrag.errors import UsageError
from kgrag.options import (
    STORE,
    Arm,
    Json,
    Model,
    ReaderName,
    Store,
    defined,
    ingest_into,
    need,
    open_app,
    print_json,
    something,
)

bench = typer.Typer(help="Measure retrieval and answers, with 95 % intervals.", no_args_is_help=True)


@bench.command("retrieval")
def bench_retrieval(
    questions: Annotated[Path, typer.Option(help="Questions: jsonl with _id, text, gold.")],
    store: Store = STORE,
    corpus: Annotated[Path | None, typer.Option(help="Corpus to ingest first, if the store lacks it.")] = None,
    limit: Annotated[int | None, typer.Option(help="Only the first N questions.")] = None,
    json_: Json = False,
) -> None:
    """Recall, mean reciprocal rank and latency of `retrieve`."""
    from kgrag.evaluate.bench import retrieval
    from kgrag.evaluate.questions import load_questions

    asked = load_questions(questions, limit)
    opened = _with_corpus(store, corpus)
    with console.counter("questions", len(asked)) as tick:
        report = retrieval(opened.retriever, asked, tick)
    _report(report, json_)


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
    if out and not out.parent.is_dir():
        raise UsageError(f"Expected a folder for --out, found none at {out.parent}: make it, or name another file.")
    opened = _with_corpus(store, corpus, model)
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
    data: Annotated[Path, typer.Option(help="A folder for each set, with corpus.jsonl.gz and questions.dev.jsonl.")],
    stores: Annotated[Path, typer.Option(help="Where the sets' stores are, or are made.")] = Path("build/stores"),
    out: Annotated[Path | None, typer.Option(help="Train on all of it and write the ranker here.")] = None,
    json_: Json = False,
) -> None:
    """Train the ordering of `retrieve`, and say what it is worth on questions and on sets that it never saw."""
    from kgrag.evaluate.questions import load_questions
    from kgrag.evaluate.ranking import Example, compare, examples, write

    folders = sorted(f for f in data.iterdir() if (f / "questions.dev.jsonl").is_file()) if data.is_dir() else []
    if len(folders) < 2:
        raise UsageError(
            f"Expected two or more folders with corpus.jsonl.gz and questions.dev.jsonl in {data}, found {len(folders)}: "
            "see docs/experiments.md for the sets."
        )
    need("lightgbm", "train")
    sets: dict[str, list[Example]] = {}
    names: list[str] = []
    for folder in folders:
        opened = _with_corpus(stores / folder.name, folder / "corpus.jsonl.gz")
        names, sets[folder.name] = examples(opened.retriever, load_questions(folder / "questions.dev.jsonl"))
    report = compare(sets)
    if out:
        write(out, names, sets)
    if json_:
        print_json(report)
        return
    for name, rows in report.items():
        console.say(f"[bold]{name}[/bold] ({len(sets[name])} questions)")
        console.bench_table(rows)


def _with_corpus(store: Path, corpus: Path | None, model: str | None = None) -> App:
    opened = open_app(store, create=corpus is not None, model=model)
    if corpus:
        report = ingest_into(opened, [str(corpus)])
        console.read_report(report)
        something(report)
    return opened


def _report(report: dict[str, Any], json_: bool) -> None:
    if json_:
        print_json(report)
    else:
        console.bench_table(report)
