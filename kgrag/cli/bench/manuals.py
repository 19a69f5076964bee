"""The command `kgrag bench manuals`, and the tables of questions with gold quotes and nuggets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from kgrag.cli.bench.gold import notice_missing_files
from kgrag.cli.bench.manual_answers import run_manual_answers
from kgrag.cli.options import JsonOption, ModelOption, ingest_into, open_store, print_json, require_ingested
from kgrag.metrics.formatting import format_interval
from kgrag.terminal import console

if TYPE_CHECKING:
    from kgrag.dev.benchmarks.manuals.figures import Figures
    from kgrag.dev.benchmarks.manuals.questions import ManualQuestion
    from kgrag.store.store import Store

QUESTIONS_FILE = "questions.dev.jsonl"
MAX_LISTED = 10
"""Files or questions that a notice names."""
_METHOD_TITLES = {"bm25": "BM25", "vectors": "vectors", "fusion": "both, fused", "hybrid": "kgrag retrieve"}
_RECALLS = tuple(f"passage_recall@{k}" for k in (1, 5, 8, 20))
_ANSWER_MEASURES = ("nugget_recall", "right", "wrong", "abstained", "abstained_unanswerable")


def bench_manuals(
    data: Annotated[
        Path,
        typer.Option(help=f"Folder of {QUESTIONS_FILE} and of the corpora that it names: folders, or NAME.tar.gz."),
    ],
    out: Annotated[Path, typer.Option(help="Folder for the unpacked corpora, their store, and the answers.")] = Path(
        "build/bench/manuals"
    ),
    answers: Annotated[bool, typer.Option("--answers", help="Also answer the questions (default: no).")] = False,
    model: ModelOption = None,
    json_: JsonOption = False,
) -> None:
    """Measure retrieval and answers on technical documents: unpack, ingest, and ask; continues after a stop."""
    from kgrag.dev.benchmarks.manuals.corpora import prepare_corpora
    from kgrag.dev.benchmarks.manuals.questions import load_manual_questions

    question_list = load_manual_questions(data / QUESTIONS_FILE)
    corpora = sorted({question.corpus for question in question_list})
    folders = prepare_corpora(data, corpora, out / "files")
    opened_store = open_store(out / "store", create=True, model=model)
    report = ingest_into(opened_store, [str(folder) for folder in folders])
    console.print_unread(report)
    require_ingested(report)
    reports = {"retrieval": run_manual_retrieval(opened_store, question_list)}
    if answers:
        reports["answers"] = run_manual_answers(opened_store, question_list, out=out / "answers.jsonl")
    if json_:
        print_json(reports)
        return
    print_manual_retrieval(reports["retrieval"])
    if answers:
        print_manual_answers(reports["answers"])


def run_manual_retrieval(store: Store, questions: Sequence[ManualQuestion]) -> Figures:
    """Measure retrieval with a bar, and print a notice of every quote that the store does not hold."""
    from kgrag.dev.benchmarks.manuals.retrieval import measure_manual_retrieval

    with console.show_counter("questions", len(questions)) as tick:
        report = measure_manual_retrieval(store, questions, tick)
    notice_missing_files(report["missing_files"])
    for file, sources in report["ambiguous_files"].items():
        console.print_notice(f"{file} is several sources of the store ({_shorten(sources)}): passages of all count.")
    if lost := [f"{quote['id']} in {quote['file']}" for quote in report["lost_quotes"]]:
        console.print_notice(f"{len(lost):,} gold quotes are in no passage of their file: {_shorten(lost)}.")
    return report


def print_manual_retrieval(report: Figures) -> None:
    """Print every method, then recall@5 by corpus, kind and language."""
    methods = {**report["baselines"], "hybrid": report}
    lines: list[tuple[str, ...]] = [("passage recall", "@1", "@5", "@8", "@20", "seconds")]
    for method, figures in methods.items():
        recalls = [format_interval(figures[measure]) for measure in _RECALLS]
        seconds = f"{figures['seconds']['value']:.3f}"
        lines.append((f"[bold]{_METHOD_TITLES[method]}[/bold]", *recalls, seconds))
    console.print_table(lines, right=range(1, 6), heading=True)
    scored = report["questions"] - report["unscored"]
    console.print_result(f"{scored:,} questions with gold quotes over {report['passages']:,} passages")
    facts = {"quotes in a passage of their file": "quotes_held", "quotes on their page": "page_accuracy"}
    console.print_table([(label, format_interval(report[measure])) for label, measure in facts.items()])

    def cells(figures_of: dict[str, Any]) -> list[str]:
        recalls = [format_interval(figures["passage_recall@5"]) for figures in figures_of.values()]
        return [*recalls, format_interval(figures_of["hybrid"]["page_accuracy"])]

    for grouping in _groupings(report):
        head = (grouping.replace("_", " "), "questions", *(f"{title} @5" for title in _METHOD_TITLES.values()), "page")
        rows = [
            (
                escape(group),
                str(figures["questions"]),
                *cells({method: each[grouping][group] for method, each in methods.items()}),
            )
            for group, figures in report[grouping].items()
        ]
        _print_group_table(head, rows)


def print_manual_answers(report: Figures) -> None:
    """Print the measures of all answers, and by corpus, kind and language."""
    head = ("questions", *(measure.replace("_", " ") for measure in _ANSWER_MEASURES), "seconds")

    def cells(figures: Figures) -> list[str]:
        shares = [format_interval(figures[measure]) for measure in _ANSWER_MEASURES]
        return [str(figures["questions"]), *shares, format_interval(figures["seconds"], 1)]

    _print_group_table(("", *head), [(f"[bold]{escape(report['model'] or 'typed facts')}[/bold]", *cells(report))])
    for grouping in _groupings(report):
        rows = [(escape(group), *cells(figures)) for group, figures in report[grouping].items()]
        _print_group_table((grouping.replace("_", " "), *head), rows)


def _groupings(report: Figures) -> list[str]:
    return [key for key in report if key.startswith("by_")]


def _print_group_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    console.print_result("")
    console.print_table([head, *rows], right=range(1, len(head)), heading=True)


def _shorten(names: Sequence[str]) -> str:
    """Join names, at most `MAX_LISTED` of them."""
    rest = len(names) - MAX_LISTED
    return ", ".join(names[:MAX_LISTED]) + (f" and {rest:,} more" if rest > 0 else "")
