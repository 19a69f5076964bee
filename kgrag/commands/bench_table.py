"""`kgrag bench table` and `kgrag bench compare`: what retrieval is worth beside other ways, and two runs side by side."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from kgrag import console
from kgrag.commands.bench_sets import (
    CORPUS,
    QUESTIONS,
    STORES,
    Data,
    Sets,
    Stores,
    named_run,
    rankings_of,
    set_folders,
    with_corpus,
)
from kgrag.commands.options import Json, defined, need, print_json
from kgrag.errors import ModelError, UsageError

if TYPE_CHECKING:
    from kgrag.app import App
    from kgrag.evaluate.examples import Example
    from kgrag.evaluate.rows import Gathered
    from kgrag.types import Question

NOTE = (
    "95 % bootstrap intervals over questions; p of the paired randomisation test. The shipped ranker was trained on "
    "these questions, so no row uses it: rankers were trained on four fifths of all sets and measured on the rest, or "
    "(left out) trained on the other sets only. Rows that leave a set out are compared with `all, left out`, that and "
    "the others with `all`. Latency is the shipped ranker's."
)
_PLAIN = ("recall@1", "recall@10", "mrr", "all-gold@5")


def bench_table(
    data: Data,
    stores: Stores = STORES,
    sets: Sets = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first N questions of each set.")] = None,
    run: Annotated[list[str] | None, typer.Option(help="Another system's TREC run: SET/NAME=FILE; repeatable.")] = None,
    out: Annotated[Path | None, typer.Option(help="Write table.json, table.md, a plot and TREC runs here.")] = None,
    json_: Json = False,
) -> None:
    """Retrieval beside words, vectors, other systems, and itself without each part; cross-validated and left out."""
    from kgrag.evaluate.compare import unique
    from kgrag.evaluate.questions import load_questions
    from kgrag.evaluate.rows import enough, rows, trainings
    from kgrag.evaluate.table import markdown, set_report, write_runs

    folders = set_folders(data, sets)
    others = _runs_by_set(run or [], [folder.name for folder in folders])
    need("lightgbm", "bench")
    if out:
        need("matplotlib", "bench")
    # whatever is wrong with the files is said before the long work
    asked = {folder.name: load_questions(folder / QUESTIONS, limit) for folder in folders}
    rankings = {}
    for name, questions in asked.items():
        unique(questions)
        enough(name, questions)
        scored = [question for question in questions if question.gold]
        rankings[name] = {row: rankings_of(row, file, scored) for row, file in others[name].items()}
    cache = (out or stores) / "cache"
    gathered: dict[str, Gathered] = {}
    report: dict[str, Any] = {"note": NOTE, "sets": {}}
    try:
        for folder in folders:
            name = folder.name
            gathered[name], report["sets"][name] = _gather(folder, stores / name, asked[name], cache)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"What was gathered is kept in {cache}; run the same command again to go on.") from None
    with console.counter("training rankers", trainings(len(folders))) as tick:
        made = rows(gathered, tick)
    for name, part in gathered.items():
        made[name] |= rankings[name]
        report["sets"][name] |= set_report(part, made[name])
    if out:
        from kgrag.evaluate.plot import plot
        from kgrag.files import replaced

        for name, part in gathered.items():
            write_runs(out / "runs" / name, part, made[name])
        for file, text in (
            ("table.json", json.dumps(defined(report), ensure_ascii=False, indent=2) + "\n"),
            ("table.md", markdown(report)),
        ):
            with replaced(out / file) as beside:
                beside.write_text(text, "utf-8")
        plot(report, out)
    if json_:
        print_json(report)
        return
    for name, part in report["sets"].items():
        _show(name, part)
    console.notice(NOTE)
    if out:
        console.notice(f"table.md, table.json, recall.svg, recall.png and runs/ are in {out}.")


def _runs_by_set(given: list[str], sets: list[str]) -> dict[str, dict[str, Path]]:
    """Set -> name -> file, from ``SET/NAME=FILE``."""
    from kgrag.evaluate.rows import row_names
    from kgrag.evaluate.trec import slug

    found: dict[str, dict[str, Path]] = {name: {} for name in sets}
    for text in given:
        name, file = named_run(text)
        of, slash, row = name.partition("/")
        if not slash or of not in found or not slug(row):
            raise UsageError(f"Expected --run SET/NAME=FILE with a set of {', '.join(sets)}, found {text!r}.")
        if slug(row) in {slug(other) for other in (*row_names(), *found[of])}:
            raise UsageError(f"Expected a name of its own for every row, found {row!r} twice: give another in --run.")
        found[of][row] = file
    return found


def _gather(folder: Path, store: Path, asked: list[Question], kept_in: Path) -> tuple[Gathered, dict[str, Any]]:
    """One set's candidates, and the part of its report that needs its store: unscored questions and latency."""
    from kgrag.evaluate.cache import Cache, code
    from kgrag.evaluate.examples import examples
    from kgrag.evaluate.rows import Gathered, ablations
    from kgrag.evaluate.whole import Baselines

    questions = [question for question in asked if question.gold]
    opened = with_corpus(store, folder / CORPUS)
    retriever = opened.retriever
    stamp = f"{opened.graph.meta('made')} {opened.graph.generation} {opened.config.embedder} {code()}"
    cache = Cache(kept_in, folder.name, stamp)
    baselines = Baselines(retriever, opened.graph.counts()["passages"])
    parts = {}
    with console.counter(f"{folder.name}: candidates", len(questions) * (1 + len(ablations()))) as tick:
        whole = cache.examples("whole", questions, baselines.examples, tick)
        for label, allowed in ablations().items():

            def make(some: Sequence[Question], allowed: frozenset[str] = allowed) -> list[Example]:
                return examples(retriever, some, allowed)[1]

            parts[label] = cache.examples(label, questions, make, tick)
    if cache.reused:
        total = len(questions) * (1 + len(parts))
        console.notice(
            f"{folder.name}: {cache.reused:,} of {total:,} gatherings were kept in {kept_in} and not repeated."
        )
    said = {"unscored": len(asked) - len(questions), "latency": _latency(opened, folder.name, asked)}
    return Gathered(questions, whole, parts), said


def _latency(opened: App, name: str, questions: list[Question]) -> dict[str, Any] | None:
    from kgrag.evaluate.speed import ASKED, latency

    try:
        with console.counter(f"{name}: latency", min(ASKED, len(questions))) as tick:
            return latency(opened.retriever, questions, tick)
    except ModelError as error:  # the shipped ranker is behind the features, which the table is there to judge
        console.notice(f"{name}: latency was not measured. {error}")
        return None


def _show(name: str, part: dict[str, Any]) -> None:
    from kgrag.evaluate.table import difference, shown

    console.say(f"\n[bold]{escape(name)}[/bold] ({part['questions']:,} questions, {part['unscored']:,} without gold)")
    lines: list[tuple[str, ...]] = [("", "recall@2", "recall@5", *_PLAIN, "recall@5, against all")]
    for row, figures in part["rows"].items():
        plain = [f"{100 * figures[measure]['value']:.1f}" for measure in _PLAIN]
        apart = difference(figures["difference"]["recall@5"]) if "difference" in figures else ""
        lines.append(
            (f"[bold]{escape(row)}[/bold]", shown(figures["recall@2"]), shown(figures["recall@5"]), *plain, apart)
        )
    console.table(lines, right=range(1, 8), heading=True)
    for row, figures in part["rows"].items():
        if figures["gave nothing"]:
            console.notice(f"{row} found nothing for {figures['gave nothing']:,} questions, which count as 0.")
    facts = [("candidates hold", shown(part["candidates hold"]))]
    for how, gain in part["gain of the graph"].items():
        facts += [(f"gain of the graph, {how}, {measure}", difference(gain[measure])) for measure in gain]
    if part["latency"]:
        facts += [(f"latency {p}", shown(part["latency"][p], 1)) for p in ("p50 ms", "p95 ms")]
    for kind, figures in part.get("by type", {}).items():
        split = ", ".join(f"{row} {shown(m)}" for row, m in figures.items() if row != "questions")
        facts.append((f"recall@5, {escape(kind)} ({figures['questions']})", escape(split)))
    console.table(facts)


def bench_compare(
    a: Annotated[Path, typer.Argument(help="A TREC run.")],
    b: Annotated[Path, typer.Argument(help="Another, to compare it with.")],
    questions: Annotated[Path, typer.Option(help="Questions: jsonl with _id, text, gold.")],
    json_: Json = False,
) -> None:
    """Two TREC runs on the same questions: measures of both, paired differences, and where they differ most."""
    from kgrag.evaluate.compare import compare_runs
    from kgrag.evaluate.questions import load_questions
    from kgrag.evaluate.table import difference, shown
    from kgrag.evaluate.trec import read_run

    report = compare_runs(read_run(a), read_run(b), load_questions(questions))
    if json_:
        print_json(report)
        return
    for side, path in (("a", a), ("b", b)):
        if report[side]["unknown"]:
            console.notice(
                f"{path}: {report[side]['unknown']:,} questions are not in {questions} and were passed over."
            )
        if report[side]["missing"]:
            console.notice(f"{path}: {report[side]['missing']:,} questions are missing and count as a recall of 0.")
    lines = [("measure", escape(a.name), escape(b.name), "difference")]
    for measure, apart in report["difference"].items():
        lines.append((measure, shown(report["a"][measure]), shown(report["b"][measure]), difference(apart)))
    console.table(lines, right=(1, 2, 3), heading=True)
    console.say(f"{report['questions']:,} questions, {report['unscored']:,} without gold")
    for case in report["extremes"]:
        recalls = " → ".join(f"{100 * case[side]['recall@5']:.0f}" for side in ("a", "b"))
        console.say(f"  • [dim]{escape(case['id'])}[/dim] {escape(case['text'])} [dim](recall@5 {recalls})[/dim]")
