"""What the terminal shows: messages and bars on standard error, results on standard output."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from kgrag.render import figure

if TYPE_CHECKING:
    from ingest.llm_reader import Tally
    from ingest.pipeline import Report
    from kgrag.models.registry import Model

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)
SHOWN = 20
"""Problems of one kind that are listed before the rest is only counted."""
_bar: Progress | None = None
_draft: tuple[Live, Text] | None = None
_said = ""


def interactive() -> bool:
    """Whether a person is looking at standard output."""
    return sys.stdout.isatty()


def say(line: str) -> None:
    """A result, with rich markup."""
    _put(out, line)


def lines(all_lines: Sequence[str]) -> None:
    """Results, one a line, and an empty line after them."""
    for line in all_lines:
        _put(out, line)
    out.print()


def _put(console: Console, line: str) -> None:
    """Print a line of markup; a terminal gets it wrapped between words, indented below its bullet."""
    text = Text.from_markup(line)
    bullet = re.match(r"\s*(?:[•↳!] )?", text.plain)
    indent = bullet.end() if bullet else 0
    if not console.is_terminal or console.width - indent < 20:
        console.print(text)
        return
    for number, wrapped in enumerate(text[indent:].wrap(console, console.width - indent) or [Text()]):
        wrapped.rstrip()
        console.print((text[:indent] if number == 0 else Text(" " * indent)) + wrapped)


def table(rows: Sequence[Sequence[str]], right: Sequence[int] = (), heading: bool = False) -> None:
    """Rows of markup in columns as wide as they must be, so that no name is cut; those of ``right`` flush right."""
    cells = [[Text.from_markup(cell) for cell in row] for row in rows]
    widths = [max(cell.cell_len for cell in column) for column in zip(*cells, strict=True)]
    for number, row in enumerate(cells):
        line = Text()
        for column, (cell, width) in enumerate(zip(row, widths, strict=True)):
            space = " " * (width - cell.cell_len)
            if heading and number == 0:
                cell.stylize("dim")
            line += Text(space) + cell if column in right else cell + Text(space)
            line += Text("  ")
        line.rstrip()
        out.print(line)


def notice(message: str) -> None:
    """Something worth knowing while it works."""
    _put(err, f"[dim]{escape(message)}[/dim]")


def error(message: str) -> None:
    """What went wrong, in a sentence."""
    _put(err, f"[bold red]error:[/bold red] {escape(message)}")


def stream(piece: str) -> None:
    """A piece of an answer, as it comes: a draft, which is taken away when the checked answer is printed."""
    global _draft
    end_progress()
    if _draft is None:
        text = Text(style="dim")
        _draft = Live(text, console=out, transient=True, refresh_per_second=12), text
        _draft[0].start()
    _draft[1].append(piece)


def end_stream() -> None:
    """Take the draft away: what is printed next stands in its place."""
    global _draft
    if _draft is not None:
        _draft[0].stop()
        _draft = None


def thinking() -> None:
    """A spinner until the first word of an answer, where somebody looks."""
    if err.is_terminal and interactive():
        model_progress("thinking", 0.0)


def model_progress(message: str, fraction: float) -> None:
    """How far the fetching and loading of a model is; one line a step where nobody is looking."""
    global _bar, _said
    chosen = re.match(r"chose ([^\s:]+): ", message)
    if not err.is_terminal:
        # what takes no time (choosing a model) is not worth a line there
        if message != _said and not chosen:
            notice(message)
            _said = message
        return
    shown = f"[dim]{escape(f'loading {chosen.group(1)}' if chosen else message)}[/dim]"
    share = f"{fraction:.0%}" if fraction else ""
    if _bar is None:
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}"),
            TextColumn("{task.fields[share]}"),
            TimeElapsedColumn(),
        )
        _bar = Progress(*columns, console=err, transient=True)
        _bar.add_task(shown, share=share)
        _bar.start()
    _bar.update(_bar.task_ids[0], description=shown, share=share)
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


def ingest_report(report: Report, counts: dict[str, int], store: str) -> None:
    """What an ingest did, what it could not read, and what is gone."""
    done = [f"{getattr(report, k):,} {k}" for k in ("added", "replaced", "unchanged", "removed") if getattr(report, k)]
    if done:
        say(f"Documents: {', '.join(done)}. [bold]{escape(str(store))}[/bold] now holds {counted(counts)}.")
    if report.tally is not None and report.tally.passages:
        say(model_line(report.tally))
    read_report(report)


def model_line(tally: Tally) -> str:
    """What a language model did, what it cost, and what was not believed."""
    dropped = ", ".join(f"{number:,} {reason}" for reason, number in tally.dropped.most_common() if number)
    return (
        f"The language model read {tally.passages:,} passages in {tally.seconds:,.0f} s ({tally.tokens_in:,} tokens in, "
        f"{tally.tokens_out:,} out): {tally.facts:,} facts kept, {tally.dropped.total():,} dropped{f' ({dropped})' if dropped else ''}."
    )


def read_report(report: Report) -> None:
    """What an ingest could not read, what it left out, and what is gone; on standard error."""
    for problem in report.problems[:SHOWN]:
        _put(err, f"[yellow]not read:[/yellow] {escape(str(problem))}")
    _rest(len(report.problems), "`kgrag status` lists them all")
    for note in report.notes[:SHOWN]:
        notice(note)
    _rest(len(report.notes), "of the same kind")
    for reason, number in sorted((+report.skipped).items()):
        notice(f"skipped {number:,}: {reason}")
    for source in report.vanished[:SHOWN]:
        _put(err, f"[yellow]gone from disk, still in the store:[/yellow] {escape(source)} (`kgrag forget` removes it)")
    _rest(len(report.vanished), "`kgrag status --documents` lists what the store holds")


def _rest(number: int, where: str) -> None:
    if number > SHOWN:
        notice(f"… and {number - SHOWN:,} more; {where}.")


def counted(counts: dict[str, int]) -> str:
    """``62 documents, 1 passage, …``."""
    single = {"documents": "document", "passages": "passage", "entities": "entity", "typed triples": "typed triple"}
    return ", ".join(f"{counts[k]:,} {single[k] if counts[k] == 1 else k}" for k in single)


def status_table(value: dict[str, Any]) -> None:
    """A store at a glance."""
    rows = []
    for name in ("store", "documents", "passages", "entities", "mentions", "typed triples", "embedder", "generation"):
        shown = value[name]
        rows.append((name, f"[bold]{shown:,}[/bold]" if isinstance(shown, int) else escape(str(shown or "none yet"))))
    rows.append(("size", f"{value['bytes'] / 1e6:,.1f} MB"))
    if set(value["read_by"]) - {"rules"}:
        rows.append(("facts looked for by", ", ".join(f"{how} {n:,}" for how, n in sorted(value["read_by"].items()))))
    if value["dropped"]:
        dropped = ", ".join(f"{reason} {n:,}" for reason, n in sorted(value["dropped"].items()))
        rows.append(("dropped of the model's facts", escape(dropped)))
    if value["problems"]:
        rows.append(("not read", f"[yellow]{len(value['problems']):,}[/yellow]"))
    table(rows)
    for problem in value["problems"]:
        line = f":{problem['line']}" if problem["line"] else ""
        say(f"  [yellow]![/yellow] {escape(problem['source'])}{line}: {escape(problem['message'])}")
    if value.get("ids"):
        out.print()
        table([(escape(d["id"]), f"[dim]{d['lang']}[/dim]", f"[dim]{escape(d['title'])}[/dim]") for d in value["ids"]])


def models_table(known: Sequence[tuple[Model, bool]]) -> None:
    """The models of the registry."""
    rows = [("name", "for", "languages", "size", "licence", "")]
    for model, here in known:
        size = f"{model.size_bytes / 1e6:,.0f} MB"
        state = "[green]ready[/green]" if here else "[dim]–[/dim]"
        use = "answers" if model.kind == "llm" else "vectors"
        rows.append((f"[bold]{model.name}[/bold]", use, ", ".join(sorted(model.languages)), size, model.licence, state))
    table(rows, right=(3,), heading=True)
    if not all(here for _, here in known):
        notice("`kgrag models pull NAME` fetches one.")


def bench_table(report: dict[str, Any]) -> None:
    """A benchmark's figures with their intervals."""
    rows = [("measure", "value", "95 % interval")]
    for name, measure in report.items():
        if isinstance(measure, dict) and "value" in measure:
            whole, low_high = figure(measure, percent=not ("ms" in name or name == "seconds")).split(" ", 1)
            rows.append((name, f"[bold]{whole}[/bold]", low_high))
        elif not isinstance(measure, dict):
            rows.append((name, escape(str(measure)), ""))
    for kind, figures in report.get("by type", {}).items():
        whole, low_high = figure(figures["recall@5"]).split(" ", 1)
        rows.append((f"recall@5, {escape(kind)} ({figures['questions']})", f"[bold]{whole}[/bold]", low_high))
    table(rows, right=(1, 2), heading=True)
