"""Training settings: the user's choices, and the precision chosen for a device."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from kgrag.errors import ModelError, UsageError
from kgrag.models.device import Device

Method = Literal["lora", "qlora", "p-tuning", "full"]
METHODS: tuple[Method, ...] = ("lora", "qlora", "p-tuning", "full")
Layers = Literal["all", "half", "third"]
LAYER_DIVISORS: dict[Layers, int] = {"all": 1, "half": 2, "third": 3}
"""Adapters are added to this upper part of the layers: all, half or a third."""
LEARNING_RATES: dict[str, float] = {"lora": 3e-4, "qlora": 2e-4, "p-tuning": 3e-3, "full": 1e-5}
"""Default learning rates."""
VIRTUAL_TOKENS = 20
"""Number of virtual tokens of p-tuning."""


@dataclass(frozen=True)
class TrainingConfig:
    """Settings of a training; the same settings, data and model give the same adapter.

    ``lr`` 0: the method's default. ``steps`` 0: as many as ``epochs`` need. ``minutes`` 0: no limit. ``batch`` is the
    minimum number of examples per step, ``tokens`` the maximum length of a pack. ``patience`` evaluations without
    improvement end the training (0: never). ``beta`` and ``anchor`` apply to preferences. ``look`` is the approximate
    number of held-out tokens per evaluation.
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
        """Return the maximum learning rate."""
        return self.lr or LEARNING_RATES[self.method]

    def first_trained_layer(self, layers: int) -> int:
        """Return the number of the first trained layer."""
        return 0 if self.method in ("full", "p-tuning") else layers - -(-layers // LAYER_DIVISORS[self.layers])


@dataclass(frozen=True)
class DevicePlan:
    """Precision of a training on a device.

    ``weights`` is the base model's precision in memory. ``compute_dtype`` is the dtype of autocast over fp32 weights,
    "" without autocast. ``uses_loss_scaling``: the loss is scaled, because fp16 would lose small gradients.
    """

    weights: str
    compute_dtype: str
    uses_loss_scaling: bool
    device: str
    reason: str


def plan_for_device(method: Method, device: Device) -> DevicePlan:
    """Choose the precision of a method on a device.

    Raises:
        UsageError: there is no such method.
        ModelError: the method cannot run on this device; the message says what can.
    """
    if method not in METHODS:
        raise UsageError(f"Expected --method to be one of {', '.join(METHODS)}, found {method!r}: choose one of them.")
    if method == "qlora":
        if device.kind != "cuda":
            raise ModelError(
                f"qlora keeps the model in 4 bits with bitsandbytes, which needs a CUDA device, found {device.kind} "
                f"({device.name}): use --method lora, with a smaller --model if memory is short."
            )
        if not device.bitsandbytes:
            raise ModelError(
                "qlora needs the library bitsandbytes, which is not installed: run `pip install bitsandbytes`, "
                "or use --method lora."
            )
        return DevicePlan("int4", "bf16" if device.bf16 else "fp16", not device.bf16, device.kind, "qlora uses 4 bits")
    if device.kind == "cpu" and not device.bf16:
        return DevicePlan(
            "fp32", "", False, "cpu", "this processor has no bf16, and emulating it is several times slower"
        )
    if device.bf16:
        reason = f"{device.name} computes in bf16, which needs no loss scaling"
        if method == "full":
            return DevicePlan("fp32", "bf16", False, device.kind, f"{reason}; trained weights stay fp32")
        return DevicePlan("bf16", "", False, device.kind, reason)
    reason = f"{device.name} has no bf16: fp16 with a scaled loss, so that small gradients are not lost"
    if device.kind == "mps":  # torch scales losses only on CUDA
        return DevicePlan("fp32", "", False, device.kind, f"{device.name} has no bf16, and no loss scaling for fp16")
    if method == "full":
        return DevicePlan("fp32", "fp16", True, device.kind, f"{reason}; trained weights stay fp32")
    return DevicePlan("fp16", "", True, device.kind, reason)
