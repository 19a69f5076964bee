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
    print_json,
    require_library,
)
from kgrag.terminal import console


def bench_ranker(
    data: DataOption,
    stores: StoresOption = DEFAULT_STORES_FOLDER,
    out: Annotated[
        Path | None, typer.Option(help="File for a ranker trained on all questions (default: none is written).")
    ] = None,
    json_: JsonOption = False,
) -> None:
    """Train the ranker of `retrieve`, and measure it on unseen questions and unseen datasets."""
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
