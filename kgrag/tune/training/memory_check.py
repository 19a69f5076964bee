"""Whether a training fits the memory that is free, before anything is loaded; and how much is left to keep things in."""

from __future__ import annotations

from dataclasses import replace

from kgrag.errors import ModelError
from kgrag.models.architecture import ModelArchitecture
from kgrag.models.device import GB, Device
from kgrag.models.memory_plan import MemoryEstimate, Workload, memory_need
from kgrag.tune.training.settings import LAYER_DIVISORS, DevicePlan, TrainingConfig

MAX_ANSWER_SHARE = 0.25
"""The part of a pack's tokens that predict something, at the most: tails are short beside the evidence."""
ACTIVATION_CACHE_SHARE = 0.5
"""The part of the memory that is left over that may hold what frozen layers made."""


def memory_needed(shape: ModelArchitecture, settings: TrainingConfig, device_plan: DevicePlan) -> MemoryEstimate:
    """What a training takes, by the planner: p-tuning is to it a LoRA without matrices."""
    method = settings.method if settings.method in ("qlora", "full") else "lora"
    task = Workload(
        context=settings.tokens,
        train=method,
        rank=0 if settings.method == "p-tuning" else settings.rank,
        layers=shape.layers - settings.first_trained_layer(shape.layers),
        answers=max(int(MAX_ANSWER_SHARE * settings.tokens), 1),
        checkpointing=settings.checkpointing,
    )
    # a full training's weights are fp32 and computed with in halves: the planner counts those two with halves
    weights = device_plan.compute_dtype or device_plan.weights
    return memory_need(shape, weights, task, "transformers", device_plan.device)


def fit_settings_to_memory(
    shape: ModelArchitecture | None, settings: TrainingConfig, device_plan: DevicePlan, device: Device, name: str
) -> tuple[TrainingConfig, int, str]:
    """(settings with which it fits, bytes for what frozen layers make, what was changed and why).

    Layers are computed again on the way back where that alone makes it fit.

    Raises:
        ModelError: it does not fit; with the numbers, and with what would.
    """
    if shape is None:  # nobody knows its sizes: nothing is kept, and nothing is promised
        return settings, 0, ""
    total = memory_needed(shape, settings, device_plan).total
    if total <= device.free:
        return settings, int(ACTIVATION_CACHE_SHARE * (device.free - total)), ""
    with_checkpointing = replace(settings, checkpointing=True)
    if (reduced_total := memory_needed(shape, with_checkpointing, device_plan).total) <= device.free:
        change_note = (
            f"{total / GB:.1f} GB would be needed and {device.free / GB:.1f} GB are free: layers are computed again on the "
            f"way back ({reduced_total / GB:.1f} GB)"
        )
        return with_checkpointing, 0, change_note
    raise ModelError(
        f"Training {name} by {settings.method} needs {reduced_total / GB:.1f} GB of memory and {device.free / GB:.1f} GB are free "
        f"on {device.name}; what would fit: {', or '.join(_fitting_options(shape, with_checkpointing, device_plan, device))}."
    )


def _fitting_options(
    shape: ModelArchitecture, settings: TrainingConfig, device_plan: DevicePlan, device: Device
) -> list[str]:
    options = [
        *((f"--layers {name}", replace(settings, layers=name)) for name in LAYER_DIVISORS if settings.method != "full"),
        *((f"--tokens {part}", replace(settings, tokens=part)) for part in (512, 256) if part < settings.tokens),
        *([("--method lora", replace(settings, method="lora"))] if settings.method == "full" else []),
    ]
    fitting = []
    for option, changed_settings in options:
        total = memory_needed(shape, changed_settings, device_plan).total
        if total <= device.free:
            fitting.append(f"{option} ({total / GB:.1f} GB)")
    return fitting or ["a smaller --model, or a machine with more memory"]
