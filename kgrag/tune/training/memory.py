"""Whether a training fits the memory that is free, before anything is loaded; and how much is left to keep things in."""

from __future__ import annotations

from dataclasses import replace

from kgrag.errors import ModelError
from kgrag.models.device import GB, Device
from kgrag.models.plan import Need, Task, need
from kgrag.models.shape import Shape
from kgrag.tune.training.settings import LAYERS, Settings, Way

ANSWERS = 0.25
"""The part of a pack's tokens that predict something, at the most: tails are short beside the evidence."""
KEEP = 0.5
"""The part of the memory that is left over that may hold what frozen layers made."""


def needed(shape: Shape, settings: Settings, way: Way) -> Need:
    """What a training takes, by the planner: p-tuning is to it a LoRA without matrices."""
    method = settings.method if settings.method in ("qlora", "full") else "lora"
    task = Task(
        context=settings.tokens,
        train=method,
        rank=0 if settings.method == "p-tuning" else settings.rank,
        layers=shape.layers - settings.first(shape.layers),
        answers=max(int(ANSWERS * settings.tokens), 1),
        checkpointing=settings.checkpointing,
    )
    # a full training's weights are fp32 and computed with in halves: the planner counts those two with halves
    weights = way.half or way.weights
    return need(shape, weights, task, "transformers", way.device)


def fitted(shape: Shape | None, settings: Settings, way: Way, device: Device, name: str) -> tuple[Settings, int, str]:
    """(settings with which it fits, bytes for what frozen layers make, what was changed and why).

    Layers are computed again on the way back where that alone makes it fit.

    Raises:
        ModelError: it does not fit; with the numbers, and with what would.
    """
    if shape is None:  # nobody knows its sizes: nothing is kept, and nothing is promised
        return settings, 0, ""
    total = needed(shape, settings, way).total
    if total <= device.free:
        return settings, int(KEEP * (device.free - total)), ""
    again = replace(settings, checkpointing=True)
    if (less := needed(shape, again, way).total) <= device.free:
        said = (
            f"{total / GB:.1f} GB would be needed and {device.free / GB:.1f} GB are free: layers are computed again on the "
            f"way back ({less / GB:.1f} GB)"
        )
        return again, 0, said
    raise ModelError(
        f"Training {name} by {settings.method} needs {less / GB:.1f} GB of memory and {device.free / GB:.1f} GB are free "
        f"on {device.name}; what would fit: {', or '.join(_ways(shape, again, way, device))}."
    )


def _ways(shape: Shape, settings: Settings, way: Way, device: Device) -> list[str]:
    tried = [
        *((f"--layers {name}", replace(settings, layers=name)) for name in LAYERS if settings.method != "full"),
        *((f"--tokens {part}", replace(settings, tokens=part)) for part in (512, 256) if part < settings.tokens),
        *([("--method lora", replace(settings, method="lora"))] if settings.method == "full" else []),
    ]
    found = []
    for said, other in tried:
        total = needed(shape, other, way).total
        if total <= device.free:
            found.append(f"{said} ({total / GB:.1f} GB)")
    return found or ["a smaller --model, or a machine with more memory"]
