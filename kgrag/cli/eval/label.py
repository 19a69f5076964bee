"""The command `kgrag eval label`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from kgrag.terminal import console


def eval_label(
    run: Annotated[Path, typer.Argument(help="Folder of a run.")],
    number: Annotated[int, typer.Option("-n", min=1, help="Number of claims to label in total.")] = 50,
    seed: Annotated[int, typer.Option(help="Random seed of the sample.")] = 0,
) -> None:
    """Label a sample of claims yourself; the report then shows the judge's agreement with you."""
    from kgrag.cli.eval.report import rebuild_page
    from kgrag.factuality.records import load_records
    from kgrag.factuality.report.labels import to_float
    from kgrag.factuality.scoring import human_labels

    records = load_records(run)
    labels = human_labels.load_labels(run)
    unlabelled = [
        item for item in human_labels.sample_claims_to_label(records, number, seed) if item["key"] not in labels
    ]
    keys = {"s": "supported", "c": "contradicted", "u": "unverifiable"}
    for position, item in enumerate(unlabelled, 1):
        console.print_result(f"\n[dim]{position} of {len(unlabelled)}[/dim]  {escape(item['question'])}")
        for passage in item["evidence"]:
            console.print_result(f"  • {escape(passage)}")
        console.print_result(f"[bold]{escape(item['claim'])}[/bold]")
        label = _prompt_label(keys)
        if label is None:
            break
        if label:
            human_labels.save_label(run, item["key"], label)
    agreement = rebuild_page(run)["people"]["claims"]
    if agreement is None:
        console.print_result("No labelled claims yet.")
        return
    agreement_percent = 100 * to_float(agreement["agreement"]["value"])
    console.print_result(
        f"{agreement['labels']} labels: agreement with the judge {agreement_percent:.0f} %, kappa {to_float(agreement['kappa']):.2f}."
    )


def _prompt_label(keys: dict[str, str]) -> str | None:
    """Ask for the label of a claim; "" to skip it, None to stop."""
    while True:
        try:
            reply = input("supported (s), contradicted (c), unverifiable (u), pass (p), stop (q): ").strip().lower()
        except EOFError:
            return None
        if reply in keys:
            return keys[reply]
        if reply in ("p", "q"):
            return "" if reply == "p" else None
