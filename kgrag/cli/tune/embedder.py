"""The command `kgrag tune embedder`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from kgrag.cli.options import DEFAULT_STORE, JsonOption, StoreOption, open_store, print_json, require_library
from kgrag.terminal import console
from kgrag.tune.encoder import DEFAULT_QUESTIONS

if TYPE_CHECKING:
    from kgrag.tune.encoder.adapt import EncoderProgress


@contextmanager
def _progress_bars() -> Iterator[Callable[[str], EncoderProgress]]:
    """Show a progress bar for each counted stage."""
    with ExitStack() as stack:

        def open_bar(what: str) -> EncoderProgress:
            advance: Callable[[], None] | None = None
            shown = 0

            def tick(done: int, total: int) -> None:
                nonlocal advance, shown
                if advance is None:
                    stack.close()  # the previous bar
                    advance = stack.enter_context(console.show_counter(what, total))
                for _ in range(done - shown):
                    advance()
                shown = max(done, shown)

            return tick

        yield open_bar


def tune_embedder_command(
    store: StoreOption = DEFAULT_STORE,
    questions: Annotated[
        Path | None,
        typer.Option(
            help="Questions with gold documents (jsonl; default: questions generated from the store's facts)."
        ),
    ] = None,
    number: Annotated[
        int, typer.Option(min=1, help="Maximum number of questions to generate or read.")
    ] = DEFAULT_QUESTIONS,
    steps: Annotated[int, typer.Option(min=0, help="Maximum number of steps; 0 for all pairs in every epoch.")] = 0,
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the pairs.")] = 1,
    batch: Annotated[
        int, typer.Option(min=2, help="Pairs per step; the passages of the others are negatives of each pair.")
    ] = 16,
    negatives: Annotated[int, typer.Option(min=1, max=7, help="Hard negatives per pair.")] = 1,
    rate: Annotated[float, typer.Option(min=0.0, help="Peak learning rate.")] = 2e-5,
    seed: Annotated[int, typer.Option(help="Random seed of questions, negatives and training.")] = 0,
    json_: JsonOption = False,
) -> None:
    """Fine-tune the sentence encoder on the store; kept only if recall on held-out questions improves."""
    require_library("datasets", "tune")
    from kgrag.tune.encoder.adapt import tune_encoder
    from kgrag.tune.encoder.trainer import EncoderTrainingConfig

    opened_store = open_store(store)
    settings = EncoderTrainingConfig(batch=batch, epochs=epochs, steps=steps, rate=rate, seed=seed)
    try:
        with _progress_bars() as bars:
            result = tune_encoder(
                opened_store,
                questions,
                number=number,
                negatives=negatives,
                settings=settings,
                tick=bars,
                notice=console.print_notice,
            )
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            "The store is unchanged; finished steps are kept: run the same command again to continue."
        ) from None
    finally:
        console.end_progress()
    if json_:
        print_json(result.to_json())
        return
    console.print_table(
        [
            ("recall@5 on held-out questions, %", "before → after, with 95 % interval"),
            ("encoder alone", result.dense.describe()),
            ("whole retriever", result.hybrid.describe()),
        ],
        heading=True,
    )
    if result.is_kept:
        console.print_result(
            f"Kept: {escape(result.reason)}. {escape(str(store))} now has vectors from {escape(str(result.folder))}."
        )
    else:
        console.print_result(f"Not kept: {escape(result.reason)}. The store is unchanged.")
