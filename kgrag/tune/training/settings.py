"""How it is trained: what a person chooses, what is chosen for a device, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from kgrag.errors import ModelError, UsageError
from kgrag.models.device import Device

Method = Literal["lora", "qlora", "p-tuning", "full"]
METHODS: tuple[Method, ...] = ("lora", "qlora", "p-tuning", "full")
Layers = Literal["all", "half", "third"]
LAYER_DIVISORS: dict[Layers, int] = {"all": 1, "half": 2, "third": 3}
"""Adapters in the upper one of so many parts of the layers."""
LEARNING_RATES: dict[str, float] = {"lora": 3e-4, "qlora": 2e-4, "p-tuning": 3e-3, "full": 1e-5}
"""Learning rates where none is given."""
VIRTUAL_TOKENS = 20
"""Virtual tokens of p-tuning."""


@dataclass(frozen=True)
class TrainingConfig:
    """What a training depends on beside its data and its model; the same settings give the same adapter.

    ``lr`` 0: that of the method. ``steps`` 0: as many as ``epochs`` make. ``minutes`` 0: no limit. ``batch`` is how many
    examples a step learns from at least, ``tokens`` how many a pack holds at most. ``beta`` and ``anchor`` are those of preferences; ``look`` is how many tokens of held-out
    examples are computed to see how it stands, about.
    """

    method: Method = "lora"
    rank: int = 16
    layers: Layers = "half"
    lr: float = 0.0
    epochs: int = 2
    steps: int = 0
    minutes: float = 0.0
    batch: int = 8
    tokens: int = 1024
    seed: int = 0
    patience: int = 3
    beta: float = 0.1
    anchor: float = 1.0
    checkpointing: bool = False
    look: int = 8000

    @property
    def rate(self) -> float:
        """The highest learning rate."""
        return self.lr or LEARNING_RATES[self.method]

    def first_trained_layer(self, layers: int) -> int:
        """The first of a model's layers that is trained."""
        return 0 if self.method in ("full", "p-tuning") else layers - -(-layers // LAYER_DIVISORS[self.layers])


@dataclass(frozen=True)
class DevicePlan:
    """``weights`` is how the base lies in memory, ``half`` what is computed in though they are fp32 (""), and why.

    ``scaled``: the loss is scaled, for gradients that halves would lose.
    """

    weights: str
    compute_dtype: str
    uses_loss_scaling: bool
    device: str
    reason: str


def plan_for_device(method: Method, device: Device) -> DevicePlan:
    """How a method computes on a device.

    Raises:
        UsageError: there is no such method.
        ModelError: it cannot run there; with what can.
    """
    if method not in METHODS:
        raise UsageError(f"Expected --method to be one of {', '.join(METHODS)}, found {method!r}.")
    if method == "qlora":
        if device.kind != "cuda":
            raise ModelError(
                f"qlora keeps the model in 4 bits by bitsandbytes, which needs a CUDA device, found {device.kind} "
                f"({device.name}): use --method lora, on a smaller --model if memory is short."
            )
        if not device.bitsandbytes:
            raise ModelError(
                "qlora needs the library bitsandbytes, which is not installed: `pip install bitsandbytes`, "
                "or use --method lora."
            )
        return DevicePlan(
            "int4", "bf16" if device.bf16 else "fp16", not device.bf16, device.kind, "4 bits were asked for"
        )
    if device.kind == "cpu" and not device.bf16:
        return DevicePlan(
            "fp32", "", False, "cpu", "this processor does not compute in bf16: emulated, it is several times slower"
        )
    if device.bf16:
        reason = f"{device.name} computes in bf16, which needs no scaling of the loss"
        if method == "full":
            return DevicePlan("fp32", "bf16", False, device.kind, f"{reason}; weights that are trained stay fp32")
        return DevicePlan("bf16", "", False, device.kind, reason)
    reason = f"{device.name} has no bf16: fp16, and the loss is scaled so that small gradients are not lost"
    if device.kind == "mps":  # torch scales losses on CUDA alone
        return DevicePlan(
            "fp32", "", False, device.kind, f"{device.name} has no bf16, and fp16 needs a loss scaling that it lacks"
        )
    if method == "full":
        return DevicePlan("fp32", "fp16", True, device.kind, f"{reason}; weights that are trained stay fp32")
    return DevicePlan("fp16", "", True, device.kind, reason)
