"""The command `kgrag tune write`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kgrag.cli.options import DEFAULT_STORE, ModelOption, StoreOption
from kgrag.cli.tune.examples import build_examples, open_store_if_needed
from kgrag.cli.tune.options import NumberOption, QuestionsOption, SeedOption
from kgrag.terminal import console


def tune_write(
    store: StoreOption = DEFAULT_STORE,
    questions: QuestionsOption = None,
    out: Annotated[Path, typer.Option(help="File for the examples (jsonl).")] = Path("examples.jsonl"),
    number: NumberOption = 2000,
    seed: SeedOption = 0,
    stepwise: Annotated[
        bool,
        typer.Option(
            "--stepwise",
            help="With --questions, leave out those whose reasoning steps are missing from facts and passages.",
        ),
    ] = False,
    model: ModelOption = None,
) -> None:
    """Write training examples from a store, to review, edit, and train on with --examples."""
    from kgrag.tune.data.example import save_rows

    example_list = build_examples(open_store_if_needed(store, questions, model), questions, number, seed, stepwise)
    save_rows(example_list, out)
    held_out_count = sum(example.held for example in example_list)
    console.print_result(
        f"Wrote {len(example_list):,} examples to [bold]{out}[/bold], {held_out_count:,} of them held out for evaluation."
    )
