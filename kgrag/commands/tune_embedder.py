"""`kgrag tune embedder`: the door of `kgrag.tune_embedder`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from kgrag import console
from kgrag.commands.options import STORE, Json, Store, need, open_app, print_json
from kgrag.tune.encoder.fit import Settings
from kgrag.tune_embedder import NUMBER, Tick, tune


@contextmanager
def _bars() -> Iterator[Callable[[str], Tick]]:
    """A bar for each thing that is counted."""
    with ExitStack() as stack:

        def bar(what: str) -> Tick:
            state: dict[str, Any] = {"done": 0}

            def tick(done: int, total: int) -> None:
                if "one" not in state:
                    stack.close()  # the bar before
                    state["one"] = stack.enter_context(console.counter(what, total))
                for _ in range(done - state["done"]):
                    state["one"]()
                state["done"] = max(done, state["done"])

            return tick

        yield bar


def embedder_command(
    store: Store = STORE,
    questions: Annotated[
        Path | None, typer.Option(help="Questions with gold documents (jsonl); left out: made from the store's facts.")
    ] = None,
    number: Annotated[int, typer.Option(min=1, help="Questions to make or to read, at most.")] = NUMBER,
    steps: Annotated[int, typer.Option(min=0, help="Steps at most; 0: all pairs once for each epoch.")] = 0,
    epochs: Annotated[int, typer.Option(min=1, help="How often each pair is learned from.")] = 1,
    batch: Annotated[
        int, typer.Option(min=2, help="Pairs a step; each one's passage is a wrong one for the others.")
    ] = 16,
    negatives: Annotated[int, typer.Option(min=1, max=7, help="Hard negatives of each pair.")] = 1,
    rate: Annotated[float, typer.Option(min=0.0, help="Learning rate at its peak.")] = 2e-5,
    seed: Annotated[int, typer.Option(help="Of questions, negatives and training.")] = 0,
    json_: Json = False,
) -> None:
    """Adapt the sentence encoder to the corpus; kept only if it finds more of what was held out."""
    need("datasets", "tune")
    opened = open_app(store)
    settings = Settings(batch=batch, epochs=epochs, steps=steps, rate=rate, seed=seed)
    try:
        with _bars() as bars:
            done = tune(
                opened,
                questions,
                number=number,
                negatives=negatives,
                settings=settings,
                tick=bars,
                notice=console.notice,
            )
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            "The store is as it was; what was learned is kept, run the same command again to go on."
        ) from None
    finally:
        console.end_progress()
    if json_:
        print_json(done.json())
        return
    console.table(
        [
            ("recall@5 on held-out questions, of 100", "before → after, with 95 % interval"),
            ("the encoder by itself", done.dense.said()),
            ("the whole retriever", done.hybrid.said()),
        ],
        heading=True,
    )
    if done.kept:
        console.say(
            f"Kept, as {escape(done.why)}. {escape(str(store))} has its vectors from {escape(str(done.folder))} now."
        )
    else:
        console.say(f"Not kept, as {escape(done.why)}. The store is as it was.")
