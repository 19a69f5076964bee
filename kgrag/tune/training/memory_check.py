"""Check that a training fits the free memory before anything is loaded, and compute the memory left for caching."""

from __future__ import annotations

from dataclasses import replace

from kgrag.errors import ModelError
from kgrag.models.architecture import ModelArchitecture
from kgrag.models.device import GB, Device
from kgrag.models.memory_plan import MemoryEstimate, Workload, memory_need
from kgrag.tune.training.settings import LAYER_DIVISORS, DevicePlan, TrainingConfig

MAX_ANSWER_SHARE = 0.25
"""Maximum share of a pack's tokens that predict a target: answers are short beside the evidence."""
ACTIVATION_CACHE_SHARE = 0.5
"""Share of the remaining memory that may cache the output of frozen layers."""


def memory_needed(shape: ModelArchitecture, settings: TrainingConfig, device_plan: DevicePlan) -> MemoryEstimate:
    """Return a training's memory as the planner estimates it; p-tuning counts as a LoRA without matrices."""
    method = settings.method if settings.method in ("qlora", "full") else "lora"
    task = Workload(
        context=settings.tokens,
        train=method,
        rank=0 if settings.method == "p-tuning" else settings.rank,
        layers=shape.layers - settings.first_trained_layer(shape.layers),
        answers=max(int(MAX_ANSWER_SHARE * settings.tokens), 1),
        checkpointing=settings.checkpointing,
    )
    # full training has fp32 weights and computes in half precision, which the planner counts under half precision
    weights = device_plan.compute_dtype or device_plan.weights
    return memory_need(shape, weights, task, "transformers", device_plan.device)


def fit_settings_to_memory(
    shape: ModelArchitecture | None, settings: TrainingConfig, device_plan: DevicePlan, device: Device, name: str
) -> tuple[TrainingConfig, int, str]:
    """Return (settings that fit, bytes to cache the output of frozen layers, a notice of what was changed).

    Gradient checkpointing is enabled if the training only fits with it.

    Raises:
        ModelError: the training does not fit; the message gives the sizes and what would fit.
    """
    if shape is None:  # unknown sizes: no check and no cache
        return settings, 0, ""
    total = memory_needed(shape, settings, device_plan).total
    if total <= device.free:
        return settings, int(ACTIVATION_CACHE_SHARE * (device.free - total)), ""
    with_checkpointing = replace(settings, checkpointing=True)
    if (reduced_total := memory_needed(shape, with_checkpointing, device_plan).total) <= device.free:
        change_note = (
            f"{total / GB:.1f} GB would be needed and {device.free / GB:.1f} GB are free: activations are recomputed in the "
            f"backward pass ({reduced_total / GB:.1f} GB)"
        )
        return with_checkpointing, 0, change_note
    raise ModelError(
        f"Training {name} by {settings.method} needs {reduced_total / GB:.1f} GB of memory and {device.free / GB:.1f} GB "
        f"are free on {device.name}; what would fit: "
        f"{', or '.join(_fitting_options(shape, with_checkpointing, device_plan, device))}."
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
