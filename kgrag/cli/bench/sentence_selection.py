"""The command `kgrag bench sentences`: whether the selected evidence contains the answer; training the selector."""

from __future__ import annotations

import statistics
import time
from pathlib import Path
from typing import Annotated

import typer

from kgrag.cli.options import DEFAULT_STORE, JsonOption, StoreOption, open_store, print_json, require_library
from kgrag.errors import UsageError
from kgrag.terminal import console

TOKEN_BUDGETS = (200, 300, 400, 600)


def bench_sentences(
    questions: Annotated[
        list[Path], typer.Option(help="Questions: jsonl with text, answers, gold; repeatable.", show_default=False)
    ],
    store: StoreOption = DEFAULT_STORE,
    k: Annotated[int, typer.Option("-k", min=1, help="Number of passages to retrieve.")] = 8,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Number of questions of each file, from the start (default: all).")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="File for a selector trained on all questions (default: none is written).")
    ] = None,
    json_: JsonOption = False,
) -> None:
    """Measure how often the selected evidence contains the answer, by token budget; --out trains the selector."""
    from kgrag.answering.stages.evidence_selection import score_sentences, select_evidence
    from kgrag.dev.training import sentence_selector
    from kgrag.dev.training.ranker.cross_validation import FOLDS
    from kgrag.metrics.intervals import IntervalJson, bootstrap_interval, interval_json
    from kgrag.question_sets import fingerprint, load_questions
    from kgrag.tune.data.build import token_counter

    if out:
        if not out.resolve().parent.is_dir():  # checked before minutes of reading
            raise UsageError(
                f"Expected a folder for the trees at {out.parent}, found none: create it, or choose another."
            )
        require_library("lightgbm", "train")
    questions_by_file = {str(path): load_questions(path, limit) for path in questions}
    opened_store = open_store(store)
    count = token_counter(opened_store)
    groups: dict[str, list[sentence_selector.SentenceLabels]] = {}
    choice_milliseconds: list[float] = []
    with console.show_counter("questions", sum(map(len, questions_by_file.values()))) as tick:
        for name, rows in questions_by_file.items():
            groups[name] = []
            for question in rows:
                hits = (
                    opened_store.retriever.retrieve(question.text, k) if question.gold and question.text.strip() else []
                )
                example = sentence_selector.label_sentences(question, hits, count)
                groups[name] += [example] if example else []
                if example and not out:
                    started = time.perf_counter()
                    select_evidence(question.text, hits, TOKEN_BUDGETS[2], count)
                    choice_milliseconds.append(1000 * (time.perf_counter() - started))
                tick()
    for name, group in groups.items():
        min_questions = FOLDS if out else 1
        if len(group) < min_questions:
            raise UsageError(
                f"Expected {min_questions} or more questions in {name} whose gold documents the store finds and whose answers are "
                f"in them, found {len(group)}: pass questions of this store."
            )
    if not out:
        odds = [[score_sentences(t.rows) for t in group] for group in groups.values()]
    else:
        odds = sentence_selector.cross_validate(list(groups.values()))
        counts = ", ".join(f"{Path(name).name} ({len(group)})" for name, group in groups.items())
        note = f"trained by `kgrag bench sentences` on the questions of {counts}"
        sentence_selector.write_sentence_ranker(
            out, list(groups.values()), note, [fingerprint(path) for path in questions]
        )
    intervals: dict[str, dict[str, IntervalJson]] = {}
    for (name, group), group_odds in zip(groups.items(), odds, strict=True):
        figures = intervals[name] = {}
        for budget in TOKEN_BUDGETS:
            shown_flags = [t.evidence_shown(o, budget) for t, o in zip(group, group_odds, strict=True)]
            answers = [float(answer) for t, (answer, _) in zip(group, shown_flags, strict=True) if t.answer_numbers]
            figures[f"{budget} tokens: the answer"] = interval_json(bootstrap_interval(answers))
            whole = [float(is_whole) for _, is_whole in shown_flags]
            figures[f"{budget} tokens: all"] = interval_json(bootstrap_interval(whole))
    choice_median = round(statistics.median(choice_milliseconds), 2) if choice_milliseconds else None
    if json_:
        report: dict[str, object] = {
            name: {"questions": len(group), "cross-validated": bool(out), **intervals[name]}
            for name, group in groups.items()
        }
        if choice_median is not None:
            report["milliseconds to choose, median"] = choice_median
        print_json(report)
        return
    for name, group in groups.items():
        console.print_result(f"[bold]{Path(name).name}[/bold] ({len(group)} questions)")
        console.print_benchmark(intervals[name])
    if choice_median is not None:
        console.print_result(f"{choice_median} ms to select (median)")
    if out:
        console.print_result(f"Figures are cross-validated; the trees trained on all questions are in {out}.")
