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

from kgrag.cli.adapters import adapters
from kgrag.cli.bench import bench
from kgrag.cli.copy import copy
from kgrag.cli.entities import graph
from kgrag.cli.eval import evaluation
from kgrag.cli.models import model_status, model_status_rows, models, plan
from kgrag.cli.options import (
    DEFAULT_STORE,
    AdapterOption,
    AttentionOption,
    ExtractorChoice,
    JsonOption,
    ModelOption,
    PrecisionOption,
    ReaderChoice,
    StoreOption,
    WalkOption,
    ingest_into,
    open_store,
    print_json,
    replace_surrogates,
    require_ingested,
)
from kgrag.cli.tune import tune
from kgrag.errors import KgragError
from kgrag.terminal import console


class CommandInterruptedError(KgragError):
    """Ctrl-C; the message says what it left behind."""

    exit_code = 130


class InterruptibleGroup(TyperGroup):
    """Commands that Ctrl-C ends with a sentence; left to itself, typer exits without a word."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as interrupt:
            raise CommandInterruptedError(f"Stopped. {interrupt}".strip()) from interrupt


app = typer.Typer(
    suggest_commands=False,  # click does
    name="kgrag",
    cls=InterruptibleGroup,
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
    store: StoreOption = DEFAULT_STORE,
    extract: Annotated[
        ExtractorChoice | None,
        typer.Option(
            help="Who looks for facts; rules unless kgrag.toml says. The language model takes seconds a sentence."
        ),
    ] = None,
    model: ModelOption = None,
    json_: JsonOption = False,
) -> None:
    """Read files into a store: txt, md, html, pdf, docx, csv, json, jsonl. Run it again to take in changes."""
    opened_store = open_store(store, create=True, model=model)
    report = ingest_into(opened_store, paths, extract.value if extract else None)
    counts = opened_store.graph.counts()
    if json_:
        problems = [{"source": p.source_id, "line": p.line, "message": p.message} for p in report.problems]
        keys = ("added", "replaced", "unchanged", "removed", "passages", "notes", "vanished", "skipped")
        value = {**{k: getattr(report, k) for k in keys}, "problems": problems, "store": counts}
        print_json(value | ({"llm": asdict(report.llm_stats)} if report.llm_stats else {}))
    else:
        console.print_ingest_report(report, counts, store)
    require_ingested(report)


@app.command()
def ask(
    question: Annotated[
        str, typer.Argument(help="What you want to know, in English or Chinese.", callback=replace_surrogates)
    ],
    store: StoreOption = DEFAULT_STORE,
    k: Annotated[
        int | None, typer.Option("-k", help="Passages to retrieve; 8 unless the store's kgrag.toml says.")
    ] = None,
    closed_book: Annotated[bool, typer.Option("--closed-book", help="From the model's memory, no documents.")] = False,
    reader: Annotated[
        ReaderChoice, typer.Option(help="Who answers: typed facts, the model, or what suits.")
    ] = ReaderChoice.auto,
    model: ModelOption = None,
    walk: WalkOption = None,
    precision: PrecisionOption = None,
    attention: AttentionOption = None,
    adapter: AdapterOption = None,
    json_: JsonOption = False,
) -> None:
    """Answer a question from the store, with the sentences and the path it rests on."""
    from kgrag.retrieve.hybrid import validate_question
    from kgrag.serialize import answer_json
    from kgrag.terminal.render import answer_lines

    validate_question(question, 1 if k is None else k)
    opened_store = open_store(store, model=model, precision=precision, attention=attention, walk=walk, adapter=adapter)
    stream = None if json_ or not console.is_interactive() else console.stream_draft
    if not json_:
        console.show_spinner()
    try:
        if closed_book:
            answer = opened_store.answer_pipeline.answer_closed_book(question, stream)
        else:
            answer = opened_store.answer_pipeline.answer(
                question, k or opened_store.config.k, reader=reader.value, on_text=stream, on_progress=stream
            )
    finally:
        console.end_progress()
        console.clear_draft()
    if json_:
        print_json(answer_json(answer))
        return
    console.print_lines(answer_lines(answer))


@app.command()
def retrieve(
    question: Annotated[str, typer.Argument(help="What to look for.", callback=replace_surrogates)],
    store: StoreOption = DEFAULT_STORE,
    k: Annotated[int, typer.Option("-k", help="Passages to show.")] = 5,
    walk: WalkOption = None,
    json_: JsonOption = False,
) -> None:
    """Show the passages that a question finds, and what brought each of them."""
    from kgrag.retrieve.hybrid import validate_question
    from kgrag.serialize import hit_json
    from kgrag.terminal.render import hit_lines

    validate_question(question, k)
    hits = open_store(store, walk=walk).retriever.retrieve(question, k)
    if json_:
        print_json([hit_json(hit) for hit in hits])
        return
    for hit in hits:
        console.print_lines(hit_lines(hit))
    if not hits:
        console.print_notice("Nothing in the store shares a word or a name with that.")


@app.command()
def chat(
    store: StoreOption = DEFAULT_STORE,
    model: ModelOption = None,
    precision: PrecisionOption = None,
    attention: AttentionOption = None,
    adapter: AdapterOption = None,
    walk: WalkOption = None,
    resume: Annotated[str, typer.Option(help="Go on with a conversation that was kept: its name, or last.")] = "",
) -> None:
    """Ask in a conversation. /help lists what else it understands."""
    from kgrag.chat.repl import Chat
    from kgrag.chat.sessions import load_session as resumed

    opened_store = open_store(store, model=model, precision=precision, attention=attention, walk=walk, adapter=adapter)
    Chat(opened_store, resumed(opened_store.folder, resume) if resume else None).run()


@app.command()
def forget(
    document: Annotated[str, typer.Argument(help="A document's id, or a file: then all its documents.")],
    store: StoreOption = DEFAULT_STORE,
    json_: JsonOption = False,
) -> None:
    """Forget a document everywhere: its passages, vectors, names and facts."""
    forgotten_ids = open_store(store).forget(document)
    if json_:
        print_json({"forgotten": forgotten_ids})
    else:
        console.print_result(
            f"Forgot {len(forgotten_ids)} document{'s' * (len(forgotten_ids) > 1)}: {escape(', '.join(forgotten_ids[:5]))}{' …' * (len(forgotten_ids) > 5)}"
        )


@app.command()
def status(
    store: StoreOption = DEFAULT_STORE,
    documents: Annotated[bool, typer.Option("--documents", help="List every document.")] = False,
    models: Annotated[
        bool, typer.Option("--models", help="Which language model would answer, how it would run, and why.")
    ] = False,
    model: ModelOption = None,
    precision: PrecisionOption = None,
    attention: AttentionOption = None,
    adapter: AdapterOption = None,
    json_: JsonOption = False,
) -> None:
    """What the store holds, what could not be read, and how large it is; or what would answer, and why."""
    opened_store = open_store(store, model=model, precision=precision, attention=attention, adapter=adapter)
    if models:
        model_info = model_status(opened_store.model, opened_store.config)
        print_json(model_info) if json_ else console.print_table(model_status_rows(model_info))
        return
    graph = opened_store.graph
    problems = [{"source": s, "line": n, "message": m} for s, n, m in graph.problems()]
    value = {
        "store": store,
        "generation": graph.generation,
        "embedder": graph.meta("embedder"),
        "bytes": _folder_bytes(opened_store.folder),
        **graph.counts(),
        "read_by": dict(Counter(graph.extractors().values())),
        "dropped": json.loads(graph.meta("dropped") or "{}"),
        "problems": problems,
    }
    if documents:
        value["ids"] = [{"id": d.id, "title": d.title, "source": d.source, "lang": d.lang} for d in graph.documents()]
    if json_:
        print_json(value)
    else:
        console.print_status(value)


def _folder_bytes(folder: Path) -> int:
    total_bytes = 0
    for file in folder.rglob("*"):
        with suppress(OSError):  # another process may be writing, and files come and go
            total_bytes += file.stat().st_size if file.is_file() else 0
    return total_bytes


def _version(is_requested: bool) -> None:
    if is_requested:
        from kgrag import __version__

        typer.echo(f"kgrag {__version__}")
        raise typer.Exit


@app.callback()
def root_options(
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
    code = run_command(app)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:  # its reader has gone, or the disk is full: said already, and not to be tried again
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    # a model's threads may still be winding down, and have nothing to save
    os._exit(code) if "openvino_genai" in sys.modules else sys.exit(code)


def run_command(command: Callable[[], Any]) -> int:
    """The exit code of a command: 0 done, 1 failed, 2 misused, 130 stopped."""
    try:
        command()
        sys.stdout.flush()
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except KgragError as error:
        return _report_failure(str(error), error.exit_code)
    except KeyboardInterrupt:
        return _report_failure("Stopped.", CommandInterruptedError.exit_code)
    except BrokenPipeError:
        return 1
    except ModuleNotFoundError as error:
        library = (error.name or "").split(".")[0]
        if library in ("", "kgrag", "ingest", "graphs", "indices"):
            raise
        return _report_failure(
            f"The library {library} is not installed: install kgrag again with all that it needs.", 1
        )
    except (OSError, MemoryError) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        location = f" ({error.filename})" if isinstance(error, OSError) and error.filename else ""
        return _report_failure(
            f"The system refused{location}: {reason}. Free what is short, or mend the path, and run it again.", 1
        )
    return 0


def _report_failure(message: str, code: int) -> int:
    console.end_progress()
    console.clear_draft()
    console.print_error(message)
    return code


__all__ = ["app", "main", "run_command"]
