"""The commands `kgrag models` and `kgrag plan`, and the model's part of `kgrag status`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NotRequired, TypedDict

import typer
from rich.markup import escape

from kgrag.cli.options import JsonOption, PrecisionOption, model_names, print_json
from kgrag.errors import ModelError, UsageError
from kgrag.terminal import console

if TYPE_CHECKING:
    from kgrag.config import Config
    from kgrag.models.memory_plan import MemoryEstimate
    from kgrag.models.registry import ModelEntry

GB = 10**9
ModelStatus = TypedDict(
    "ModelStatus",
    {
        "model": str,
        "home": str,
        "why": list[str],
        "at once": NotRequired[int],
        "tries": NotRequired[int],
        "ready": NotRequired[bool],
        "device": NotRequired[str],
        "precision": NotRequired[str],
        "attention": NotRequired[str],
        "adapter": NotRequired[str],
        "needs bytes": NotRequired[int],
        "free bytes": NotRequired[int],
    },
)
"""The model that would answer.

- "home": the runtime, or "server"; "why": reasons for the choice.
- "at once", "tries": limits on requests, only of a server; "ready" to "adapter": only of a model on this machine.
- "needs bytes", "free bytes": memory, if the model's architecture is known.
"""
models = typer.Typer(suggest_commands=False, help="List the models, or download one.", invoke_without_command=True)


class TrainMode(StrEnum):
    """Training method."""

    lora = "lora"
    qlora = "qlora"
    full = "full"


class Optimizer(StrEnum):
    """Optimiser of a training."""

    adamw = "adamw"
    adamw8bit = "adamw8bit"
    sgd = "sgd"


@models.callback()
def models_list(context: typer.Context, json_: JsonOption = False) -> None:
    """List the models: purpose, languages, size, licence, and whether each is ready to use."""
    if context.invoked_subcommand:
        return
    from kgrag.models.convert import local_folder
    from kgrag.models.registry import all_models

    model_rows = [(model, local_folder(model) is not None) for model in all_models()]
    if json_:
        keys = ("name", "kind", "licence", "languages", "context", "parameters", "size_bytes", "sha256")
        rows = [{**{k: asdict(m)[k] for k in keys}, "ready": is_ready} for m, is_ready in model_rows]
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
            help="Name from `kgrag models`, a folder, a GGUF file, a Hugging Face id, or auto for the best fit.",
            autocompletion=model_names,
        ),
    ],
    precision: PrecisionOption = None,
) -> None:
    """Download a model, verify it and prepare it for this machine."""
    from kgrag.llm.loader import default_model_for, machine_resources
    from kgrag.models.convert import pull_model

    _find_model(name if name != "auto" else model_names()[0])
    if name == "auto":
        name, why = default_model_for(*machine_resources())
        console.print_notice(f"Chose {name}: {why}.")
    if precision == "bf16":
        raise UsageError(
            "Expected a precision of OpenVINO (fp32, fp16, int8, int4), found bf16, the format of every download: choose another."
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
            help="Name from `kgrag models`, a folder, a GGUF file or a Hugging Face id.", autocompletion=model_names
        ),
    ],
    context: Annotated[
        int, typer.Option(help="Tokens of prompt and answer together, or of a training example.", min=1)
    ] = 4096,
    batch: Annotated[int, typer.Option(help="Batch size.", min=1)] = 1,
    train: Annotated[
        TrainMode | None, typer.Option(help="Training method (default: no training, only answering).")
    ] = None,
    optimizer: Annotated[Optimizer, typer.Option(help="Optimiser of the training.")] = Optimizer.adamw,
    rank: Annotated[int, typer.Option(help="LoRA rank.", min=1)] = 16,
    json_: JsonOption = False,
) -> None:
    """Show the memory that a model needs in each precision, whether it fits here, and what would make it fit."""
    from kgrag.llm.loader import default_model_for, machine_resources
    from kgrag.models.device import this_device
    from kgrag.models.download import architecture_of
    from kgrag.models.memory_plan import Workload, memory_need, suggestions, supported_precisions
    from kgrag.models.precision import choose_runtime

    model_entry = _find_model(default_model_for(*machine_resources())[0] if model == "auto" else model)
    if model_entry.kind != "llm":
        raise UsageError(
            f"Expected a language model, found the embedder {model_entry.name}: choose one of `kgrag models`."
        )
    shape = architecture_of(model_entry)
    if shape.context and context > shape.context:
        raise UsageError(
            f"Expected a context of at most {shape.context:,} tokens for {model_entry.name}, found {context:,}: lower --context."
        )
    device = this_device()
    task = Workload(context, batch, train.value if train else None, optimizer.value, rank)
    home = "transformers" if train or device.kind != "cpu" else "openvino"
    rows = [
        memory_need(shape, precision, task, home, device.kind)
        for precision in supported_precisions(task, home, device.kind)
    ]
    remedies = {row.precision: suggestions(shape, row, task, home, device) for row in rows}
    fitting_precisions = [row.precision for row in rows if not remedies[row.precision]] or [rows[-1].precision]
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
        f"[bold]{escape(model_entry.name)}[/bold], {shape.parameters / 1e9:.2f} billion parameters, {task_label}, {context:,} tokens, "
        f"batch of {batch}; {home} on {escape(device.name)} ({device.free / GB:.1f} of {device.memory / GB:.1f} GB free). GB:"
    )
    console.print_table(
        _memory_table(rows, remedies, chosen, task.train is not None), right=tuple(range(1, 10)), heading=True
    )
    if task.train == "qlora" and not device.bitsandbytes:
        console.print_notice("QLoRA needs bitsandbytes and a CUDA device for its 4-bit weights: this machine has none.")
    for remedy in remedies.get(chosen, []):
        console.print_result(f"  [yellow]![/yellow] {chosen} does not fit; this would: {escape(remedy)}")


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


def model_status(name: str, config: Config) -> ModelStatus:
    """Return the model that would answer here: runtime, device, precision, attention, and reasons.

    Raises:
        ModelError: the name is unknown, or the model cannot run as configured.
    """
    from kgrag.models.endpoint import is_address, parse_address

    if is_address(name):
        server_address = parse_address(name)
        privacy_notes = [] if server_address.is_local else ["questions and passages are sent to another machine"]
        return {
            "model": str(server_address),
            "home": "server",
            "why": ["the model is a server's address", *privacy_notes],
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
    value: ModelStatus = {
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
        value["needs bytes"], value["free bytes"] = round(memory.total), device.free
    return value


def model_status_rows(value: ModelStatus) -> list[tuple[str, str]]:
    """Return `model_status` as rows of a table."""
    fields: Mapping[str, object] = value
    rows: list[tuple[str, str]] = [
        (name, escape(str(fields[name])))
        for name in ("model", "home", "device", "precision", "attention")
        if name in fields
    ]
    if adapter := value.get("adapter"):
        rows.append(("adapter", escape(Path(adapter).name)))
    if "ready" in value:
        rows.append(("here", "yes" if value["ready"] else f"no: `kgrag models pull {escape(value['model'])}`"))
    if "needs bytes" in value:
        rows.append(
            ("memory", f"{value['needs bytes'] / GB:.1f} GB with 2,048 tokens, {value['free bytes'] / GB:.1f} GB free")
        )
    return rows + [("why" if not number else "", escape(why)) for number, why in enumerate(value["why"])]
