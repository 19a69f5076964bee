"""The command `kgrag status`."""

from __future__ import annotations

import json
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from kgrag.cli.models import model_status, model_status_rows
from kgrag.cli.options import (
    DEFAULT_STORE,
    AdapterOption,
    AttentionOption,
    JsonOption,
    ModelOption,
    PrecisionOption,
    StoreOption,
    open_store,
    print_json,
)
from kgrag.terminal import console


def status(
    store: StoreOption = DEFAULT_STORE,
    documents: Annotated[bool, typer.Option("--documents", help="List every document.")] = False,
    models: Annotated[
        bool,
        typer.Option(
            "--models", help="Show the language model that would answer, its runtime, and the reasons for both."
        ),
    ] = False,
    model: ModelOption = None,
    precision: PrecisionOption = None,
    attention: AttentionOption = None,
    adapter: AdapterOption = None,
    json_: JsonOption = False,
) -> None:
    """Show a store's content, size and unreadable sources, or the model that would answer."""
    opened_store = open_store(store, model=model, precision=precision, attention=attention, adapter=adapter)
    if models:
        model_info = model_status(opened_store.model, opened_store.config)
        print_json(model_info) if json_ else console.print_table(model_status_rows(model_info))
        return
    graph = opened_store.graph_store
    problems = [{"source": s, "line": n, "message": m} for s, n, m in graph.problems()]
    value = {
        "store": store,
        "generation": graph.generation,
        "embedder": graph.meta("embedder"),
        "bytes": _folder_bytes(opened_store.folder),
        **graph.counts(),
        "read_by": dict(Counter(graph.extractors().values())),
        "dropped": json.loads(graph.meta("dropped") or "{}"),
        "problems": problems,
    }
    if documents:
        value["ids"] = [{"id": d.id, "title": d.title, "source": d.source, "lang": d.lang} for d in graph.documents()]
    if json_:
        print_json(value)
    else:
        console.print_status(value)


def _folder_bytes(folder: Path) -> int:
    total_bytes = 0
    for file in folder.rglob("*"):
        with suppress(OSError):  # another process may add or delete files meanwhile
            total_bytes += file.stat().st_size if file.is_file() else 0
    return total_bytes
