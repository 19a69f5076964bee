"""Terminal output: messages and progress bars on standard error, results on standard output."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console
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
from rich.segment import Segment, Segments
from rich.style import Style
from rich.text import Text

from kgrag.metrics.formatting import UNDEFINED, format_interval
from kgrag.serialize import JsonObject

if TYPE_CHECKING:
    from ingest.pipeline import IngestReport
    from ingest.relations.llm_extractor import LLMExtractionStats
    from kgrag.models.registry import ModelEntry

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)
MAX_LISTED_PROBLEMS = 20
"""Problems of one kind to list; the rest is only counted."""
VERBATIM = "verbatim"
"""Markup style of a line, such as code, that is printed as it is: never wrapped, tabs kept."""
_VERBATIM_STYLE = Style(color="cyan")
_CONTROL_CHAR = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_bar: Progress | None = None
_last_message = ""


def is_interactive() -> bool:
    """Whether standard output is a terminal."""
    return sys.stdout.isatty()


def print_result(line: str) -> None:
    """Print a result with rich markup."""
    _print_markup(out, line)


def print_lines(all_lines: Sequence[str]) -> None:
    """Print results, one per line, with an empty line after them."""
    for line in all_lines:
        _print_markup(out, line)
    out.print()


def _print_markup(console: Console, line: str) -> None:
    """Print a line of markup; on a terminal, wrap it between words and indent it below its bullet or number."""
    text = Text.from_markup(replace_control_chars(line), emoji=False)  # ":b:" in "host:b:80" is no emoji
    if any(span.style == VERBATIM for span in text.spans):
        console.print(Segments([Segment(f"{text.plain}\n", _VERBATIM_STYLE)]), end="")
        return
    bullet = re.match(r"\s*(?:(?:[•↳!*-]|\d{1,3}[.)]) )?", text.plain)
    indent = bullet.end() if bullet else 0
    if not console.is_terminal or console.width - indent < 20:
        console.print(text)
        return
    for number, wrapped in enumerate(text[indent:].wrap(console, console.width - indent) or [Text()]):
        wrapped.rstrip()
        console.print((text[:indent] if number == 0 else Text(" " * indent)) + wrapped)


def replace_control_chars(text: str) -> str:
    """Return a text that cannot command the terminal: a file's name or a model's answer may have escape sequences."""
    return _CONTROL_CHAR.sub("\ufffd", text)


def print_table(rows: Sequence[Sequence[str]], right: Sequence[int] = (), heading: bool = False) -> None:
    """Print rows of markup in columns, never cutting a cell; the columns in ``right`` are right-aligned."""
    cells = [[Text.from_markup(replace_control_chars(cell), emoji=False) for cell in row] for row in rows]
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
    """Print a notice on standard error."""
    _print_markup(err, f"[dim]{escape(message)}[/dim]")


def print_error(message: str) -> None:
    """Print an error on standard error."""
    _print_markup(err, f"[bold red]error:[/bold red] {escape(message)}")


def show_spinner() -> None:
    """Show a spinner until the first word of an answer, on a terminal only."""
    if err.is_terminal and is_interactive():
        show_model_progress("thinking", 0.0)


def show_model_progress(message: str, fraction: float) -> None:
    """Show the progress of downloading and loading a model; one line per step without a terminal."""
    global _bar, _last_message
    chosen_model = re.match(r"chose ([^\s:]+): ", message)
    if not err.is_terminal:
        # choosing a model takes no time: not worth a line
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
    """Remove the model's progress bar."""
    global _bar
    if _bar is not None:
        _bar.stop()
        _bar = None


@contextmanager
def show_counter(what: str, total: int) -> Iterator[Callable[[], None]]:
    """Show a bar that counts to ``total``, on a terminal only."""
    if not err.is_terminal:
        yield lambda: None
        return
    with Progress(
        TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=err, transient=True
    ) as bar:
        task = bar.add_task(what, total=total)
        yield lambda: bar.advance(task)


def print_ingest_report(report: IngestReport, counts: dict[str, int], store: str) -> None:
    """Print what an ingest changed, could not read, and no longer found."""
    change_counts = [
        f"{getattr(report, k):,} {k}" for k in ("added", "replaced", "unchanged", "removed") if getattr(report, k)
    ]
    if change_counts:
        print_result(
            f"Documents: {', '.join(change_counts)}. [bold]{escape(str(store))}[/bold] has {format_counts(counts)}."
        )
    if report.llm_stats is not None and report.llm_stats.passages:
        print_result(format_model_tally(report.llm_stats))
    print_unread(report)


def format_model_tally(tally: LLMExtractionStats) -> str:
    """Return a sentence about the language model's extraction: passages, time, tokens, facts kept and dropped."""
    dropped = ", ".join(f"{number:,} {reason}" for reason, number in tally.dropped.most_common() if number)
    return (
        f"The language model read {tally.passages:,} passages in {tally.seconds:,.0f} s ({tally.tokens_in:,} tokens in, "
        f"{tally.tokens_out:,} out): {tally.facts:,} facts kept, {tally.dropped.total():,} dropped{f' ({dropped})' if dropped else ''}."
    )


def print_unread(report: IngestReport) -> None:
    """Print what an ingest could not read, skipped, or no longer found, on standard error."""
    for problem in report.problems[:MAX_LISTED_PROBLEMS]:
        _print_markup(err, f"[yellow]not read:[/yellow] {escape(str(problem))}")
    _print_remainder(len(report.problems), "`kgrag status` lists all of them")
    for note in report.notes[:MAX_LISTED_PROBLEMS]:
        print_notice(note)
    _print_remainder(len(report.notes), "of the same kind")
    for reason, number in sorted((+report.skipped).items()):
        print_notice(f"skipped {number:,}: {reason}")
    for source in report.vanished[:MAX_LISTED_PROBLEMS]:
        _print_markup(
            err,
            f"[yellow]gone or ignored, still in the store:[/yellow] {escape(source)} (`kgrag ingest --prune` removes it)",
        )
    _print_remainder(len(report.vanished), "`kgrag status --documents` lists the store's documents")


def _print_remainder(number: int, where: str) -> None:
    if number > MAX_LISTED_PROBLEMS:
        print_notice(f"… and {number - MAX_LISTED_PROBLEMS:,} more; {where}.")


def format_counts(counts: dict[str, int]) -> str:
    """Return counts as text: ``62 documents, 1 passage, …``."""
    singular = {"documents": "document", "passages": "passage", "entities": "entity", "typed triples": "typed triple"}
    return ", ".join(f"{counts[k]:,} {singular[k] if counts[k] == 1 else k}" for k in singular)


def print_status(value: JsonObject) -> None:
    """Print an overview of a store."""
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
        rows.append(("facts extracted by", ", ".join(f"{how} {n:,}" for how, n in sorted(value["read_by"].items()))))
    if value["dropped"]:
        dropped = ", ".join(f"{reason} {n:,}" for reason, n in sorted(value["dropped"].items()))
        rows.append(("dropped facts of the model", escape(dropped)))
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
    """Print the models of the registry."""
    rows = [("name", "for", "languages", "size", "licence", "")]
    for model, is_installed in models:
        size = f"{model.size_bytes / 1e6:,.0f} MB"
        state = "[green]ready[/green]" if is_installed else "[dim]–[/dim]"
        use = "answers" if model.kind == "llm" else "vectors"
        rows.append((f"[bold]{model.name}[/bold]", use, ", ".join(sorted(model.languages)), size, model.licence, state))
    print_table(rows, right=(3,), heading=True)
    if not all(is_installed for _, is_installed in models):
        print_notice("`kgrag models pull NAME` downloads a model.")


def print_benchmark(report: Mapping[str, Any]) -> None:
    """Print a benchmark's figures with their intervals."""
    rows = [("measure", "value", "95 % interval")]
    for name, measure in report.items():
        if isinstance(measure, dict) and "value" in measure:
            text = format_interval(measure, scale=1 if "ms" in name or name == "seconds" else 100)
            value_text, _, interval_text = text.partition(" ")
            rows.append((name, f"[bold]{value_text}[/bold]", interval_text or UNDEFINED))
        elif not isinstance(measure, dict):
            rows.append((name, escape(str(measure)), ""))
    for kind, figures in report.get("by type", {}).items():
        value_text, _, interval_text = format_interval(figures["recall@5"]).partition(" ")
        label = f"recall@5, {escape(kind)} ({figures['questions']})"
        rows.append((label, f"[bold]{value_text}[/bold]", interval_text or UNDEFINED))
    print_table(rows, right=(1, 2), heading=True)
