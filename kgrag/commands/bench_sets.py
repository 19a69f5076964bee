"""What the commands of `kgrag bench` share: sets in folders, their stores, and runs of other systems."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kgrag import console
from kgrag.app import App
from kgrag.commands.options import WalkName, ingest_into, open_app, something
from kgrag.errors import UsageError

if TYPE_CHECKING:
    from kgrag.evaluate.trec import Ranking
    from kgrag.types import Question

CORPUS, QUESTIONS = "corpus.jsonl.gz", "questions.dev.jsonl"
Data = Annotated[Path, typer.Option(help="A folder for each set, with corpus.jsonl.gz and questions.dev.jsonl.")]
Stores = Annotated[Path, typer.Option(help="Where the sets' stores are, or are made.")]
Sets = Annotated[str | None, typer.Option(help="Only these sets, by the names of their folders: 2wiki,hotpot.")]
STORES = Path("build/stores")


def set_folders(data: Path, sets: str | None = None, least: int = 1) -> list[Path]:
    """The folders of the sets in ``data``, by name.

    Raises:
        UsageError: there are fewer than ``least``, or one that was named is not there.
    """
    found = sorted(f for f in data.iterdir() if (f / QUESTIONS).is_file()) if data.is_dir() else []
    if sets is not None:
        wanted = [name.strip() for name in sets.split(",") if name.strip()]
        known = {folder.name: folder for folder in found}
        for name in wanted:
            if name not in known:
                raise UsageError(
                    f"Expected --sets to name folders of {data} with {CORPUS} and {QUESTIONS} "
                    f"({', '.join(known) or 'there are none'}), found {name!r}."
                )
        found = [known[name] for name in dict.fromkeys(wanted)]
    if len(found) < least:
        number = {1: "a folder", 2: "two or more folders"}[least]
        raise UsageError(
            f"Expected {number} with {CORPUS} and {QUESTIONS} in {data}, found {len(found)}: "
            "see docs/experiments.md for the sets."
        )
    return found


def with_corpus(store: str | Path, corpus: Path | None, model: str | None = None, walk: WalkName | None = None) -> App:
    """A store, after a corpus has been read into it where one is named; what is in it already costs little."""
    opened = open_app(store, create=corpus is not None, model=model, walk=walk)
    if corpus:
        report = ingest_into(opened, [str(corpus)])
        console.read_report(report)
        something(report)
    return opened


def named_run(text: str) -> tuple[str, Path]:
    """``NAME=FILE`` in its two parts.

    Raises:
        UsageError: it is none, or there is no such file.
    """
    name, equals, file = text.partition("=")
    if not (name.strip() and equals and file):
        raise UsageError(f"Expected --run NAME=FILE, found {text!r}: name the other system and its TREC run.")
    if not Path(file).is_file():
        raise UsageError(f"Expected a TREC run at {file}, found none: check the path in --run {text}.")
    return name.strip(), Path(file)


def rankings_of(name: str, path: Path, questions: Sequence[Question]) -> list[Ranking]:
    """Another system's ranking of each question, none where its run has none; what does not meet is said.

    Raises:
        ReadError: the file is no TREC run.
    """
    from kgrag.evaluate.trec import coverage, read_run

    run = read_run(path)
    meets = coverage(run, questions)
    if meets.unknown:
        console.notice(f"{name}: {meets.unknown:,} questions of {path} are not asked here and were passed over.")
    if meets.missing:
        console.notice(f"{name}: {meets.missing:,} questions are not in {path} and count as a recall of 0.")
    return [run.get(question.id, []) for question in questions]
