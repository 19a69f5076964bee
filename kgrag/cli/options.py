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

from kgrag.errors import KgragError, ModelError, UsageError
from kgrag.location import parse_location
from kgrag.store.store import Store
from kgrag.terminal import console

if TYPE_CHECKING:
    from ingest.pipeline import IngestReport

StoreOption = Annotated[
    str,
    typer.Option(
        "--store", "-s", help="Folder of the store, or neo4j://user@host:port/database.", envvar="KGRAG_STORE"
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
DEFAULT_STORE = ".kgrag"


def _validate_model_name(name: str | None) -> str | None:
    """The name of a language model as it was given; a wrong one is said before anything is opened."""
    from kgrag.models.endpoint import is_address, parse_address
    from kgrag.models.registry import find_model

    if name is None or name == "auto":
        return name
    try:
        if is_address(name):
            return str(parse_address(name))
        kind = find_model(name).kind
    except ModelError as error:
        raise UsageError(str(error)) from error
    if kind != "llm":
        raise UsageError(f"Expected a language model, found {name}, which makes vectors: see `kgrag models`.")
    return name


def model_names() -> list[str]:
    """The names of the registry, for completion."""
    from kgrag.models.registry import all_models

    return [model.name for model in all_models()]


def replace_surrogates(text: str) -> str:
    """An argument without the halves of characters that a terminal of another encoding leaves in it."""
    return text.encode("utf-8", "replace").decode("utf-8")


ModelOption = Annotated[
    str | None,
    typer.Option(
        "--model",
        help="Language model: a name of `kgrag models`, a folder, a GGUF file, or http://host:port/v1#name.",
        callback=_validate_model_name,
        autocompletion=model_names,
    ),
]


def adapter_names() -> list[str]:
    """The adapters that have a name here, for completion."""
    from kgrag.llm.adapter_registry import list_adapters

    return [one.name for one in list_adapters(store_folder(os.environ.get("KGRAG_STORE", DEFAULT_STORE)))]


AdapterOption = Annotated[
    str | None,
    typer.Option(
        "--adapter",
        help="LoRA adapter to add to the model: a name of `kgrag adapters`, a folder, or none.",
        autocompletion=adapter_names,
    ),
]


class WalkChoice(StrEnum):
    """Where a server's graph is walked."""

    auto = "auto"
    local = "local"
    server = "server"


WalkOption = Annotated[
    WalkChoice | None,
    typer.Option("--walk", help="Of a server's store: walk its graph on the server, or here; auto: what is faster."),
]


def _choice_validator(names: tuple[str, ...]) -> Callable[[str | None], str | None]:
    def validate(name: str | None) -> str | None:
        if name is not None and name not in names:
            raise UsageError(f"Expected one of {', '.join(names)}, found {name!r}.")
        return name

    return validate


PRECISIONS = ("auto", "fp32", "bf16", "fp16", "int8", "int4")
PrecisionOption = Annotated[
    str | None,
    typer.Option(
        "--precision",
        help="Of the model's weights: auto, fp32, bf16, fp16, int8 or int4.",
        callback=_choice_validator(PRECISIONS),
        autocompletion=lambda: list(PRECISIONS),
    ),
]
ATTENTIONS = ("auto", "eager", "sdpa", "flash_attention_2")
AttentionOption = Annotated[
    str | None,
    typer.Option(
        "--attention",
        help="What computes attention, where transformers runs the model: auto, eager, sdpa or flash_attention_2.",
        callback=_choice_validator(ATTENTIONS),
        autocompletion=lambda: list(ATTENTIONS),
    ),
]


class ReaderChoice(StrEnum):
    """Who answers."""

    auto = "auto"
    llm = "llm"
    graph = "graph"


class ArmChoice(StrEnum):
    """With which evidence."""

    grounded = "grounded"
    closed_book = "closed-book"
    gold = "gold"


def open_store(
    store: str | Path,
    *,
    create: bool = False,
    model: str | None = None,
    precision: str | None = None,
    attention: str | None = None,
    walk: WalkChoice | None = None,
    adapter: str | None = None,
) -> Store:
    """A store, with what takes long shown on standard error; what is None is as the store's kgrag.toml says."""
    from kgrag.llm.adapter_registry import NO_ADAPTER

    overrides = {"precision": precision, "attention": attention, "walk": walk.value if walk else None}
    if adapter is not None:
        overrides["adapter"] = "" if adapter in ("", NO_ADAPTER) else validate_adapter(adapter, store)
    return Store(
        parse_location(str(store)),
        console.print_notice,
        console.show_model_progress,
        create=create,
        model=model,
        overrides=overrides,
    )


def validate_adapter(name: str, store: str | Path) -> str:
    """The name of an adapter as it was given; a wrong one is said before anything is opened."""
    from kgrag.llm.adapter_registry import resolve_adapter_folder
    from kgrag.llm.lora_adapter import load_adapter

    try:
        load_adapter(resolve_adapter_folder(name, store_folder(store)))
    except ModelError as error:
        raise UsageError(str(error)) from error
    return name


def store_folder(store: str | Path) -> Path:
    """The folder of a store, or the one that keeps what is derived from a server's."""
    location = parse_location(str(store))
    return location if isinstance(location, Path) else location.folder


def print_json(value: Any) -> None:
    """A result for programs; plain ASCII where the output cannot take more."""
    is_ascii_only = (sys.stdout.encoding or "").lower().replace("-", "") != "utf8"
    sys.stdout.write(json.dumps(nan_to_none(value), ensure_ascii=is_ascii_only, indent=2, allow_nan=False) + "\n")


def nan_to_none(value: Any) -> Any:
    """``value`` with null for what is not a number: JSON has no NaN."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {name: nan_to_none(part) for name, part in value.items()}
    return [nan_to_none(part) for part in value] if isinstance(value, list | tuple) else value


class ExtractorChoice(StrEnum):
    """Who looks for facts while ingesting."""

    rules = "rules"
    llm = "llm"
    both = "both"


def ingest_into(store: Store, paths: list[str], extract: str | None = None) -> IngestReport:
    """Read files into a store behind a bar; Ctrl-C says what was kept."""
    try:
        with console.show_ingest_progress() as progress:
            return store.ingest(paths, progress, extract)
    except KeyboardInterrupt:
        raise KeyboardInterrupt("What was read is kept; run the same command again to go on.") from None


def require_ingested(report: IngestReport) -> None:
    """Raises KgragError if an ingest found nothing to read."""
    if not report.added + report.replaced + report.unchanged + report.removed:
        raise KgragError("Nothing was ingested: no document could be read from what was named.")


def require_library(library: str, extra: str) -> None:
    """Raises KgragError if a library that only some commands need is not installed."""
    try:
        import_module(library)
    except ImportError as error:
        raise KgragError(
            f"This command needs {library}, which cannot be loaded ({error}): "
            f"install it with `pip install 'kgrag[{extra}]'`."
        ) from error
