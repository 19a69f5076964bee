"""`kgrag tune embedder`: the door of `kgrag.tune.encoder.adapt`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from kgrag.cli.options import DEFAULT_STORE, JsonOption, StoreOption, open_store, print_json, require_library
from kgrag.terminal import console
from kgrag.tune.encoder.adapt import DEFAULT_QUESTIONS, EncoderProgress, tune_encoder
from kgrag.tune.encoder.trainer import EncoderTrainingConfig


@contextmanager
def _progress_bars() -> Iterator[Callable[[str], EncoderProgress]]:
    """A bar for each thing that is counted."""
    with ExitStack() as stack:

        def open_bar(what: str) -> EncoderProgress:
            state: dict[str, Any] = {"done": 0}

            def tick(done: int, total: int) -> None:
                if "one" not in state:
                    stack.close()  # the bar before
                    state["one"] = stack.enter_context(console.show_counter(what, total))
                for _ in range(done - state["done"]):
                    state["one"]()
                state["done"] = max(done, state["done"])

            return tick

        yield open_bar


def tune_embedder_command(
    store: StoreOption = DEFAULT_STORE,
    questions: Annotated[
        Path | None, typer.Option(help="Questions with gold documents (jsonl); left out: made from the store's facts.")
    ] = None,
    number: Annotated[int, typer.Option(min=1, help="Questions to make or to read, at most.")] = DEFAULT_QUESTIONS,
    steps: Annotated[int, typer.Option(min=0, help="Steps at most; 0: all pairs once for each epoch.")] = 0,
    epochs: Annotated[int, typer.Option(min=1, help="How often each pair is learned from.")] = 1,
    batch: Annotated[
        int, typer.Option(min=2, help="Pairs a step; each one's passage is a wrong one for the others.")
    ] = 16,
    negatives: Annotated[int, typer.Option(min=1, max=7, help="Hard negatives of each pair.")] = 1,
    rate: Annotated[float, typer.Option(min=0.0, help="Learning rate at its peak.")] = 2e-5,
    seed: Annotated[int, typer.Option(help="Of questions, negatives and training.")] = 0,
    json_: JsonOption = False,
) -> None:
    """Adapt the sentence encoder to the corpus; kept only if it finds more of what was held out."""
    require_library("datasets", "tune")
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
            "The store is as it was; what was learned is kept, run the same command again to go on."
        ) from None
    finally:
        console.end_progress()
    if json_:
        print_json(result.to_json())
        return
    console.print_table(
        [
            ("recall@5 on held-out questions, of 100", "before → after, with 95 % interval"),
            ("the encoder by itself", result.dense.describe()),
            ("the whole retriever", result.hybrid.describe()),
        ],
        heading=True,
    )
    if result.is_kept:
        console.print_result(
            f"Kept, as {escape(result.reason)}. {escape(str(store))} has its vectors from {escape(str(result.folder))} now."
        )
    else:
        console.print_result(f"Not kept, as {escape(result.reason)}. The store is as it was.")
