"""The commands `kgrag bench table` and `kgrag bench compare`: retrieval beside other systems."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from kgrag.cli.bench.datasets import (
    CORPUS_FILE,
    DEFAULT_STORES_FOLDER,
    QUESTIONS_FILE,
    DataOption,
    SetsOption,
    StoresOption,
    find_set_folders,
    load_rankings,
    open_store_with_corpus,
    parse_run,
)
from kgrag.cli.bench.gold import report_missing_gold
from kgrag.cli.options import JsonOption, print_json, require_library
from kgrag.errors import ModelError, UsageError
from kgrag.metrics.formatting import format_difference, format_interval
from kgrag.serialize import nan_to_none
from kgrag.terminal import console

if TYPE_CHECKING:
    from kgrag.dev.benchmarks.ablations import SetCandidates
    from kgrag.dev.benchmarks.latency import LatencyReport
    from kgrag.dev.benchmarks.retrieval_table import RetrievalTable, SetReport, StoreFigures
    from kgrag.dev.training.ranker.examples import RankingExample
    from kgrag.store.store import Store
    from kgrag.types import Question

NOTE = (
    "95 % bootstrap intervals over questions; p of the paired randomisation test. The built-in ranker was trained on "
    "these questions, so no row uses it: rankers were trained on four fifths of all datasets and measured on the rest, or "
    "(left out) trained on the other datasets only. Rows that leave a dataset out are compared with `all, left out`, that and "
    "the others with `all`. Latency is the built-in ranker's."
)

_PLAIN_MEASURES = ("recall@1", "recall@10", "mrr", "all-gold@5")


def bench_table(
    data: DataOption,
    stores: StoresOption = DEFAULT_STORES_FOLDER,
    sets: SetsOption = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Number of questions of each dataset, from the start (default: all).")
    ] = None,
    run: Annotated[
        list[str] | None, typer.Option(help="TREC run of another system: SET/NAME=FILE; repeatable.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for table.json, table.md, a plot and TREC runs (default: none is written)."),
    ] = None,
    json_: JsonOption = False,
) -> None:
    """Compare retrieval with BM25, vectors, other systems and ablations; cross-validated and leave-one-out."""
    from kgrag.dev.benchmarks.ablations import build_rows, check_enough_questions, count_trainings
    from kgrag.dev.benchmarks.retrieval_table import report_markdown, set_report, write_runs
    from kgrag.question_sets import check_unique_ids, load_questions

    folders = find_set_folders(data, sets)
    others = _runs_by_set(run or [], [folder.name for folder in folders])
    require_library("lightgbm", "bench")
    if out:
        require_library("matplotlib", "bench")
    # check the files before the long work
    questions_by_set = {folder.name: load_questions(folder / QUESTIONS_FILE, limit) for folder in folders}
    rankings = {}
    for name, questions in questions_by_set.items():
        check_unique_ids(questions)
        check_enough_questions(name, questions)
        scored = [question for question in questions if question.gold]
        rankings[name] = {row: load_rankings(row, file, scored) for row, file in others[name].items()}
    cache = (out or stores) / "cache"
    gathered: dict[str, SetCandidates] = {}
    store_figures: dict[str, StoreFigures] = {}
    try:
        for folder in folders:
            name = folder.name
            gathered[name], store_figures[name] = _gather_candidates(
                folder, stores / name, questions_by_set[name], cache
            )
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            f"Gathered candidates are kept in {cache}: run the same command again to continue."
        ) from None
    with console.show_counter("training rankers", count_trainings(len(folders))) as tick:
        rows_by_set = build_rows(gathered, tick)
    report: RetrievalTable = {"note": NOTE, "sets": {}}
    for name, part in gathered.items():
        rows_by_set[name] |= rankings[name]
        report["sets"][name] = {**store_figures[name], **set_report(part, rows_by_set[name])}
    if out:
        from kgrag.dev.benchmarks.plot import plot_recall
        from kgrag.storage.atomic import atomic_write

        for name, part in gathered.items():
            write_runs(out / "runs" / name, part, rows_by_set[name])
        for file, text in (
            ("table.json", json.dumps(nan_to_none(report), ensure_ascii=False, indent=2) + "\n"),
            ("table.md", report_markdown(report)),
        ):
            with atomic_write(out / file) as temporary:
                temporary.write_text(text, "utf-8")
        plot_recall(report, out)
    if json_:
        print_json(report)
        return
    for name, dataset_report in report["sets"].items():
        _print_set(name, dataset_report)
    console.print_notice(NOTE)
    if out:
        console.print_notice(f"Wrote table.md, table.json, recall.svg, recall.png and runs/ to {out}.")


def _runs_by_set(run_options: list[str], sets: list[str]) -> dict[str, dict[str, Path]]:
    """Parse ``SET/NAME=FILE`` into dataset -> name -> file."""
    from kgrag.dev.benchmarks.ablations import row_names
    from kgrag.dev.benchmarks.trec_runs import slug

    runs: dict[str, dict[str, Path]] = {name: {} for name in sets}
    for text in run_options:
        name, file = parse_run(text)
        set_name, slash, row = name.partition("/")
        if not slash or set_name not in runs or not slug(row):
            raise UsageError(f"Expected --run SET/NAME=FILE with a dataset of {', '.join(sets)}, found {text!r}.")
        if slug(row) in {slug(other) for other in (*row_names(), *runs[set_name])}:
            raise UsageError(f"Expected a different name for every row, found {row!r} twice: pass another in --run.")
        runs[set_name][row] = file
    return runs


def _gather_candidates(
    folder: Path, store: Path, question_list: list[Question], cache_folder: Path
) -> tuple[SetCandidates, StoreFigures]:
    """Return a dataset's candidates, and the report's figures that need its store: unscored questions and latency."""
    from kgrag.dev.benchmarks.ablations import SetCandidates, ablations
    from kgrag.dev.benchmarks.baselines import FullCorpusBaselines
    from kgrag.dev.benchmarks.candidate_cache import ExampleCache, code_digest
    from kgrag.dev.training.ranker.examples import build_examples

    questions = [question for question in question_list if question.gold]
    opened_store = open_store_with_corpus(store, folder / CORPUS_FILE)
    missing_gold = report_missing_gold(opened_store, questions)
    retriever = opened_store.retriever
    stamp = f"{opened_store.graph_store.meta('made')} {opened_store.graph_store.generation} {opened_store.config.embedder} {code_digest()}"
    cache = ExampleCache(cache_folder, folder.name, stamp)
    baselines = FullCorpusBaselines(retriever, opened_store.graph_store.counts()["passages"])
    parts = {}
    with console.show_counter(f"{folder.name}: candidates", len(questions) * (1 + len(ablations()))) as tick:
        whole_examples = cache.load_or_build("whole", questions, baselines.build_examples, tick)
        for label, allowed in ablations().items():

            def make(question_subset: Sequence[Question], allowed: frozenset[str] = allowed) -> list[RankingExample]:
                return build_examples(retriever, question_subset, allowed)[1]

            parts[label] = cache.load_or_build(label, questions, make, tick)
    if cache.reused_count:
        total = len(questions) * (1 + len(parts))
        console.print_notice(
            f"{folder.name}: {cache.reused_count:,} of {total:,} candidate sets were read from {cache_folder}."
        )
    store_figures: StoreFigures = {
        "unscored": len(question_list) - len(questions),
        "missing_gold": missing_gold,
        "latency": _measure_latency(opened_store, folder.name, question_list),
    }
    return SetCandidates(questions, whole_examples, parts), store_figures


def _measure_latency(store: Store, name: str, questions: list[Question]) -> LatencyReport | None:
    from kgrag.dev.benchmarks.latency import MAX_TIMED_QUESTIONS, measure_latency

    try:
        with console.show_counter(f"{name}: latency", min(MAX_TIMED_QUESTIONS, len(questions))) as tick:
            return measure_latency(store.retriever, questions, tick)
    except ModelError as error:  # the built-in ranker does not match the features, which this table compares
        console.print_notice(f"{name}: latency was not measured. {error}")
        return None


def _print_set(name: str, part: SetReport) -> None:
    console.print_result(
        f"\n[bold]{escape(name)}[/bold] ({part['questions']:,} questions, {part['unscored']:,} without gold)"
    )
    lines: list[tuple[str, ...]] = [("", "recall@2", "recall@5", *_PLAIN_MEASURES, "recall@5, against all")]
    for row, figures in part["rows"].items():
        plain = [f"{100 * figures[measure]['value']:.1f}" for measure in _PLAIN_MEASURES]
        comparison = format_difference(figures["difference"]["recall@5"]) if "difference" in figures else ""
        lines.append(
            (
                f"[bold]{escape(row)}[/bold]",
                format_interval(figures["recall@2"]),
                format_interval(figures["recall@5"]),
                *plain,
                comparison,
            )
        )
    console.print_table(lines, right=range(1, 8), heading=True)
    for row, figures in part["rows"].items():
        if figures["gave nothing"]:
            console.print_notice(f"{row} found nothing for {figures['gave nothing']:,} questions, which count as 0.")
    facts = [("candidates hold", format_interval(part["candidates hold"]))]
    for how, gain in part["gain of the graph"].items():
        facts += [(f"gain of the graph, {how}, {measure}", format_difference(gain[measure])) for measure in gain]
    if latency := part["latency"]:
        facts.append(("latency p50 ms", format_interval(latency["p50 ms"], 1)))
        facts.append(("latency p95 ms", format_interval(latency["p95 ms"], 1)))
    for kind, recalls in part.get("by type", {}).items():
        split = ", ".join(f"{row} {format_interval(m)}" for row, m in recalls.items() if not isinstance(m, int))
        facts.append((f"recall@5, {escape(kind)} ({recalls['questions']})", escape(split)))
    console.print_table(facts)


def bench_compare(
    a: Annotated[Path, typer.Argument(help="TREC run.")],
    b: Annotated[Path, typer.Argument(help="TREC run to compare with.")],
    questions: Annotated[Path, typer.Option(help="Questions: jsonl with _id, text, gold.")],
    json_: JsonOption = False,
) -> None:
    """Compare two TREC runs on the same questions: measures, paired differences, and the largest differences."""
    from kgrag.dev.benchmarks.run_comparison import compare_runs
    from kgrag.dev.benchmarks.trec_runs import read_run
    from kgrag.question_sets import load_questions

    report = compare_runs(read_run(a), read_run(b), load_questions(questions))
    if json_:
        print_json(report)
        return
    for side, path in ((report["a"], a), (report["b"], b)):
        if side["unknown"]:
            console.print_notice(f"{path}: ignored {side['unknown']:,} questions that are not in {questions}.")
        if side["missing"]:
            console.print_notice(f"{path}: {side['missing']:,} questions are missing and count as a recall of 0.")
    lines = [("measure", escape(a.name), escape(b.name), "difference")]
    for measure, apart in report["difference"].items():
        lines.append(
            (
                measure,
                format_interval(report["a"][measure]),
                format_interval(report["b"][measure]),
                format_difference(apart),
            )
        )
    console.print_table(lines, right=(1, 2, 3), heading=True)
    console.print_result(f"{report['questions']:,} questions, {report['unscored']:,} without gold")
    for case in report["extremes"]:
        recalls = f"{100 * case['a']['recall@5']:.0f} → {100 * case['b']['recall@5']:.0f}"
        console.print_result(
            f"  • [dim]{escape(case['id'])}[/dim] {escape(case['text'])} [dim](recall@5 {recalls})[/dim]"
        )
