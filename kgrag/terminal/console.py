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

from kgrag.terminal.render import format_interval

if TYPE_CHECKING:
    from ingest.pipeline import IngestReport
    from ingest.relations.llm_extractor import LLMExtractionStats
    from kgrag.models.registry import ModelEntry

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)
MAX_LISTED_PROBLEMS = 20
"""Problems of one kind that are listed before the rest is only counted."""
_bar: Progress | None = None
_draft: tuple[Live, Text] | None = None
_last_message = ""


def is_interactive() -> bool:
    """Whether a person is looking at standard output."""
    return sys.stdout.isatty()


def print_result(line: str) -> None:
    """A result, with rich markup."""
    _print_markup(out, line)


def print_lines(all_lines: Sequence[str]) -> None:
    """Results, one a line, and an empty line after them."""
    for line in all_lines:
        _print_markup(out, line)
    out.print()


def _print_markup(console: Console, line: str) -> None:
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


def print_table(rows: Sequence[Sequence[str]], right: Sequence[int] = (), heading: bool = False) -> None:
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


def print_notice(message: str) -> None:
    """Something worth knowing while it works."""
    _print_markup(err, f"[dim]{escape(message)}[/dim]")


def print_error(message: str) -> None:
    """What went wrong, in a sentence."""
    _print_markup(err, f"[bold red]error:[/bold red] {escape(message)}")


def stream_draft(piece: str) -> None:
    """A piece of an answer, as it comes: a draft, which is taken away when the checked answer is printed."""
    global _draft
    end_progress()
    if _draft is None:
        text = Text(style="dim")
        _draft = Live(text, console=out, transient=True, refresh_per_second=12), text
        _draft[0].start()
    _draft[1].append(piece)


def clear_draft() -> None:
    """Take the draft away: what is printed next stands in its place."""
    global _draft
    if _draft is not None:
        _draft[0].stop()
        _draft = None


def show_spinner() -> None:
    """A spinner until the first word of an answer, where somebody looks."""
    if err.is_terminal and is_interactive():
        show_model_progress("thinking", 0.0)


def show_model_progress(message: str, fraction: float) -> None:
    """How far the fetching and loading of a model is; one line a step where nobody is looking."""
    global _bar, _last_message
    chosen_model = re.match(r"chose ([^\s:]+): ", message)
    if not err.is_terminal:
        # what takes no time (choosing a model) is not worth a line there
        if message != _last_message and not chosen_model:
            print_notice(message)
            _last_message = message
        return
    description = f"[dim]{escape(f'loading {chosen_model.group(1)}' if chosen_model else message)}[/dim]"
    share = f"{fraction:.0%}" if fraction else ""
    if _bar is None:
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}"),
            TextColumn("{task.fields[share]}"),
            TimeElapsedColumn(),
        )
        _bar = Progress(*columns, console=err, transient=True)
        _bar.add_task(description, share=share)
        _bar.start()
    _bar.update(_bar.task_ids[0], description=description, share=share)
    if fraction >= 1:
        end_progress()


def end_progress() -> None:
    """Take the model's bar away."""
    global _bar
    if _bar is not None:
        _bar.stop()
        _bar = None


@contextmanager
def show_ingest_progress() -> Iterator[Callable[[int, int, int], None]]:
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

    def update(done: int, total: int, passages: int) -> None:
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
            print_notice(f"{done:,} of {total:,} documents, {rate:.0f} passages/s, {left:.0f} s left")

    try:
        yield update
    finally:
        if bar.live.is_started:
            bar.stop()


@contextmanager
def show_counter(what: str, total: int) -> Iterator[Callable[[], None]]:
    """A bar that counts, where somebody looks."""
    if not err.is_terminal:
        yield lambda: None
        return
    with Progress(
        TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=err, transient=True
    ) as bar:
        task = bar.add_task(what, total=total)
        yield lambda: bar.advance(task)


def print_ingest_report(report: IngestReport, counts: dict[str, int], store: str) -> None:
    """What an ingest did, what it could not read, and what is gone."""
    change_counts = [
        f"{getattr(report, k):,} {k}" for k in ("added", "replaced", "unchanged", "removed") if getattr(report, k)
    ]
    if change_counts:
        print_result(
            f"Documents: {', '.join(change_counts)}. [bold]{escape(str(store))}[/bold] now holds {format_counts(counts)}."
        )
    if report.llm_stats is not None and report.llm_stats.passages:
        print_result(format_model_tally(report.llm_stats))
    print_unread(report)


def format_model_tally(tally: LLMExtractionStats) -> str:
    """What a language model did, what it cost, and what was not believed."""
    dropped = ", ".join(f"{number:,} {reason}" for reason, number in tally.dropped.most_common() if number)
    return (
        f"The language model read {tally.passages:,} passages in {tally.seconds:,.0f} s ({tally.tokens_in:,} tokens in, "
        f"{tally.tokens_out:,} out): {tally.facts:,} facts kept, {tally.dropped.total():,} dropped{f' ({dropped})' if dropped else ''}."
    )


def print_unread(report: IngestReport) -> None:
    """What an ingest could not read, what it left out, and what is gone; on standard error."""
    for problem in report.problems[:MAX_LISTED_PROBLEMS]:
        _print_markup(err, f"[yellow]not read:[/yellow] {escape(str(problem))}")
    _print_remainder(len(report.problems), "`kgrag status` lists them all")
    for note in report.notes[:MAX_LISTED_PROBLEMS]:
        print_notice(note)
    _print_remainder(len(report.notes), "of the same kind")
    for reason, number in sorted((+report.skipped).items()):
        print_notice(f"skipped {number:,}: {reason}")
    for source in report.vanished[:MAX_LISTED_PROBLEMS]:
        _print_markup(
            err, f"[yellow]gone from disk, still in the store:[/yellow] {escape(source)} (`kgrag forget` removes it)"
        )
    _print_remainder(len(report.vanished), "`kgrag status --documents` lists what the store holds")


def _print_remainder(number: int, where: str) -> None:
    if number > MAX_LISTED_PROBLEMS:
        print_notice(f"… and {number - MAX_LISTED_PROBLEMS:,} more; {where}.")


def format_counts(counts: dict[str, int]) -> str:
    """``62 documents, 1 passage, …``."""
    singular = {"documents": "document", "passages": "passage", "entities": "entity", "typed triples": "typed triple"}
    return ", ".join(f"{counts[k]:,} {singular[k] if counts[k] == 1 else k}" for k in singular)


def print_status(value: dict[str, Any]) -> None:
    """A store at a glance."""
    rows = []
    for name in ("store", "documents", "passages", "entities", "mentions", "typed triples", "embedder", "generation"):
        field_value = value[name]
        rows.append(
            (
                name,
                f"[bold]{field_value:,}[/bold]"
                if isinstance(field_value, int)
                else escape(str(field_value or "none yet")),
            )
        )
    rows.append(("size", f"{value['bytes'] / 1e6:,.1f} MB"))
    if set(value["read_by"]) - {"rules"}:
        rows.append(("facts looked for by", ", ".join(f"{how} {n:,}" for how, n in sorted(value["read_by"].items()))))
    if value["dropped"]:
        dropped = ", ".join(f"{reason} {n:,}" for reason, n in sorted(value["dropped"].items()))
        rows.append(("dropped of the model's facts", escape(dropped)))
    if value["problems"]:
        rows.append(("not read", f"[yellow]{len(value['problems']):,}[/yellow]"))
    print_table(rows)
    for problem in value["problems"]:
        line = f":{problem['line']}" if problem["line"] else ""
        print_result(f"  [yellow]![/yellow] {escape(problem['source'])}{line}: {escape(problem['message'])}")
    if value.get("ids"):
        out.print()
        print_table(
            [(escape(d["id"]), f"[dim]{d['lang']}[/dim]", f"[dim]{escape(d['title'])}[/dim]") for d in value["ids"]]
        )


def print_models(models: Sequence[tuple[ModelEntry, bool]]) -> None:
    """The models of the registry."""
    rows = [("name", "for", "languages", "size", "licence", "")]
    for model, is_installed in models:
        size = f"{model.size_bytes / 1e6:,.0f} MB"
        state = "[green]ready[/green]" if is_installed else "[dim]–[/dim]"
        use = "answers" if model.kind == "llm" else "vectors"
        rows.append((f"[bold]{model.name}[/bold]", use, ", ".join(sorted(model.languages)), size, model.licence, state))
    print_table(rows, right=(3,), heading=True)
    if not all(here for _, here in models):
        print_notice("`kgrag models pull NAME` fetches one.")


def print_benchmark(report: dict[str, Any]) -> None:
    """A benchmark's figures with their intervals."""
    rows = [("measure", "value", "95 % interval")]
    for name, measure in report.items():
        if isinstance(measure, dict) and "value" in measure:
            value_text, interval_text = format_interval(measure, percent=not ("ms" in name or name == "seconds")).split(
                " ", 1
            )
            rows.append((name, f"[bold]{value_text}[/bold]", interval_text))
        elif not isinstance(measure, dict):
            rows.append((name, escape(str(measure)), ""))
    for kind, figures in report.get("by type", {}).items():
        value_text, interval_text = format_interval(figures["recall@5"]).split(" ", 1)
        rows.append((f"recall@5, {escape(kind)} ({figures['questions']})", f"[bold]{value_text}[/bold]", interval_text))
    print_table(rows, right=(1, 2), heading=True)
