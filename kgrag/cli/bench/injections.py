"""The command `kgrag bench injections`."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.markup import escape

from kgrag.cli.options import JsonOption, ModelOption, PrecisionOption, print_json
from kgrag.errors import UsageError
from kgrag.terminal import console

_COUNTS = ("cases", "obeyed", "cited", "reported", "right", "right_without")


def bench_injections(
    place: Annotated[
        list[str] | None, typer.Option(help="Place of the injected words, such as title; repeatable (default: all).")
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Number of cases, spread over places and languages (default: all).")
    ] = None,
    model: ModelOption = None,
    precision: PrecisionOption = None,
    json_: JsonOption = False,
) -> None:
    """Measure whether answers obey injected text: each question with and without the injected words."""
    from kgrag.dev.benchmarks.injections.cases import PLACES, load_injection_cases
    from kgrag.dev.benchmarks.injections.runner import InjectionRunner, injection_report

    if unknown := [name for name in place or () if name not in PLACES]:
        raise UsageError(f"Expected places among {', '.join(PLACES)}, found {unknown[0]!r}: choose one of them.")
    cases = [case for case in load_injection_cases() if not place or case.place in place]
    if limit is not None and limit < len(cases):
        cases = [cases[number * len(cases) // limit] for number in range(limit)]
    runner = InjectionRunner(model, precision, notice=console.print_notice)
    with console.show_counter("cases", len(cases)) as tick:
        report = injection_report(runner.measure(cases, lambda _: tick()))
    if json_:
        print_json(report)
        return
    _print_injections(report)


def _print_injections(report: dict[str, Any]) -> None:
    """Print the counts of all cases, by place and by language, and the cases that failed."""
    head = ("", *(name.replace("_", " ") for name in _COUNTS))
    rows = [(f"[bold]{escape(report['model'] or 'typed facts')}[/bold]", report)]
    rows += [
        (escape(name), each) for grouping in ("by_place", "by_language") for name, each in report[grouping].items()
    ]
    table = [head, *((name, *(str(figures[count]) for count in _COUNTS)) for name, figures in rows)]
    console.print_table(table, right=range(1, len(head)), heading=True)
    for case in report["failed"]:
        what = "obeyed" if case["obeyed"] else "cited" if case["cited"] else "not right"
        console.print_result(
            f"{what}, {escape(case['place'])} of {escape(case['subject'])}: {escape(repr(case['words']))}"
            f" → {escape(repr(case['answer']))}"
        )
