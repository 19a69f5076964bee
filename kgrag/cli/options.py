"""Shared by the commands: options, opening a store, printing JSON."""

from __future__ import annotations

import json
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
from kgrag.serialize import nan_to_none
from kgrag.terminal import console

if TYPE_CHECKING:
    from ingest.pipeline import IngestReport
    from kgrag.store.store import Store

StoreOption = Annotated[
    str,
    typer.Option(
        "--store", "-s", help="Folder of the store, or neo4j://user@host:port/database.", envvar="KGRAG_STORE"
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
DEFAULT_STORE = ".kgrag"


def _validate_model_name(name: str | None) -> str | None:
    """Return the name of a language model; raise UsageError for an invalid one before anything is opened."""
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
        raise UsageError(f"Expected a language model, found the embedder {name}: choose one of `kgrag models`.")
    return name


def model_names() -> list[str]:
    """Return the names of the registry's models, for completion."""
    from kgrag.models.registry import all_models

    return [model.name for model in all_models()]


def replace_surrogates(text: str) -> str:
    """Replace the lone surrogates that a terminal of another encoding leaves in an argument."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _validate_filter(where: str | None) -> str | None:
    """Return a filter; raise UsageError for an invalid one before anything is opened."""
    from kgrag.filters import parse_filter

    if where is not None:
        parse_filter(where)
    return where


ModelOption = Annotated[
    str | None,
    typer.Option(
        "--model",
        help="Language model: a name from `kgrag models`, a folder, a GGUF file, or http://host:port/v1#name (default: auto, or as in kgrag.toml).",
        callback=_validate_model_name,
        autocompletion=model_names,
    ),
]


def adapter_names() -> list[str]:
    """Return the names of the adapters, for completion."""
    from kgrag.llm.adapter_registry import list_adapters

    return [adapter.name for adapter in list_adapters(store_folder(os.environ.get("KGRAG_STORE", DEFAULT_STORE)))]


AdapterOption = Annotated[
    str | None,
    typer.Option(
        "--adapter",
        help="LoRA adapter of the model: a name from `kgrag adapters`, a folder, or none (default: none, or as in kgrag.toml).",
        autocompletion=adapter_names,
    ),
]


WhereOption = Annotated[
    str | None,
    typer.Option(
        "--where",
        help='Filter on the documents, such as: path:reports/ and date>=2025-01-01 and tag:"q3".',
        callback=_validate_filter,
    ),
]


class WalkChoice(StrEnum):
    """Machine that walks the graph of a server's store."""

    auto = "auto"
    local = "local"
    server = "server"


WalkOption = Annotated[
    WalkChoice | None,
    typer.Option(
        "--walk",
        help="Machine that walks the graph of a server's store: server, local, or auto for the faster one (default: auto, or as in kgrag.toml).",
    ),
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
        help="Precision of the model's weights: auto, fp32, bf16, fp16, int8 or int4 (default: auto, or as in kgrag.toml).",
        callback=_choice_validator(PRECISIONS),
        autocompletion=lambda: list(PRECISIONS),
    ),
]
ATTENTIONS = ("auto", "eager", "sdpa", "flash_attention_2")
AttentionOption = Annotated[
    str | None,
    typer.Option(
        "--attention",
        help="Attention implementation with transformers: auto, eager, sdpa or flash_attention_2 (default: auto, or as in kgrag.toml).",
        callback=_choice_validator(ATTENTIONS),
        autocompletion=lambda: list(ATTENTIONS),
    ),
]


STYLES = ("auto", "phrase", "sentences", "full")
StyleOption = Annotated[
    str | None,
    typer.Option(
        "--style",
        help="Form of the answer: phrase, sentences, full, or auto for the form that the question asks for (default: auto, or as in kgrag.toml).",
        callback=_choice_validator(STYLES),
        autocompletion=lambda: list(STYLES),
    ),
]


class ReaderChoice(StrEnum):
    """Source of an answer."""

    auto = "auto"
    llm = "llm"
    graph = "graph"
    quote = "quote"


def open_store(
    store: str | Path,
    *,
    create: bool = False,
    model: str | None = None,
    precision: str | None = None,
    attention: str | None = None,
    walk: WalkChoice | None = None,
    adapter: str | None = None,
    style: str | None = None,
) -> Store:
    """Open a store, with progress on standard error; None stands for the value in the store's kgrag.toml."""
    from kgrag.llm.adapter_registry import NO_ADAPTER

    overrides = {
        "precision": precision,
        "attention": attention,
        "walk": walk.value if walk else None,
        "style": style,
    }
    if adapter is not None:
        overrides["adapter"] = "" if adapter in ("", NO_ADAPTER) else validate_adapter(adapter, store)
    from kgrag.store.store import Store

    return Store(
        parse_location(str(store)),
        console.print_notice,
        console.show_model_progress,
        create=create,
        model=model,
        overrides=overrides,
    )


def validate_adapter(name: str, store: str | Path) -> str:
    """Return the name of an adapter; raise UsageError for an invalid one before anything is opened."""
    from kgrag.llm.adapter_registry import resolve_adapter_folder
    from kgrag.llm.lora_adapter import load_adapter

    try:
        load_adapter(resolve_adapter_folder(name, store_folder(store)))
    except ModelError as error:
        raise UsageError(str(error)) from error
    return name


def store_folder(store: str | Path) -> Path:
    """Return the folder of a store, or the local folder of a server's store."""
    location = parse_location(str(store))
    return location if isinstance(location, Path) else location.folder


def print_json(value: Any) -> None:
    """Print a result as JSON; as plain ASCII if the output's encoding cannot hold it."""
    is_ascii_only = (sys.stdout.encoding or "").lower().replace("-", "") != "utf8"
    sys.stdout.write(json.dumps(nan_to_none(value), ensure_ascii=is_ascii_only, indent=2, allow_nan=False) + "\n")


class ExtractorChoice(StrEnum):
    """Fact extractor of an ingest."""

    rules = "rules"
    llm = "llm"
    both = "both"


def ingest_into(store: Store, paths: list[str], extract: str | None = None, *, prune: bool = False) -> IngestReport:
    """Ingest files with a progress bar; after Ctrl-C, the message says what was kept."""
    from kgrag.terminal.ingest_progress import show_ingest_progress

    try:
        with show_ingest_progress() as progress:
            return store.ingest(paths, progress, extract, prune=prune)
    except KeyboardInterrupt:
        raise KeyboardInterrupt("Finished documents are kept: run the same command again to continue.") from None


def require_ingested(report: IngestReport) -> None:
    """Raise KgragError if an ingest found no readable document."""
    if not report.added + report.replaced + report.unchanged + report.removed:
        raise KgragError("Expected readable documents in the given paths, found none: check the paths and formats.")


def require_library(library: str, extra: str) -> None:
    """Raise KgragError if an optional library is not installed."""
    try:
        import_module(library)
    except ImportError as error:
        raise KgragError(
            f"This command needs {library}, which cannot be loaded ({error}): "
            f"install it with `pip install 'kgrag[{extra}]'`."
        ) from error
