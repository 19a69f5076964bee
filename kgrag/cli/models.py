"""The commands about models: which there are, fetching one, what one takes of memory, and what was chosen here."""

from __future__ import annotations

from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from kgrag.cli.options import JsonOption, PrecisionOption, model_names, print_json
from kgrag.config import Config
from kgrag.errors import ModelError, UsageError
from kgrag.terminal import console

if TYPE_CHECKING:
    from kgrag.models.memory_plan import MemoryEstimate
    from kgrag.models.registry import ModelEntry

GB = 10**9
models = typer.Typer(suggest_commands=False, help="List the models, or fetch one.", invoke_without_command=True)


class TrainMode(StrEnum):
    """How a model would be trained."""

    lora = "lora"
    qlora = "qlora"
    full = "full"


class Optimizer(StrEnum):
    """What would train it."""

    adamw = "adamw"
    adamw8bit = "adamw8bit"
    sgd = "sgd"


@models.callback()
def models_list(context: typer.Context, json_: JsonOption = False) -> None:
    """List the models: what each is for, its licence, and whether it is here."""
    if context.invoked_subcommand:
        return
    from kgrag.models.convert import local_folder
    from kgrag.models.registry import all_models

    model_rows = [(model, local_folder(model) is not None) for model in all_models()]
    if json_:
        keys = ("name", "kind", "licence", "languages", "context", "parameters", "size_bytes", "sha256")
        rows = [{**{k: asdict(m)[k] for k in keys}, "ready": here} for m, here in model_rows]
        for row in rows:
            row["languages"] = sorted(row["languages"])
        print_json(rows)
    else:
        console.print_models(model_rows)


@models.command("pull")
def models_pull(
    name: Annotated[
        str,
        typer.Argument(
            help="A name of `kgrag models`, a folder, a GGUF file, a hub's id, or auto: what fits here.",
            autocompletion=model_names,
        ),
    ],
    precision: PrecisionOption = None,
) -> None:
    """Fetch a model, verify it and make it ready for this machine."""
    from kgrag.llm.loader import default_model_for, machine_resources
    from kgrag.models.convert import pull_model

    _find_model(name if name != "auto" else model_names()[0])
    if name == "auto":
        name, why = default_model_for(*machine_resources())
        console.print_notice(f"Chose {name}: {why}.")
    if precision == "bf16":
        raise UsageError(
            "Expected a precision of OpenVINO (fp32, fp16, int8, int4), found bf16, which every model is kept in."
        )
    pull_model(name, console.show_model_progress, precision or "auto")
    console.end_progress()
    console.print_result(f"{name} is ready.")


def _find_model(name: str) -> ModelEntry:
    from kgrag.models.registry import find_model

    try:
        return find_model(name)
    except ModelError as error:
        raise UsageError(str(error)) from error


def plan(
    model: Annotated[
        str,
        typer.Argument(
            help="A name of `kgrag models`, a folder, a GGUF file or a hub's id.", autocompletion=model_names
        ),
    ],
    context: Annotated[
        int, typer.Option(help="Tokens of a prompt and its answer, or of a training text.", min=1)
    ] = 4096,
    batch: Annotated[int, typer.Option(help="Texts at a time.", min=1)] = 1,
    train: Annotated[TrainMode | None, typer.Option(help="To train it, and how; else: to answer.")] = None,
    optimizer: Annotated[Optimizer, typer.Option(help="What trains it.")] = Optimizer.adamw,
    rank: Annotated[int, typer.Option(help="Rank of LoRA's matrices.", min=1)] = 16,
    json_: JsonOption = False,
) -> None:
    """What a model takes of memory, part by part, in each precision; whether it fits here, and what would make it fit."""
    from kgrag.llm.loader import default_model_for, machine_resources
    from kgrag.models.device import this_device
    from kgrag.models.download import architecture_of
    from kgrag.models.memory_plan import Workload, memory_need, suggestions, supported_precisions
    from kgrag.models.precision import choose_runtime

    model_entry = _find_model(default_model_for(*machine_resources())[0] if model == "auto" else model)
    if model_entry.kind != "llm":
        raise UsageError(
            f"Expected a language model, found {model_entry.name}, which makes vectors: see `kgrag models`."
        )
    shape = architecture_of(model_entry)
    if shape.context and context > shape.context:
        raise UsageError(
            f"Expected a context of at most {shape.context:,} tokens, which {model_entry.name} reads, found {context:,}."
        )
    device = this_device()
    task = Workload(context, batch, train.value if train else None, optimizer.value, rank)
    home = "transformers" if train or device.kind != "cpu" else "openvino"
    rows = [
        memory_need(shape, precision, task, home, device.kind)
        for precision in supported_precisions(task, home, device.kind)
    ]
    remedies = {one.precision: suggestions(shape, one, task, home, device) for one in rows}
    fitting_precisions = [one.precision for one in rows if not remedies[one.precision]] or [rows[-1].precision]
    chosen = choose_runtime(model_entry, device).precision if train is None else fitting_precisions[0]
    if json_:
        print_json(
            {
                "model": model_entry.name,
                "parameters": shape.parameters,
                "task": asdict(task),
                "home": home,
                "device": asdict(device),
                "chosen": chosen,
                "needs": [{**asdict(n), "total": n.total, "fits": not remedies[n.precision]} for n in rows],
                "would fit": remedies.get(chosen, []),
            }
        )
        return
    task_label = f"training ({train.value}, {optimizer.value})" if train else "answering"
    console.print_result(
        f"[bold]{escape(model_entry.name)}[/bold], {shape.parameters / 1e9:.2f} billion weights, {task_label}, {context:,} tokens, "
        f"{batch} at a time; by {home} on {escape(device.name)} ({device.free / GB:.1f} of {device.memory / GB:.1f} GB free). GB:"
    )
    console.print_table(
        _memory_table(rows, remedies, chosen, task.train is not None), right=tuple(range(1, 10)), heading=True
    )
    if task.train == "qlora" and not device.bitsandbytes:
        console.print_notice(
            "QLoRA keeps the weights in 4 bits by bitsandbytes, which needs a CUDA device: there is none here."
        )
    for remedy in remedies.get(chosen, []):
        console.print_result(f"  [yellow]![/yellow] {chosen} does not fit; what would: {escape(remedy)}")


def _memory_table(
    rows: list[MemoryEstimate], remedies: dict[str, list[str]], chosen: str, training: bool
) -> list[tuple[str, ...]]:
    parts = [("weights", "weights"), ("cache", "KV cache"), ("activations", "activations"), ("libraries", "libraries")]
    if training:
        parts[1:2] = [("trained", "LoRA or copies"), ("gradients", "gradients"), ("optimizer", "optimiser")]
    parts += [("loading", "while loading"), ("total", "peak")]
    table = [("precision", *(label for _, label in parts), "")]
    for memory_need in rows:
        figures = [f"{getattr(memory_need, name) / GB:.2f}" for name, _ in parts]
        fits = "[red]does not fit[/red]" if remedies[memory_need.precision] else "[green]fits[/green]"
        precision_label = f"{memory_need.precision} *" if memory_need.precision == chosen else memory_need.precision
        table.append((precision_label, *figures, fits))
    return table


def model_status(name: str, config: Config) -> dict[str, Any]:
    """What would answer here: the model, where it runs, in which precision, by which attention, and why.

    Raises:
        ModelError: there is none of that name, or it cannot run as the configuration says.
    """
    from kgrag.models.endpoint import is_address, parse_address

    if is_address(name):
        server_address = parse_address(name)
        privacy_notes = [] if server_address.is_local else ["questions and passages leave this machine"]
        return {
            "model": str(server_address),
            "home": "server",
            "why": ["a server's address was named", *privacy_notes],
            "at once": config.server.at_once,
            "tries": config.server.tries,
        }
    from dataclasses import replace

    from kgrag.llm.loader import resolve_model
    from kgrag.models.convert import local_folder
    from kgrag.models.device import this_device
    from kgrag.models.memory_plan import Workload, memory_need
    from kgrag.models.precision import PRECISION_BYTES

    device = this_device()
    model, choice, why = resolve_model(name, config, device)
    placed_model = (
        replace(model, precision=choice.precision)
        if choice.backend == "openvino" and choice.precision in PRECISION_BYTES
        else model
    )
    value: dict[str, Any] = {
        "model": model.name,
        "ready": local_folder(placed_model, any_precision=choice.backend == "transformers") is not None,
        "home": choice.backend,
        "device": f"{choice.device} ({device.name})",
        "precision": choice.precision,
        "attention": choice.attention,
        "adapter": config.adapter,
        "why": [*([why] if why else []), *choice.reasons],
    }
    if model.shape is not None and choice.precision in PRECISION_BYTES:
        memory = memory_need(model.shape, choice.precision, Workload(2048), choice.backend, choice.device)
        value |= {"needs bytes": round(memory.total), "free bytes": device.free}
    return value


def model_status_rows(value: dict[str, Any]) -> list[tuple[str, str]]:
    """`model_status` as rows of a table."""
    rows: list[tuple[str, str]] = [
        (name, escape(str(value[name])))
        for name in ("model", "home", "device", "precision", "attention")
        if name in value
    ]
    if value.get("adapter"):
        rows.append(("adapter", escape(Path(value["adapter"]).name)))
    if "ready" in value:
        rows.append(("here", "yes" if value["ready"] else f"no: `kgrag models pull {escape(value['model'])}`"))
    if "needs bytes" in value:
        rows.append(
            ("memory", f"{value['needs bytes'] / GB:.1f} GB with 2,048 tokens, {value['free bytes'] / GB:.1f} GB free")
        )
    return rows + [("why" if not number else "", escape(why)) for number, why in enumerate(value["why"])]
