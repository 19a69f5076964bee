"""The command `kgrag copy`."""

from __future__ import annotations

import shutil
from typing import Annotated

import typer
from rich.markup import escape

from kgrag.cli.options import JsonOption, open_store, print_json
from kgrag.terminal import console

CONFIG_FILES = ("kgrag.toml", "aliases.toml", "predicates.toml")


def copy(
    source: Annotated[str, typer.Argument(help="Store to copy: a folder, or a server's database.")],
    target: Annotated[str, typer.Argument(help="Destination: a new folder, or an empty database.")],
    json_: JsonOption = False,
) -> None:
    """Copy a store, for example from a folder to a Neo4j server. Run it again to continue an interrupted copy."""
    from graphs.store_copy import copy_store as copied

    source_store = open_store(source)
    total = source_store.graph_store.counts()["documents"]
    target_store = open_store(target, create=True)
    with target_store.write_lock():
        with console.show_counter("documents", total) as tick:
            count = copied(source_store.graph_store, target_store.graph_store, tick)
        target_store.folder.mkdir(parents=True, exist_ok=True)
        for name in CONFIG_FILES:
            if (source_store.folder / name).is_file() and not (target_store.folder / name).exists():
                shutil.copy(source_store.folder / name, target_store.folder / name)
        embedder = source_store.graph_store.meta("embedder") or ""  # fine-tuned embedders are beside the store
        if embedder and (source_store.folder / embedder).is_dir() and not (target_store.folder / embedder).exists():
            shutil.copytree(source_store.folder / embedder, target_store.folder / embedder)
    if json_:
        print_json({"copied": count, "documents": total})
    else:
        console.print_result(f"Copied {count:,} documents from {escape(source)} to [bold]{escape(target)}[/bold].")
