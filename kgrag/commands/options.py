"""What the commands share: their options, opening a store, and printing JSON."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Callable
from enum import StrEnum
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kgrag import console
from kgrag.app import App
from kgrag.errors import KgragError, ModelError, UsageError
from kgrag.place import place

if TYPE_CHECKING:
    from ingest.pipeline import Report

Store = Annotated[
    str,
    typer.Option(
        "--store", "-s", help="Folder of the store, or neo4j://user@host:port/database.", envvar="KGRAG_STORE"
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
STORE = ".kgrag"


def _language_model(name: str | None) -> str | None:
    """The name of a language model as it was given; a wrong one is said before anything is opened."""
    from kgrag.models.address import address, is_address
    from kgrag.models.registry import find

    if name is None or name == "auto":
        return name
    try:
        if is_address(name):
            return str(address(name))
        kind = find(name).kind
    except ModelError as error:
        raise UsageError(str(error)) from error
    if kind != "llm":
        raise UsageError(f"Expected a language model, found {name}, which makes vectors: see `kgrag models`.")
    return name


def model_names() -> list[str]:
    """The names of the registry, for completion."""
    from kgrag.models.registry import all_models

    return [model.name for model in all_models()]


def whole(text: str) -> str:
    """An argument without the halves of characters that a terminal of another encoding leaves in it."""
    return text.encode("utf-8", "replace").decode("utf-8")


Model = Annotated[
    str | None,
    typer.Option(
        "--model",
        help="Language model: a name of `kgrag models`, a folder, a GGUF file, or http://host:port/v1#name.",
        callback=_language_model,
        autocompletion=model_names,
    ),
]


def adapter_names() -> list[str]:
    """The adapters that have a name here, for completion."""
    from kgrag.llm.shelf import shelved

    return [one.name for one in shelved(folder_of(os.environ.get("KGRAG_STORE", STORE)))]


Adapter = Annotated[
    str | None,
    typer.Option(
        "--adapter",
        help="LoRA adapter to add to the model: a name of `kgrag adapters`, a folder, or none.",
        autocompletion=adapter_names,
    ),
]


class WalkName(StrEnum):
    """Where a server's graph is walked."""

    auto = "auto"
    local = "local"
    server = "server"


Walk = Annotated[
    WalkName | None,
    typer.Option("--walk", help="Of a server's store: walk its graph on the server, or here; auto: what is faster."),
]


def _one_of(names: tuple[str, ...]) -> Callable[[str | None], str | None]:
    def checked(name: str | None) -> str | None:
        if name is not None and name not in names:
            raise UsageError(f"Expected one of {', '.join(names)}, found {name!r}.")
        return name

    return checked


PRECISIONS = ("auto", "fp32", "bf16", "fp16", "int8", "int4")
Precision = Annotated[
    str | None,
    typer.Option(
        "--precision",
        help="Of the model's weights: auto, fp32, bf16, fp16, int8 or int4.",
        callback=_one_of(PRECISIONS),
        autocompletion=lambda: list(PRECISIONS),
    ),
]
ATTENTIONS = ("auto", "eager", "sdpa", "flash_attention_2")
Attention = Annotated[
    str | None,
    typer.Option(
        "--attention",
        help="What computes attention, where transformers runs the model: auto, eager, sdpa or flash_attention_2.",
        callback=_one_of(ATTENTIONS),
        autocompletion=lambda: list(ATTENTIONS),
    ),
]


class ReaderName(StrEnum):
    """Who answers."""

    auto = "auto"
    llm = "llm"
    graph = "graph"


class Arm(StrEnum):
    """With which evidence."""

    grounded = "grounded"
    closed_book = "closed-book"
    gold = "gold"


def open_app(
    store: str | Path,
    *,
    create: bool = False,
    model: str | None = None,
    precision: str | None = None,
    attention: str | None = None,
    walk: WalkName | None = None,
    adapter: str | None = None,
) -> App:
    """A store, with what takes long shown on standard error; what is None is as the store's kgrag.toml says."""
    from kgrag.llm.shelf import NONE

    given = {"precision": precision, "attention": attention, "walk": walk.value if walk else None}
    if adapter is not None:
        given["adapter"] = "" if adapter in ("", NONE) else adapter_here(adapter, store)
    return App(place(str(store)), console.notice, console.model_progress, create=create, model=model, given=given)


def adapter_here(name: str, store: str | Path) -> str:
    """The name of an adapter as it was given; a wrong one is said before anything is opened."""
    from kgrag.llm.adapter import load_adapter
    from kgrag.llm.shelf import find_adapter

    try:
        load_adapter(find_adapter(name, folder_of(store)))
    except ModelError as error:
        raise UsageError(str(error)) from error
    return name


def folder_of(store: str | Path) -> Path:
    """The folder of a store, or the one that keeps what is derived from a server's."""
    where = place(str(store))
    return where if isinstance(where, Path) else where.folder


def print_json(value: Any) -> None:
    """A result for programs; plain ASCII where the output cannot take more."""
    plain = (sys.stdout.encoding or "").lower().replace("-", "") != "utf8"
    sys.stdout.write(json.dumps(defined(value), ensure_ascii=plain, indent=2, allow_nan=False) + "\n")


def defined(value: Any) -> Any:
    """``value`` with null for what is not a number: JSON has no NaN."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {name: defined(part) for name, part in value.items()}
    return [defined(part) for part in value] if isinstance(value, list | tuple) else value


class Extract(StrEnum):
    """Who looks for facts while ingesting."""

    rules = "rules"
    llm = "llm"
    both = "both"


def ingest_into(opened: App, paths: list[str], extract: str | None = None) -> Report:
    """Read files into a store behind a bar; Ctrl-C says what was kept."""
    try:
        with console.ingest_progress() as progress:
            return opened.ingest(paths, progress, extract)
    except KeyboardInterrupt:
        raise KeyboardInterrupt("What was read is kept; run the same command again to go on.") from None


def something(report: Report) -> None:
    """Raises KgragError if an ingest found nothing to read."""
    if not report.added + report.replaced + report.unchanged + report.removed:
        raise KgragError("Nothing was ingested: no document could be read from what was named.")


def need(library: str, extra: str) -> None:
    """Raises KgragError if a library that only some commands need is not installed."""
    try:
        import_module(library)
    except ImportError as error:
        raise KgragError(
            f"This command needs {library}, which cannot be loaded ({error}): "
            f"install it with `pip install 'kgrag[{extra}]'`."
        ) from error
