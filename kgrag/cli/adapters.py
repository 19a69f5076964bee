"""The commands of `kgrag adapters`: list, show, merge and remove adapters."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from kgrag.cli.options import (
    DEFAULT_STORE,
    JsonOption,
    StoreOption,
    adapter_names,
    model_names,
    print_json,
    store_folder,
)
from kgrag.errors import KgragError, ModelError, UsageError
from kgrag.terminal import console

if TYPE_CHECKING:
    from kgrag.llm.adapter_registry import AdapterEntry
    from kgrag.models.registry import ModelEntry
    from kgrag.tune.adapters.card import AdapterCard
    from kgrag.tune.adapters.inventory import AdapterInfo

PLACE_LABELS = {"own": "yours", "shipped": "built-in", "store": "beside the store", "path": "a folder"}
MAX_LISTED_FIGURES = 2
"""Figures of each adapter in the list; its card has all."""
adapters = typer.Typer(
    suggest_commands=False,  # click suggests
    help="List adapters, show one, merge one into its base model, or remove one.",
    no_args_is_help=True,
)
AdapterArgument = Annotated[
    str, typer.Argument(help="Name from `kgrag adapters list`, or a folder.", autocompletion=adapter_names)
]


class MergePrecision(StrEnum):
    """Precision of merged safetensors."""

    bf16 = "bf16"
    fp16 = "fp16"
    fp32 = "fp32"


class OpenVINOPrecision(StrEnum):
    """Precision of an OpenVINO model."""

    fp32 = "fp32"
    fp16 = "fp16"
    int8 = "int8"
    int4 = "int4"


@adapters.command("list")
def adapters_list(store: StoreOption = DEFAULT_STORE, json_: JsonOption = False) -> None:
    """List the adapters: yours, those beside the store, and the built-in ones."""
    from kgrag.llm.adapter_registry import list_adapters, user_adapter_folder
    from kgrag.tune.adapters.inventory import describe_adapter

    model = _answering_model(store)
    adapter_infos = [describe_adapter(entry, model) for entry in list_adapters(store_folder(store))]
    if json_:
        print_json([info.json() for info in adapter_infos])
        return
    if not adapter_infos:
        console.print_result(f"No adapters in {escape(str(user_adapter_folder()))}; `kgrag tune` trains one.")
        return
    rows = [("name", "base", "method", "size", "figures, before → after", "", "where")]
    for info in adapter_infos:
        fits = (
            "[yellow]cannot be used[/yellow]"
            if info.problem
            else "[dim]other base model[/dim]"
            if info.misfit
            else "fits"
        )
        name, base = escape(info.entry.name), escape(Path(info.base).name if "/" in info.base else info.base or "–")
        changes = ", ".join(_format_changes(info.card)[:MAX_LISTED_FIGURES]) if info.card else ""
        size = f"{info.bytes / 1e6:,.1f} MB"
        where = PLACE_LABELS[info.entry.location]
        rows.append((f"[bold]{name}[/bold]", base, info.method or "–", size, escape(changes or "–"), fits, where))
    console.print_table(rows, right=(3,), heading=True)
    for info in adapter_infos:
        if info.problem:
            console.print_notice(info.problem)
    if model is not None:
        console.print_notice(f"“fits” refers to {model.name}, the model that answers here.")


@adapters.command("show")
def adapters_show(name: AdapterArgument, store: StoreOption = DEFAULT_STORE, json_: JsonOption = False) -> None:
    """Show an adapter's base model, training data, settings and measured effect."""
    from kgrag.tune.adapters.inventory import describe_adapter

    model = _answering_model(store)
    info = describe_adapter(_find_adapter(name, store), model)
    if json_:
        print_json(info.json())
        return
    console.print_table([(heading, escape(text)) for heading, text in _card_rows(info, model) if text])
    if info.card is not None:
        _print_figures(info.card)
    if info.problem:
        raise ModelError(info.problem)


@adapters.command("merge")
def adapters_merge(
    name: AdapterArgument,
    out: Annotated[Path | None, typer.Option(help="New folder for the model (default: NAME-merged).")] = None,
    precision: Annotated[
        MergePrecision, typer.Option(help="Precision of the merged safetensors.")
    ] = MergePrecision.bf16,
    openvino: Annotated[
        OpenVINOPrecision | None,
        typer.Option(help="Precision of an additional OpenVINO model for processors (default: none)."),
    ] = None,
    base: Annotated[
        str,
        typer.Option(
            help="Base model, if the adapter names another one (default: as the adapter names it).",
            autocompletion=model_names,
        ),
    ] = "",
    store: StoreOption = DEFAULT_STORE,
    json_: JsonOption = False,
) -> None:
    """Merge an adapter into its base model: writes a full model to a folder that --model accepts."""
    from kgrag.llm.loader import weights_folder
    from kgrag.llm.lora_adapter import base_sha256, check_base, load_adapter
    from kgrag.tune.adapters.card import load_card
    from kgrag.tune.adapters.inventory import find_base_model
    from kgrag.tune.adapters.merge import merge_adapter

    folder = _find_adapter(name, store).folder
    adapter = load_adapter(folder)
    model = find_base_model(adapter, load_card(folder), base)
    if model.kind != "llm":
        raise UsageError(
            f"Expected a language model as --base, found the embedder {model.name}: choose a language model."
        )
    target = (out or Path(f"{adapter.name}-merged")).expanduser()
    weights = weights_folder(model, console.show_model_progress)
    label = model.local_path.name if model.local_path is not None else Path(model.name).name
    check_base(adapter, label, weights, base_sha256(adapter, model))
    try:
        merge_adapter(
            adapter,
            weights,
            target,
            precision=precision.value,
            openvino=openvino.value if openvino else "",
            progress=console.show_model_progress,
        )
    finally:
        console.end_progress()
    run_folder = target / f"openvino-{openvino.value}" if openvino else target
    if json_:
        print_json({"model": model.name, "adapter": adapter.name, "folder": str(target), "run": str(run_folder)})
    else:
        console.print_result(
            f"[bold]{escape(str(target))}[/bold] has {escape(label)} merged with {escape(adapter.name)}: "
            f"`kgrag ask --model {escape(str(run_folder))}`."
        )


@adapters.command("rm")
def adapters_rm(
    name: AdapterArgument,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Remove without confirmation.")] = False,
    store: StoreOption = DEFAULT_STORE,
    json_: JsonOption = False,
) -> None:
    """Remove an adapter. Built-in adapters cannot be removed."""
    from kgrag.tune.adapters.inventory import check_removable, remove_adapter

    entry = _find_adapter(name, store)
    if warning := check_removable(entry):
        console.print_notice(f"{warning}.")
    if not yes:
        if not sys.stdin.isatty():
            raise UsageError(f"Not removing {entry.name}: no terminal to confirm. Pass --yes.")
        if not typer.confirm(f"Remove {entry.name} in {entry.folder}?", err=True):
            raise KgragError(f"Not removed: {entry.name}.")
    remove_adapter(entry)
    print_json({"removed": str(entry.folder)}) if json_ else console.print_result(
        f"Removed {escape(str(entry.folder))}."
    )


def _find_adapter(name: str, store: str) -> AdapterEntry:
    from kgrag.llm.adapter_registry import resolve_adapter

    try:
        return resolve_adapter(name, store_folder(store))
    except ModelError as error:
        raise UsageError(str(error)) from error


def _answering_model(store: str) -> ModelEntry | None:
    """Return the model that would answer over a store; None for a model behind a server."""
    from kgrag.config import load_config
    from kgrag.llm.loader import resolve_model
    from kgrag.models.endpoint import is_address

    config = load_config(store_folder(store))
    return None if is_address(config.model) else resolve_model(config.model, config)[0]


def _card_rows(info: AdapterInfo, model: ModelEntry | None) -> list[tuple[str, str]]:
    card, settings = info.card, info.settings or {}
    modules = settings.get("target_modules") or []
    fits = "" if model is None or info.problem else f"not {model.name}: {info.misfit}" if info.misfit else model.name
    rows = [
        ("name", info.entry.name),
        ("where", f"{info.entry.folder} ({PLACE_LABELS[info.entry.location]})"),
        ("base", info.base or "unknown"),
        ("base's sha256", card.base_sha256 if card else ""),
        (
            "method",
            " ".join(
                [info.method or "unknown", f"of rank {_adapter_rank(info)}" if _adapter_rank(info) else ""]
            ).strip(),
        ),
        ("matrices", ", ".join(sorted(modules)) if isinstance(modules, list) else str(modules)),
        ("size", f"{info.bytes / 1e6:,.1f} MB" + (f", {info.parameters:,} parameters" if info.parameters else "")),
        ("fits", fits),
    ]
    if card is None:
        version = settings.get("peft_version")
        saved_by = f"peft {version}" if version else "another program"
        return [
            *rows,
            ("card", "" if info.problem else f"none: saved by {saved_by}, so its training data is unknown"),
        ]
    data = card.data
    training_data = f"{data.number:,} examples" + (f": {data.what}" if data.what else "")
    return [
        *rows,
        ("training data", training_data if data.number or data.what else "unknown"),
        ("data's sha256", data.sha256),
        ("data's licence", data.licence or "unknown"),
        ("steps", f"{card.steps:,} in {card.seconds / 60:,.1f} minutes, seed {card.seed}"),
        ("made", card.made),
    ]


def _adapter_rank(info: AdapterInfo) -> int:
    return (info.card.rank if info.card else 0) or (info.adapter.rank if info.adapter else 0)


def _format_changes(card: AdapterCard) -> list[str]:
    from kgrag.tune.adapters.inventory import measured_changes

    return [
        f"{name} {_format_value(before)} → {_format_value(after)}" for name, before, after in measured_changes(card)
    ]


def _print_figures(card: AdapterCard) -> None:
    from kgrag.tune.adapters.card import QUESTION_COUNT_KEY
    from kgrag.tune.adapters.inventory import measured_changes

    if not (rows := measured_changes(card)):
        console.print_result("No measured figures.")
        return
    console.print_result("")
    table = [("on held-out questions", "before", "after")]
    table += [
        (escape(name), _format_value(before), f"[bold]{_format_value(after)}[/bold]") for name, before, after in rows
    ]
    console.print_table(table, right=(1, 2), heading=True)
    counts = [figures[QUESTION_COUNT_KEY] for figures in (card.before, card.after) if QUESTION_COUNT_KEY in figures]
    if counts:
        question_counts = " and ".join(f"{count:,.0f}" for count in dict.fromkeys(counts))
        console.print_notice(f"Measured on {question_counts} questions.")


def _format_value(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"
