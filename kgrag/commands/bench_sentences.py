"""`kgrag bench sentences`: whether what answers a question is among the sentences that are shown; training that choice."""

from __future__ import annotations

import statistics
import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from kgrag import console
from kgrag.commands.options import STORE, Json, Store, need, open_app, print_json
from kgrag.errors import UsageError

BUDGETS = (200, 300, 400, 600)


def bench_sentences(
    questions: Annotated[
        list[Path], typer.Option(help="Questions: jsonl with text, answers, gold; repeatable.", show_default=False)
    ],
    store: Store = STORE,
    k: Annotated[int, typer.Option("-k", min=1, help="Passages to retrieve.")] = 8,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first N questions of each file.")] = None,
    out: Annotated[Path | None, typer.Option(help="Train on all of it and write the trees here.")] = None,
    json_: Json = False,
) -> None:
    """How often the answer is shown where it was retrieved, by tokens of evidence; with --out also train what chooses."""
    from kgrag.evaluate import telling
    from kgrag.evaluate.questions import fingerprint, load_questions
    from kgrag.evaluate.ranking import FOLDS
    from kgrag.evaluate.statistics import interval
    from kgrag.evidence import scored, select
    from kgrag.tune_write import counter

    if out:
        if not out.resolve().parent.is_dir():  # known before the minutes of reading, not after
            raise UsageError(f"Expected a folder for the trees at {out.parent}, found none: make it, or name another.")
        need("lightgbm", "train")
    asked = {str(path): load_questions(path, limit) for path in questions}
    opened = open_app(store)
    count = counter(opened)
    groups: dict[str, list[telling.Telling]] = {}
    taken: list[float] = []
    with console.counter("questions", sum(map(len, asked.values()))) as tick:
        for name, rows in asked.items():
            groups[name] = []
            for question in rows:
                hits = opened.retriever.retrieve(question.text, k) if question.gold and question.text.strip() else []
                found = telling.telling(question, hits, count)
                groups[name] += [found] if found else []
                if found and not out:
                    begun = time.perf_counter()
                    select(question.text, hits, BUDGETS[2], count)
                    taken.append(1000 * (time.perf_counter() - begun))
                tick()
    for name, group in groups.items():
        least = FOLDS if out else 1
        if len(group) < least:
            raise UsageError(
                f"Expected in {name} {least} or more questions whose gold documents the store finds, with answers that these "
                f"say, found {len(group)}: name questions of this store."
            )
    if not out:
        odds = [[scored(t.rows) for t in group] for group in groups.values()]
    else:
        odds = telling.cross_validated(list(groups.values()))
        counts = ", ".join(f"{Path(name).name} ({len(group)})" for name, group in groups.items())
        note = f"trained by `kgrag bench sentences` on the questions of {counts}"
        telling.write(out, list(groups.values()), note, [fingerprint(path) for path in questions])
    report: dict[str, Any] = {}
    for (name, group), mine in zip(groups.items(), odds, strict=True):
        figures: dict[str, Any] = {"questions": len(group), "cross-validated": bool(out)}
        for budget in BUDGETS:
            shown = [t.shown(o, budget) for t, o in zip(group, mine, strict=True)]
            answers = [float(answer) for t, (answer, _) in zip(group, shown, strict=True) if t.answer]
            figures[f"{budget} tokens: the answer"] = asdict(interval(answers))
            figures[f"{budget} tokens: all"] = asdict(interval([float(whole) for _, whole in shown]))
        report[name] = figures
    if taken:
        report["milliseconds to choose, median"] = round(statistics.median(taken), 2)
    if json_:
        print_json(report)
        return
    for name in groups:
        console.say(f"[bold]{Path(name).name}[/bold] ({report[name].pop('questions')} questions)")
        report[name].pop("cross-validated")
        console.bench_table(report[name])
    if taken:
        console.say(f"{report['milliseconds to choose, median']} ms to choose (median)")
    if out:
        console.say(f"By trees that had not seen the question; those that saw all are in {out}.")
