"""`kgrag bench sentences`: whether what answers a question is among the sentences that are shown; training that choice."""

from __future__ import annotations

import statistics
import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

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
    k: Annotated[int, typer.Option("-k", min=1, help="Passages to retrieve.")] = 8,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first N questions of each file.")] = None,
    out: Annotated[Path | None, typer.Option(help="Train on all of it and write the trees here.")] = None,
    json_: JsonOption = False,
) -> None:
    """How often the answer is shown where it was retrieved, by tokens of evidence; with --out also train what chooses."""
    from kgrag.answering.stages.evidence_selection import score_sentences, select_evidence
    from kgrag.dev.training import sentence_selector
    from kgrag.dev.training.ranker.cross_validation import FOLDS
    from kgrag.metrics.intervals import bootstrap_interval
    from kgrag.question_sets import fingerprint, load_questions
    from kgrag.tune.data.build import token_counter

    if out:
        if not out.resolve().parent.is_dir():  # known before the minutes of reading, not after
            raise UsageError(f"Expected a folder for the trees at {out.parent}, found none: make it, or name another.")
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
                f"Expected in {name} {min_questions} or more questions whose gold documents the store finds, with answers that these "
                f"say, found {len(group)}: name questions of this store."
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
    report: dict[str, Any] = {}
    for (name, group), group_odds in zip(groups.items(), odds, strict=True):
        figures: dict[str, Any] = {"questions": len(group), "cross-validated": bool(out)}
        for budget in TOKEN_BUDGETS:
            shown_flags = [t.evidence_shown(o, budget) for t, o in zip(group, group_odds, strict=True)]
            answers = [float(answer) for t, (answer, _) in zip(group, shown_flags, strict=True) if t.answer_numbers]
            figures[f"{budget} tokens: the answer"] = asdict(bootstrap_interval(answers))
            figures[f"{budget} tokens: all"] = asdict(bootstrap_interval([float(whole) for _, whole in shown_flags]))
        report[name] = figures
    if choice_milliseconds:
        report["milliseconds to choose, median"] = round(statistics.median(choice_milliseconds), 2)
    if json_:
        print_json(report)
        return
    for name in groups:
        console.print_result(f"[bold]{Path(name).name}[/bold] ({report[name].pop('questions')} questions)")
        report[name].pop("cross-validated")
        console.print_benchmark(report[name])
    if choice_milliseconds:
        console.print_result(f"{report['milliseconds to choose, median']} ms to choose (median)")
    if out:
        console.print_result(f"By trees that had not seen the question; those that saw all are in {out}.")
