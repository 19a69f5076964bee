"""The command `kgrag forget`."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.markup import escape

from kgrag.cli.options import DEFAULT_STORE, JsonOption, StoreOption, open_store, print_json
from kgrag.terminal import console


def forget(
    document: Annotated[
        str, typer.Argument(help="Id of a document, or a file, folder or glob for all documents in it.")
    ],
    store: StoreOption = DEFAULT_STORE,
    json_: JsonOption = False,
) -> None:
    """Delete a document with its passages, vectors, names and facts."""
    forgotten_ids = open_store(store).forget(document)
    if json_:
        print_json({"forgotten": forgotten_ids})
    elif forgotten_ids:
        console.print_result(
            f"Forgot {len(forgotten_ids)} document{'s' * (len(forgotten_ids) > 1)}: {escape(', '.join(forgotten_ids[:5]))}{' …' * (len(forgotten_ids) > 5)}"
        )
