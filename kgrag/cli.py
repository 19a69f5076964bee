"""The front door: every command of `kgrag`."""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from typer.core import TyperGroup

from kgrag import console
from kgrag.commands.adapters import adapters
from kgrag.commands.bench import bench
from kgrag.commands.copy import copy
from kgrag.commands.evaluation import evaluation
from kgrag.commands.merge import graph
from kgrag.commands.models import model_status, models, plan, status_lines
from kgrag.commands.options import (
    STORE,
    Adapter,
    Attention,
    Extract,
    Json,
    Model,
    Precision,
    ReaderName,
    Store,
    Walk,
    ingest_into,
    open_app,
    print_json,
    something,
    whole,
)
from kgrag.commands.tune import tune
from kgrag.errors import KgragError


class Stopped(KgragError):
    """Ctrl-C; the message says what it left behind."""

    exit_code = 130


class Commands(TyperGroup):
    """Commands that Ctrl-C ends with a sentence; left to itself, typer exits without a word."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as interrupt:
            raise Stopped(f"Stopped. {interrupt}".strip()) from interrupt


app = typer.Typer(
    suggest_commands=False,  # click does
    name="kgrag",
    cls=Commands,
    help="Ask your own documents. Every answer points at its sentence and at the path that led there.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)
app.command()(copy)
app.command()(plan)
app.add_typer(adapters, name="adapters")
app.add_typer(bench, name="bench")
app.add_typer(evaluation, name="eval")
app.add_typer(graph, name="graph")
app.add_typer(models, name="models")
app.add_typer(tune, name="tune")


@app.command()
def ingest(
    paths: Annotated[list[str], typer.Argument(help="Files, folders or globs; - reads standard input.")],
    store: Store = STORE,
    extract: Annotated[
        Extract | None,
        typer.Option(
            help="Who looks for facts; rules unless kgrag.toml says. The language model takes seconds a sentence."
        ),
    ] = None,
    model: Model = None,
    json_: Json = False,
) -> None:
    """Read files into a store: txt, md, html, pdf, docx, csv, json, jsonl. Run it again to take in changes."""
    opened = open_app(store, create=True, model=model)
    report = ingest_into(opened, paths, extract.value if extract else None)
    counts = opened.graph.counts()
    if json_:
        problems = [{"source": p.source_id, "line": p.line, "message": p.message} for p in report.problems]
        keys = ("added", "replaced", "unchanged", "removed", "passages", "notes", "vanished", "skipped")
        value = {**{k: getattr(report, k) for k in keys}, "problems": problems, "store": counts}
        print_json(value | ({"llm": asdict(report.tally)} if report.tally else {}))
    else:
        console.ingest_report(report, counts, store)
    something(report)


@app.command()
def ask(
    question: Annotated[str, typer.Argument(help="What you want to know, in English or Chinese.", callback=whole)],
    store: Store = STORE,
    k: Annotated[
        int | None, typer.Option("-k", help="Passages to retrieve; 8 unless the store's kgrag.toml says.")
    ] = None,
    closed_book: Annotated[bool, typer.Option("--closed-book", help="From the model's memory, no documents.")] = False,
    reader: Annotated[
        ReaderName, typer.Option(help="Who answers: typed facts, the model, or what suits.")
    ] = ReaderName.auto,
    model: Model = None,
    walk: Walk = None,
    precision: Precision = None,
    attention: Attention = None,
    adapter: Adapter = None,
    json_: Json = False,
) -> None:
    """Answer a question from the store, with the sentences and the path it rests on."""
    from kgrag.render import answer_json, answer_lines
    from kgrag.retrieve.hybrid import check

    check(question, 1 if k is None else k)
    opened = open_app(store, model=model, precision=precision, attention=attention, walk=walk, adapter=adapter)
    stream = None if json_ or not console.interactive() else console.stream
    if not json_:
        console.thinking()
    try:
        if closed_book:
            answer = opened.answerer.from_memory(question, stream)
        else:
            answer = opened.answerer.ask(
                question, k or opened.config.k, reader=reader.value, on_text=stream, on_step=stream
            )
    finally:
        console.end_progress()
        console.end_stream()
    if json_:
        print_json(answer_json(answer))
        return
    console.lines(answer_lines(answer))


@app.command()
def retrieve(
    question: Annotated[str, typer.Argument(help="What to look for.", callback=whole)],
    store: Store = STORE,
    k: Annotated[int, typer.Option("-k", help="Passages to show.")] = 5,
    walk: Walk = None,
    json_: Json = False,
) -> None:
    """Show the passages that a question finds, and what brought each of them."""
    from kgrag.render import hit_json, hit_lines
    from kgrag.retrieve.hybrid import check

    check(question, k)
    hits = open_app(store, walk=walk).retriever.retrieve(question, k)
    if json_:
        print_json([hit_json(hit) for hit in hits])
        return
    for hit in hits:
        console.lines(hit_lines(hit))
    if not hits:
        console.notice("Nothing in the store shares a word or a name with that.")


@app.command()
def chat(
    store: Store = STORE,
    model: Model = None,
    precision: Precision = None,
    attention: Attention = None,
    adapter: Adapter = None,
    walk: Walk = None,
    resume: Annotated[str, typer.Option(help="Go on with a conversation that was kept: its name, or last.")] = "",
) -> None:
    """Ask in a conversation. /help lists what else it understands."""
    from kgrag.chat import Chat
    from kgrag.sessions import resume as resumed

    opened = open_app(store, model=model, precision=precision, attention=attention, walk=walk, adapter=adapter)
    Chat(opened, resumed(opened.store, resume) if resume else None).run()


@app.command()
def forget(
    document: Annotated[str, typer.Argument(help="A document's id, or a file: then all its documents.")],
    store: Store = STORE,
    json_: Json = False,
) -> None:
    """Forget a document everywhere: its passages, vectors, names and facts."""
    gone = open_app(store).forget(document)
    if json_:
        print_json({"forgotten": gone})
    else:
        console.say(
            f"Forgot {len(gone)} document{'s' * (len(gone) > 1)}: {escape(', '.join(gone[:5]))}{' …' * (len(gone) > 5)}"
        )


@app.command()
def status(
    store: Store = STORE,
    documents: Annotated[bool, typer.Option("--documents", help="List every document.")] = False,
    models: Annotated[
        bool, typer.Option("--models", help="Which language model would answer, how it would run, and why.")
    ] = False,
    model: Model = None,
    precision: Precision = None,
    attention: Attention = None,
    adapter: Adapter = None,
    json_: Json = False,
) -> None:
    """What the store holds, what could not be read, and how large it is; or what would answer, and why."""
    opened = open_app(store, model=model, precision=precision, attention=attention, adapter=adapter)
    if models:
        chosen = model_status(opened.model, opened.config)
        print_json(chosen) if json_ else console.table(status_lines(chosen))
        return
    graph = opened.graph
    problems = [{"source": s, "line": n, "message": m} for s, n, m in graph.problems()]
    value = {
        "store": store,
        "generation": graph.generation,
        "embedder": graph.meta("embedder"),
        "bytes": _size(opened.store),
        **graph.counts(),
        "read_by": dict(Counter(graph.read_by().values())),
        "dropped": json.loads(graph.meta("dropped") or "{}"),
        "problems": problems,
    }
    if documents:
        value["ids"] = [{"id": d.id, "title": d.title, "source": d.source, "lang": d.lang} for d in graph.documents()]
    if json_:
        print_json(value)
    else:
        console.status_table(value)


def _size(folder: Path) -> int:
    size = 0
    for file in folder.rglob("*"):
        with suppress(OSError):  # another process may be writing, and files come and go
            size += file.stat().st_size if file.is_file() else 0
    return size


def _version(wanted: bool) -> None:
    if wanted:
        from kgrag import __version__

        typer.echo(f"kgrag {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Ask your own documents. Every answer points at its sentence and at the path that led there."""


def main() -> None:
    """Run the command line; the user's mistakes are a sentence and an exit code, bugs keep their traceback."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, ValueError):  # a file's name, or a narrow terminal, must not stop a result
            stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    code = run(app)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:  # its reader has gone, or the disk is full: said already, and not to be tried again
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    # a model's threads may still be winding down, and have nothing to save
    os._exit(code) if "openvino_genai" in sys.modules else sys.exit(code)


def run(command: Callable[[], Any]) -> int:
    """The exit code of a command: 0 done, 1 failed, 2 misused, 130 stopped."""
    try:
        command()
        sys.stdout.flush()
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except KgragError as error:
        return _failed(str(error), error.exit_code)
    except KeyboardInterrupt:
        return _failed("Stopped.", Stopped.exit_code)
    except BrokenPipeError:
        return 1
    except ModuleNotFoundError as error:
        library = (error.name or "").split(".")[0]
        if library in ("", "kgrag", "ingest", "graphs", "indices"):
            raise
        return _failed(f"The library {library} is not installed: install kgrag again with all that it needs.", 1)
    except (OSError, MemoryError) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        place = f" ({error.filename})" if isinstance(error, OSError) and error.filename else ""
        return _failed(
            f"The system refused{place}: {reason}. Free what is short, or mend the path, and run it again.", 1
        )
    return 0


def _failed(message: str, code: int) -> int:
    console.end_progress()
    console.end_stream()
    console.error(message)
    return code


__all__ = ["app", "main", "run"]
