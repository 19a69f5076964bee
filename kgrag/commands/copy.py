"""`kgrag copy`: everything of one store in another, whatever each is kept in."""

from __future__ import annotations

import shutil
from typing import Annotated

import typer
from rich.markup import escape

from kgrag import console
from kgrag.commands.options import Json, open_app, print_json

FILES = ("kgrag.toml", "aliases.toml", "predicates.toml")


def copy(
    source: Annotated[str, typer.Argument(help="The store to copy: a folder, or a server's database.")],
    target: Annotated[str, typer.Argument(help="Where to: a new folder, or an empty database.")],
    json_: Json = False,
) -> None:
    """Copy everything of a store into another, such as from a folder to a Neo4j server. Run it again to go on."""
    from graphs.copy import copy as copied

    one = open_app(source)
    total = one.graph.counts()["documents"]
    other = open_app(target, create=True)
    with other.writing():
        with console.counter("documents", total) as tick:
            count = copied(one.graph, other.graph, tick)
        other.store.mkdir(parents=True, exist_ok=True)
        for name in FILES:
            if (one.store / name).is_file() and not (other.store / name).exists():
                shutil.copy(one.store / name, other.store / name)
        embedder = one.graph.meta("embedder") or ""  # tuned ones lie beside the store
        if embedder and (one.store / embedder).is_dir() and not (other.store / embedder).exists():
            shutil.copytree(one.store / embedder, other.store / embedder)
    if json_:
        print_json({"copied": count, "documents": total})
    else:
        console.say(f"Copied {count:,} documents. [bold]{escape(target)}[/bold] now holds what {escape(source)} holds.")
