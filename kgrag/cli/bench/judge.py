"""The commands `kgrag bench judge`, `judge-train` and `judge-set`: claim judges against labelled claims."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from kgrag.cli.options import JsonOption, print_json, require_library
from kgrag.errors import UsageError
from kgrag.terminal import console

DATA_OPTION = typer.Option("--data", help="Folder that contains `support`, `reader` and the corpora.")
MAIN_MEASURES = ("right_over_wrong", "balanced_accuracy", "auroc", "brier", "ece")


def bench_judge(
    file: Annotated[
        Path, typer.Argument(help="Claims: jsonl with evidence, claim, supported, or HaluEval's format; gzip or plain.")
    ],
    judge: Annotated[
        str, typer.Option(help="Claim judge: auto, overlap, details, learned, combined, llm, or a model folder.")
    ] = "auto",
    limit: Annotated[
        int | None, typer.Option(min=1, help="Number of rows to use, from the start (default: all).")
    ] = None,
    json_: JsonOption = False,
) -> None:
    """Measure balanced accuracy, AUROC and calibration of a claim judge, beside plain overlap and length."""
    from kgrag.dev.benchmarks.judge.datasets import load_claims
    from kgrag.dev.benchmarks.judge.scorer import judge_report
    from kgrag.judge import load_judge
    from kgrag.judge.model import load_builtin_judge
    from kgrag.question_sets import fingerprint

    rows = load_claims(file, limit)
    loaded = load_judge(judge)
    with console.show_counter("claims", len(rows.claims)) as tick:
        figures = judge_report(loaded, rows, tick)
    is_trained_on = (
        judge in ("auto", "overlap", "details", "learned", "combined")
        and fingerprint(file) in load_builtin_judge().trained_on
    )
    figures["trained on these claims"] = is_trained_on
    if is_trained_on:
        console.print_notice(
            "The judge was trained on these claims, so these figures are too high: `kgrag bench judge-train` measures without that bias."
        )
    if json_:
        print_json(figures)
        return
    lines = [("measure", "value", "95 % interval")]
    for name in MAIN_MEASURES:
        if name in figures:
            low, high = figures.pop(f"{name}_low"), figures.pop(f"{name}_high")
            lines.append(
                (
                    _measure_label(name),
                    f"[bold]{_format_value(figures.pop(name))}[/bold]",
                    f"\\[{_format_value(low)}, {_format_value(high)}]",
                )
            )
    lines += [
        (_measure_label(name), _format_value(value), "")
        for name, value in figures.items()
        if name != "trained on these claims"
    ]
    console.print_table(lines, right=(1, 2), heading=True)


def bench_judge_train(
    data: Annotated[Path, DATA_OPTION],
    out: Annotated[
        Path | None, typer.Option(help="File for a judge trained on all claims (default: none is written).")
    ] = None,
    json_: JsonOption = False,
) -> None:
    """Train the claim judge, and measure it on unseen texts and unseen datasets."""
    from kgrag.dev.training.judge import fitting, trainer
    from kgrag.question_sets import fingerprint

    if out and not out.resolve().parent.is_dir():  # checked before minutes of training
        raise UsageError(f"Expected a folder for the judge at {out.parent}, found none: create it, or choose another.")
    require_library("lightgbm", "train")
    sets = trainer.load_claim_sets(data)
    with console.show_counter("claims", sum(map(len, sets.values()))) as tick:
        parts = [trainer.prepare_claims(name, rows, tick) for name, rows in sets.items()]
    english = [part for part in parts if part.lang == "en"]
    support_by_method = {
        "cross-validated": fitting.cross_validate(english),
        "left out": fitting.leave_one_set_out(english),
    }
    table = {
        f"{part.name}, {how}, {tier}": fitting.judge_figures(part, support)
        for part in english
        for how, by_set in support_by_method.items()
        for tier, support in by_set.get(part.name, {}).items()
    }
    if out:
        files = [data / "support" / f"{file}.jsonl.gz" for file in trainer.HUMAN_SETS.values()]
        fitting.write_judge(out, parts, [fingerprint(file) for file in files])
    if json_:
        print_json(table)
        return
    columns = ("balanced_accuracy", "auroc", "brier", "ece", "right_over_wrong")
    lines = [("dataset, training, judge", *map(_measure_label, columns))]
    lines += [(name, *(_format_value(row[c]) if c in row else "" for c in columns)) for name, row in table.items()]
    console.print_table(lines, right=tuple(range(1, 6)), heading=True)
    if out:
        console.print_notice(f"Wrote the judge to {out}.")


def bench_judge_set(
    folder: Annotated[Path, typer.Argument(help="Folder with a Chinese corpus.jsonl.gz and questions.dev.jsonl.")],
    out: Annotated[Path, typer.Option(help="File for the claims (jsonl).")],
    seed: Annotated[int, typer.Option(help="Random seed of the claims.")] = 0,
) -> None:
    """Build a Chinese dataset for `bench judge` from sentences and answered questions, some of them altered."""
    from kgrag.dev.training.judge.trainer import perturbed_cmrc

    if not out.resolve().parent.is_dir():
        raise UsageError(f"Expected a folder for the claims at {out.parent}, found none: create it, or choose another.")
    claims = list(perturbed_cmrc(folder, seed))
    rows = (
        {
            "_id": f"{folder.name}-{n}",
            "evidence": m.evidence,
            "claim": m.claim,
            "supported": m.supported,
            "kind": m.kind,
        }
        for n, m in enumerate(claims)
    )
    out.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    console.print_notice(
        f"Wrote {len(claims):,} claims to {out}, {sum(m.supported for m in claims):,} of them supported."
    )


def _measure_label(name: str) -> str:
    return name.replace("_", " ").replace("auroc", "AUROC").replace("ece", "calibration error")


def _format_value(value: float) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    return "–" if value != value else f"{value:.3f}" if value < 10 else f"{value:,.1f}"
