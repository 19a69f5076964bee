"""Shared by the commands of `kgrag bench`: datasets in folders, their stores, and runs of other systems."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kgrag.cli.options import WalkChoice, ingest_into, open_store, require_ingested
from kgrag.errors import UsageError
from kgrag.terminal import console

if TYPE_CHECKING:
    from kgrag.dev.benchmarks.trec_runs import Ranking
    from kgrag.store.store import Store
    from kgrag.types import Question

CORPUS_FILE, QUESTIONS_FILE = "corpus.jsonl.gz", "questions.dev.jsonl"
DataOption = Annotated[
    Path, typer.Option(help="Folder of the datasets: each a folder with corpus.jsonl.gz and questions.dev.jsonl.")
]
StoresOption = Annotated[Path, typer.Option(help="Folder of the datasets' stores, which are built if missing.")]
SetsOption = Annotated[
    str | None, typer.Option(help="Comma-separated names of the datasets to use, such as 2wiki,hotpot (default: all).")
]
DEFAULT_STORES_FOLDER = Path("build/stores")


def find_set_folders(data: Path, sets: str | None = None, min_folders: int = 1) -> list[Path]:
    """Return the folders of the datasets in ``data``, by name.

    Raises:
        UsageError: there are fewer than ``min_folders``, or a named one is missing.
    """
    folders = sorted(f for f in data.iterdir() if _is_dataset(f)) if data.is_dir() else []
    if sets is not None:
        wanted_names = [name.strip() for name in sets.split(",") if name.strip()]
        folders_by_name = {folder.name: folder for folder in folders}
        for name in wanted_names:
            if name not in folders_by_name:
                raise UsageError(
                    f"Expected --sets from the folders of {data} with {CORPUS_FILE} and {QUESTIONS_FILE} "
                    f"({', '.join(folders_by_name) or 'there are none'}), found {name!r}."
                )
        folders = [folders_by_name[name] for name in dict.fromkeys(wanted_names)]
    if len(folders) < min_folders:
        number = {1: "a folder", 2: "two or more folders"}[min_folders]
        raise UsageError(
            f"Expected {number} with {CORPUS_FILE} and {QUESTIONS_FILE} in {data}, found {len(folders)}: "
            "see docs/benchmarks/README.md for the datasets."
        )
    return folders


def _is_dataset(folder: Path) -> bool:
    return (folder / QUESTIONS_FILE).is_file() and (folder / CORPUS_FILE).is_file()


def open_store_with_corpus(
    store: str | Path, corpus: Path | None, model: str | None = None, walk: WalkChoice | None = None
) -> Store:
    """Open a store after ingesting the corpus, if one is given; documents already in the store are skipped."""
    opened_store = open_store(store, create=corpus is not None, model=model, walk=walk)
    if corpus:
        report = ingest_into(opened_store, [str(corpus)])
        console.print_unread(report)
        require_ingested(report)
    return opened_store


def parse_run(text: str) -> tuple[str, Path]:
    """Split ``NAME=FILE`` into its two parts.

    Raises:
        UsageError: the form is wrong, or the file is missing.
    """
    name, equals, file = text.partition("=")
    if not (name.strip() and equals and file):
        raise UsageError(f"Expected --run NAME=FILE, found {text!r}: pass the other system's name and its TREC run.")
    if not Path(file).is_file():
        raise UsageError(f"Expected a TREC run at {file}, found none: check the path in --run {text}.")
    return name.strip(), Path(file)


def load_rankings(name: str, path: Path, questions: Sequence[Question]) -> list[Ranking]:
    """Load another system's ranking of each question, [] where its run has none; print a notice of mismatches.

    Raises:
        ReadError: the file is not a TREC run.
    """
    from kgrag.dev.benchmarks.trec_runs import coverage, read_run

    run = read_run(path)
    run_coverage = coverage(run, questions)
    if run_coverage.unknown:
        console.print_notice(
            f"{name}: ignored {run_coverage.unknown:,} questions of {path} that are not in this benchmark."
        )
    if run_coverage.missing:
        console.print_notice(
            f"{name}: {run_coverage.missing:,} questions are not in {path} and count as a recall of 0."
        )
    return [run.get(question.id, []) for question in questions]
