"""What the terminal shows: messages and bars on standard error, results on standard output."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from kgrag.render import figure

if TYPE_CHECKING:
    from ingest.pipeline import Report
    from kgrag.models.registry import Model

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)
_bar: Progress | None = None
_streamed = False
_said = ""


def interactive() -> bool:
    """Whether a person is looking at standard output."""
    return sys.stdout.isatty()


def say(line: str) -> None:
    """A result, with rich markup."""
    out.print(line)


def lines(all_lines: Sequence[str]) -> None:
    """Results, one a line, and an empty line after them."""
    for line in all_lines:
        out.print(line)
    out.print()


def notice(message: str) -> None:
    """Something worth knowing while it works."""
    err.print(f"[dim]{escape(message)}[/dim]")


def error(message: str) -> None:
    """What went wrong, in a sentence."""
    err.print(f"[bold red]error:[/bold red] {escape(message)}")


def stream(piece: str) -> None:
    """A piece of an answer, as it comes."""
    global _streamed
    end_progress()
    sys.stdout.write(piece)
    sys.stdout.flush()
    _streamed = True


def end_stream() -> None:
    """The answer has been streamed: what is printed next begins below it."""
    global _streamed
    if _streamed:
        sys.stdout.write("\n\n")
    _streamed = False


def model_progress(message: str, fraction: float) -> None:
    """A bar for fetching and converting a model; one line a step where nobody is looking."""
    global _bar, _said
    if not err.is_terminal:
        if message != _said:
            notice(message)
            _said = message
        return
    if _bar is None:
        _bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeElapsedColumn(),
            console=err,
            transient=True,
        )
        _bar.add_task(message, total=1.0)
        _bar.start()
    _bar.update(_bar.task_ids[0], description=escape(message), completed=fraction)
    if fraction >= 1:
        end_progress()


def end_progress() -> None:
    """Take the model's bar away."""
    global _bar
    if _bar is not None:
        _bar.stop()
        _bar = None


@contextmanager
def ingest_progress() -> Iterator[Callable[[int, int, int], None]]:
    """A bar with the rate in passages a second and the time left; a line every ten seconds where nobody looks."""
    start = time.monotonic()
    bar = Progress(
        TextColumn("Ingesting"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("documents, {task.fields[rate]} passages/s,"),
        TimeRemainingColumn(),
        TextColumn("left"),
        console=err,
        transient=True,
    )
    task = bar.add_task("", total=None, rate="…", start=True)
    last = start

    def progress(done: int, total: int, passages: int) -> None:
        nonlocal last
        end_progress()
        if err.is_terminal and not bar.live.is_started:
            bar.start()
        now = time.monotonic()
        rate = passages / max(now - start, 0.001)
        bar.update(task, completed=done, total=total, rate=f"{rate:.0f}")
        if not err.is_terminal and passages and now - last > 10:
            last = now
            left = (total - done) * (now - start) / max(done, 1)
            notice(f"{done:,} of {total:,} documents, {rate:.0f} passages/s, {left:.0f} s left")

    try:
        yield progress
    finally:
        if bar.live.is_started:
            bar.stop()


@contextmanager
def counter(what: str, total: int) -> Iterator[Callable[[], None]]:
    """A bar that counts, where somebody looks."""
    if not err.is_terminal:
        yield lambda: None
        return
    with Progress(
        TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=err, transient=True
    ) as bar:
        task = bar.add_task(what, total=total)
        yield lambda: bar.advance(task)


def ingest_report(report: Report, counts: dict[str, int], store: Path) -> None:
    """What an ingest did, what it could not read, and what is gone."""
    done = [f"{getattr(report, k):,} {k}" for k in ("added", "replaced", "unchanged", "removed") if getattr(report, k)]
    out.print(
        f"Documents: {', '.join(done) or 'none'}. [bold]{escape(str(store))}[/bold] now holds " + counted(counts) + "."
    )
    for problem in report.problems[:20]:
        err.print(f"[yellow]not read:[/yellow] {escape(str(problem))}")
    if len(report.problems) > 20:
        notice(f"… and {len(report.problems) - 20:,} more; `kgrag status` lists them all.")
    for note in report.notes[:20]:
        notice(note)
    for reason, number in sorted((+report.skipped).items()):
        notice(f"skipped {number:,}: {reason}")
    for source in report.vanished[:20]:
        err.print(f"[yellow]gone from disk, still in the store:[/yellow] {escape(source)} (`kgrag forget` removes it)")


def counted(counts: dict[str, int]) -> str:
    """``62 documents, 62 passages, …``."""
    return ", ".join(f"{counts[k]:,} {k}" for k in ("documents", "passages", "entities", "typed triples"))


def status_table(value: dict[str, Any]) -> None:
    """A store at a glance."""
    table = Table(show_header=False, box=None, pad_edge=False)
    for name in ("store", "documents", "passages", "entities", "mentions", "typed triples", "embedder", "generation"):
        shown = value[name]
        table.add_row(name, f"{shown:,}" if isinstance(shown, int) else escape(str(shown)))
    table.add_row("size", f"{value['bytes'] / 1e6:,.1f} MB")
    table.add_row("not read", f"{len(value['problems']):,}")
    out.print(table)
    for problem in value["problems"]:
        line = f":{problem['line']}" if problem["line"] else ""
        out.print(f"  [yellow]{escape(problem['source'])}{line}[/yellow] {escape(problem['message'])}")
    for document in value.get("ids", ()):
        out.print(f"  {escape(document['id'])}  [dim]{document['lang']}  {escape(document['title'])}[/dim]")


def models_table(known: Sequence[tuple[Model, bool]]) -> None:
    """The models of the registry."""
    table = Table(box=None, pad_edge=False)
    for heading in ("name", "for", "languages", "size", "licence", ""):
        table.add_column(heading, no_wrap=True)
    for model, here in known:
        size = f"{model.size_bytes / 1e6:,.0f} MB"
        state = "[green]ready[/green]" if here else "[dim]not fetched[/dim]"
        use = "answers" if model.kind == "llm" else "vectors"
        table.add_row(model.name, use, ", ".join(sorted(model.languages)), size, model.licence, state)
    out.print(table)


def bench_table(report: dict[str, Any]) -> None:
    """A benchmark's figures with their intervals."""
    table = Table(box=None, pad_edge=False)
    for heading in ("measure", "value", "95 % interval"):
        table.add_column(heading, justify="left" if heading == "measure" else "right")
    for name, measure in report.items():
        if isinstance(measure, dict) and "value" in measure:
            whole, low_high = figure(measure, percent=not ("ms" in name or name == "seconds")).split(" ", 1)
            table.add_row(name, whole, low_high)
        elif not isinstance(measure, dict):
            table.add_row(name, str(measure), "")
    for kind, figures in report.get("by type", {}).items():
        whole, low_high = figure(figures["recall@5"]).split(" ", 1)
        table.add_row(f"recall@5, {kind} ({figures['questions']})", whole, low_high)
    out.print(table)
