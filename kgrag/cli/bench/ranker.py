"""The command `kgrag bench ranker`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kgrag.cli.bench.datasets import (
    CORPUS_FILE,
    DEFAULT_STORES_FOLDER,
    QUESTIONS_FILE,
    DataOption,
    StoresOption,
    find_set_folders,
    open_store_with_corpus,
)
from kgrag.cli.options import (
    JsonOption,
    open_store,
    print_json,
    require_library,
)
from kgrag.terminal import console


def bench_ranker(
    data: DataOption,
    stores: StoresOption = DEFAULT_STORES_FOLDER,
    manuals: Annotated[
        Path | None,
        typer.Option(
            help=f"Folder of {QUESTIONS_FILE} with gold quotes, whose corpora are in the store STORES/manuals."
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="File for a ranker trained on all questions (default: none is written).")
    ] = None,
    json_: JsonOption = False,
) -> None:
    """Train the ranker of `retrieve`, and measure it on unseen questions, datasets, and kinds of corpora."""
    from kgrag.dev.benchmarks.manuals.questions import load_manual_questions
    from kgrag.dev.training.ranker.cross_validation import compare_rankers, write_ranker
    from kgrag.dev.training.ranker.examples import RankingExample, build_examples
    from kgrag.dev.training.ranker.quote_examples import build_quote_examples
    from kgrag.question_sets import fingerprint, load_questions

    folders = find_set_folders(data, min_folders=2)
    require_library("lightgbm", "train")
    sets: dict[str, list[RankingExample]] = {}
    names: list[str] = []
    for folder in folders:
        store = open_store_with_corpus(stores / folder.name, folder / CORPUS_FILE)
        names, sets[folder.name] = build_examples(store.retriever, load_questions(folder / QUESTIONS_FILE))
    if manuals:
        question_list = load_manual_questions(manuals / QUESTIONS_FILE)
        with console.show_counter("manuals", len(question_list)) as tick:
            names, examples = build_quote_examples(open_store(stores / "manuals"), question_list, tick)
        sets |= {f"manuals/{corpus}": group for corpus, group in examples.items()}
        folders.append(manuals)
    report = compare_rankers(sets)
    if out:
        fingerprints = [fingerprint(folder / QUESTIONS_FILE) for folder in folders]
        write_ranker(out, names, sets, fingerprints)
    if json_:
        print_json(report)
        return
    for name, rows in report.items():
        console.print_result(f"[bold]{name}[/bold] ({len(sets[name])} questions)")
        console.print_benchmark(rows)
