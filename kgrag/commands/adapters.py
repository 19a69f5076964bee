"""The commands about adapters: which there are, what each did, merging one into its base, removing one."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from kgrag import console
from kgrag.commands.options import STORE, Json, Store, adapter_names, folder_of, model_names, print_json
from kgrag.errors import KgragError, ModelError, UsageError

if TYPE_CHECKING:
    from kgrag.llm.shelf import Shelved
    from kgrag.models.registry import Model
    from kgrag.tune.adapters.card import Card
    from kgrag.tune.adapters.kept import Known

PLACES = {"own": "yours", "shipped": "with the program", "store": "beside the store", "path": "a folder"}
FIGURES = 2
"""Figures of each adapter in the list; its card has all."""
adapters = typer.Typer(
    suggest_commands=False,  # click does
    help="List the adapters, look at one, merge it into its model, or remove it.",
    no_args_is_help=True,
)
Name = Annotated[
    str, typer.Argument(help="A name of `kgrag adapters list`, or a folder.", autocompletion=adapter_names)
]


class Kept(StrEnum):
    """Precisions of merged safetensors."""

    bf16 = "bf16"
    fp16 = "fp16"
    fp32 = "fp32"


class Run(StrEnum):
    """Precisions of OpenVINO."""

    fp32 = "fp32"
    fp16 = "fp16"
    int8 = "int8"
    int4 = "int4"


@adapters.command("list")
def adapters_list(store: Store = STORE, json_: Json = False) -> None:
    """List the adapters: yours, those beside the store, and those that come with the program."""
    from kgrag.llm.shelf import own_folder, shelved
    from kgrag.tune.adapters.kept import known

    model = _model(store)
    found = [known(one, model) for one in shelved(folder_of(store))]
    if json_:
        print_json([one.json() for one in found])
        return
    if not found:
        console.say(f"There are no adapters in {escape(str(own_folder()))}, where `kgrag tune` puts those it makes.")
        return
    rows = [("name", "base", "method", "size", "figures, before → after", "", "where")]
    for one in found:
        fits = (
            "[yellow]cannot be used[/yellow]" if one.problem else "[dim]another model's[/dim]" if one.misfit else "fits"
        )
        name, base = escape(one.shelved.name), escape(Path(one.base).name if "/" in one.base else one.base or "–")
        changes = ", ".join(_changes(one.card)[:FIGURES]) if one.card else ""
        size = f"{one.bytes / 1e6:,.1f} MB"
        where = PLACES[one.shelved.place]
        rows.append((f"[bold]{name}[/bold]", base, one.method or "–", size, escape(changes or "–"), fits, where))
    console.table(rows, right=(3,), heading=True)
    for one in found:
        if one.problem:
            console.notice(one.problem)
    if model is not None:
        console.notice(f"“fits” is about {model.name}, which answers here.")


@adapters.command("show")
def adapters_show(name: Name, store: Store = STORE, json_: Json = False) -> None:
    """What an adapter was made from, how, and what it did; of another program's, what is known."""
    from kgrag.tune.adapters.kept import known

    model = _model(store)
    one = known(_shelved(name, store), model)
    if json_:
        print_json(one.json())
        return
    console.table([(heading, escape(text)) for heading, text in _card_rows(one, model) if text])
    if one.card is not None:
        _figures(one.card)
    if one.problem:
        raise ModelError(one.problem)


@adapters.command("merge")
def adapters_merge(
    name: Name,
    out: Annotated[Path | None, typer.Option(help="A new folder for the model; NAME-merged if left out.")] = None,
    precision: Annotated[Kept, typer.Option(help="Of the merged safetensors.")] = Kept.bf16,
    openvino: Annotated[Run | None, typer.Option(help="Make what a processor runs, too, in this precision.")] = None,
    base: Annotated[
        str, typer.Option(help="The model it was trained on, if it says another.", autocompletion=model_names)
    ] = "",
    store: Store = STORE,
    json_: Json = False,
) -> None:
    """Merge an adapter into its base: a full model, in a folder that --model takes."""
    from kgrag.llm.adapter import base_sha256, check_base, load_adapter
    from kgrag.llm.choose import weights_of
    from kgrag.tune.adapters.card import load_card
    from kgrag.tune.adapters.kept import base_of
    from kgrag.tune.adapters.merge import merge

    folder = _shelved(name, store).folder
    adapter = load_adapter(folder)
    model = base_of(adapter, load_card(folder), base)
    if model.kind != "llm":
        raise UsageError(f"Expected a language model as --base, found {model.name}, which makes vectors.")
    target = (out or Path(f"{adapter.name}-merged")).expanduser()
    weights = weights_of(model, console.model_progress)
    label = model.local.name if model.local is not None else Path(model.name).name
    check_base(adapter, label, weights, base_sha256(adapter, model))
    try:
        merge(
            adapter,
            weights,
            target,
            precision=precision.value,
            openvino=openvino.value if openvino else "",
            progress=console.model_progress,
        )
    finally:
        console.end_progress()
    runs = target / f"openvino-{openvino.value}" if openvino else target
    if json_:
        print_json({"model": model.name, "adapter": adapter.name, "folder": str(target), "run": str(runs)})
    else:
        console.say(
            f"[bold]{escape(str(target))}[/bold] is {escape(label)} with {escape(adapter.name)} in it: "
            f"`kgrag ask --model {escape(str(runs))}`."
        )


@adapters.command("rm")
def adapters_rm(
    name: Name,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    store: Store = STORE,
    json_: Json = False,
) -> None:
    """Remove an adapter. What comes with the program stays."""
    from kgrag.tune.adapters.kept import removable, remove

    one = _shelved(name, store)
    if warning := removable(one):
        console.notice(f"{warning}.")
    if not yes:
        if not sys.stdin.isatty():
            raise UsageError(f"Expected --yes, or somebody to ask whether {one.name} is to go: nobody is there.")
        if not typer.confirm(f"Remove {one.name} in {one.folder}?", err=True):
            raise KgragError(f"{one.name} stays.")
    remove(one)
    print_json({"removed": str(one.folder)}) if json_ else console.say(f"Removed {escape(str(one.folder))}.")


def _shelved(name: str, store: str) -> Shelved:
    from kgrag.llm.shelf import find_shelved

    try:
        return find_shelved(name, folder_of(store))
    except ModelError as error:
        raise UsageError(str(error)) from error


def _model(store: str) -> Model | None:
    """The model that would answer over a store; None of one behind a server."""
    from kgrag.config import load_config
    from kgrag.llm.choose import chosen
    from kgrag.models.address import is_address

    config = load_config(folder_of(store))
    return None if is_address(config.model) else chosen(config.model, config)[0]


def _card_rows(one: Known, model: Model | None) -> list[tuple[str, str]]:
    card, settings = one.card, one.settings or {}
    modules = settings.get("target_modules") or []
    fits = "" if model is None or one.problem else f"not {model.name}: {one.misfit}" if one.misfit else model.name
    rows = [
        ("name", one.shelved.name),
        ("where", f"{one.shelved.folder} ({PLACES[one.shelved.place]})"),
        ("base", one.base or "not said"),
        ("base's sha256", card.base_sha256 if card else ""),
        ("method", " ".join([one.method or "not said", f"of rank {_rank(one)}" if _rank(one) else ""]).strip()),
        ("matrices", ", ".join(sorted(modules)) if isinstance(modules, list) else str(modules)),
        ("size", f"{one.bytes / 1e6:,.1f} MB" + (f", {one.parameters:,} numbers" if one.parameters else "")),
        ("fits", fits),
    ]
    if card is None:
        version = settings.get("peft_version")
        by = f"peft {version}" if version else "another program"
        return [*rows, ("card", "" if one.problem else f"none: it was saved by {by}, and nothing says what it learned")]
    data = card.data
    learned = f"{data.number:,} examples" + (f": {data.what}" if data.what else "")
    return [
        *rows,
        ("learned from", learned if data.number or data.what else "not said"),
        ("their sha256", data.sha256),
        ("their licence", data.licence or "not said"),
        ("steps", f"{card.steps:,} in {card.seconds / 60:,.1f} minutes, seed {card.seed}"),
        ("made", card.made),
    ]


def _rank(one: Known) -> int:
    return (one.card.rank if one.card else 0) or (one.adapter.rank if one.adapter else 0)


def _changes(card: Card) -> list[str]:
    from kgrag.tune.adapters.kept import figures

    return [f"{name} {_shown(before)} → {_shown(after)}" for name, before, after in figures(card)]


def _figures(card: Card) -> None:
    from kgrag.tune.adapters.card import COUNT
    from kgrag.tune.adapters.kept import figures

    if not (rows := figures(card)):
        console.say("Nothing was measured of it.")
        return
    console.say("")
    table = [("on questions that it did not learn from", "before", "after")]
    table += [(escape(name), _shown(before), f"[bold]{_shown(after)}[/bold]") for name, before, after in rows]
    console.table(table, right=(1, 2), heading=True)
    counts = [one[COUNT] for one in (card.before, card.after) if COUNT in one]
    if counts:
        said = " and ".join(f"{count:,.0f}" for count in dict.fromkeys(counts))
        console.notice(f"Measured on {said} questions.")


def _shown(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"
