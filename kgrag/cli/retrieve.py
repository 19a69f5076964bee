"""The command `kgrag retrieve`."""

from __future__ import annotations

from typing import Annotated

import typer

from kgrag.cli.options import (
    DEFAULT_STORE,
    JsonOption,
    StoreOption,
    WalkOption,
    WhereOption,
    open_store,
    print_json,
    replace_surrogates,
)
from kgrag.terminal import console


def retrieve(
    question: Annotated[str, typer.Argument(help="Question or keywords.", callback=replace_surrogates)],
    store: StoreOption = DEFAULT_STORE,
    k: Annotated[int, typer.Option("-k", help="Number of passages to show.")] = 5,
    where: WhereOption = None,
    walk: WalkOption = None,
    json_: JsonOption = False,
) -> None:
    """Show the passages that match a question, with the ranks and paths that led to each."""
    from kgrag.retrieve.hybrid import validate_question
    from kgrag.serialize import hit_json
    from kgrag.terminal.render import hit_lines

    validate_question(question, k)
    hits = open_store(store, walk=walk).retrieve(question, k, where=where)
    if json_:
        print_json([hit_json(hit) for hit in hits])
        return
    for hit in hits:
        console.print_lines(hit_lines(hit))
    if not hits:
        scope = "that the filter selects " if where else ""
        console.print_notice(f"No passage in the store {scope}shares a word or a name with the question.")
