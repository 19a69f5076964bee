"""The command `kgrag reindex`."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from kgrag.cli.options import DEFAULT_STORE, JsonOption, StoreOption, open_store, print_json
from kgrag.terminal import console

if TYPE_CHECKING:
    from kgrag.store.reindex import OnProgress


def embedder_names() -> list[str]:
    """Return the names of the registry's embedders, for completion."""
    from kgrag.models.registry import all_models

    return [model.name for model in all_models() if model.kind == "embedder"]


def _count_in(bar: ExitStack) -> OnProgress:
    """Return a function that shows progress in a bar, which its first call opens and ``bar`` closes."""
    advance: Callable[[], None] | None = None
    shown = 0

    def show(done: int, total: int) -> None:
        nonlocal advance, shown
        if advance is None:
            console.end_progress()  # of the download
            advance = bar.enter_context(console.show_counter("passages", total))
        for _ in range(done - shown):
            advance()
        shown = max(done, shown)

    return show


def reindex(
    embedder: Annotated[
        str,
        typer.Option(help="Embedder: a name from `kgrag models`, or a model folder.", autocompletion=embedder_names),
    ],
    store: StoreOption = DEFAULT_STORE,
    json_: JsonOption = False,
) -> None:
    """Compute a store's vectors with another embedder. Run it again to continue an interrupted run."""
    opened_store = open_store(store)
    try:
        with ExitStack() as bar:
            result = opened_store.reindex(embedder, _count_in(bar))
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            "The store is unchanged; finished vectors are kept: run the same command again to continue."
        ) from None
    if json_:
        print_json(asdict(result))
    elif result.previous == result.embedder:
        console.print_result(f"{escape(store)} has vectors of {escape(result.embedder)} already.")
    else:
        console.print_result(
            f"{escape(store)} has vectors of [bold]{escape(result.embedder)}[/bold] for {result.passages:,} passages "
            f"({result.embedded:,} embedded now); it had those of {escape(result.previous)}."
        )
