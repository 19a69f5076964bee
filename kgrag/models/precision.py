"""Choose backend, device, precision and attention for a model, each with a reason."""

from __future__ import annotations

from dataclasses import dataclass

from kgrag.errors import ModelError
from kgrag.models.device import GB, Device
from kgrag.models.registry import ModelEntry

PRECISION_BYTES = {"fp32": 4.0, "bf16": 2.0, "fp16": 2.0, "int8": 1.0, "int4": 0.5}
"""Precision -> bytes per weight, without quantisation scales."""
ATTENTIONS = ("eager", "sdpa", "flash_attention_2")
AUTO = "auto"
MAX_GPU_WEIGHT_SHARE = 0.8
"""Share of a GPU's free memory that weights may take; the rest is for the cache and activations."""


@dataclass(frozen=True, slots=True)
class RuntimeChoice:
    """Backend, device, precision and attention of a model, with one clause per choice in ``reasons``.

    ``backend`` is ``"openvino"`` or ``"transformers"``; ``is_spread``: the layers are spread over several GPUs.
    """

    backend: str
    device: str
    precision: str
    attention: str
    reasons: tuple[str, ...]
    is_spread: bool = False


def choose_runtime(
    model: ModelEntry, device: Device, precision: str = AUTO, attention: str = AUTO, backend: str = AUTO
) -> RuntimeChoice:
    """Choose how ``model`` runs on ``device``; a value other than "auto" is used as it is given.

    Args:
        model: the model to run.
        device: the device to run it on.
        precision: "auto", or a key of `PRECISION_BYTES`.
        attention: "auto", or one of `ATTENTIONS`.
        backend: "auto", ``"openvino"`` or ``"transformers"``, for callers that need one of the two.

    Raises:
        ModelError: the precision or attention is unknown, or not available on this device or for this model.
    """
    _check_name("precision", precision, tuple(PRECISION_BYTES))
    _check_name("attention", attention, ATTENTIONS)
    only_ir = model.local_path is not None and not any(model.local_path.glob("*.safetensors"))
    backend, reason = (
        _choose_backend(device, precision, only_ir) if backend == AUTO else (backend, f"{backend} was requested")
    )
    if backend == "openvino":
        if attention != AUTO:
            raise ModelError(
                f"Expected attention {AUTO!r} on OpenVINO, which has its own (paged), found {attention!r}: leave it out, "
                "or set precision to bf16, which runs on transformers."
            )
        if only_ir:
            return RuntimeChoice(
                backend, "cpu", "as it is", "paged", (reason, "an OpenVINO folder has a fixed precision")
            )
        precision_name = model.precision if precision == AUTO else precision
        precision_reason = (
            _request_reason(precision) or f"{precision_name} gives the best answers at its speed (docs/benchmarks/log)"
        )
        return RuntimeChoice(
            backend,
            "cpu",
            precision_name,
            "paged",
            (reason, precision_reason, "paged attention caches common prompt prefixes"),
        )
    precision_name, precision_reason, spread = _choose_precision(model, device, precision)
    attention_name, attention_reason = _choose_attention(device, precision_name, attention)
    spread_why = (f"spread over {device.count} GPUs, because it does not fit on one",) if spread else ()
    return RuntimeChoice(
        backend,
        device.kind,
        precision_name,
        attention_name,
        (reason, precision_reason, attention_reason, *spread_why),
        spread,
    )


def _check_name(setting: str, name: str, names: tuple[str, ...]) -> None:
    if name != AUTO and name not in names:
        raise ModelError(f"Expected {setting} {AUTO}, {', '.join(names)}, found {name!r}: choose one of them.")


def _request_reason(name: str) -> str:
    return "" if name == AUTO else f"{name} was requested"


def _choose_backend(device: Device, precision: str, only_ir: bool) -> tuple[str, str]:
    if only_ir:
        return "openvino", "the folder holds only an OpenVINO model"
    if device.kind != "cpu":
        return "transformers", f"there is a GPU ({device.name})"
    if precision == "bf16":
        return "transformers", "OpenVINO has no bf16 weights, so torch runs them on the processor"
    return "openvino", "there is no GPU, and OpenVINO reads a prompt fastest on a processor"


def _choose_precision(model: ModelEntry, device: Device, requested: str) -> tuple[str, str, bool]:
    """Return (precision, reason, whether to spread the layers over GPUs) for transformers."""
    half = "bf16" if device.bf16 else "fp16"
    if device.kind == "cpu" and requested == AUTO:
        if device.bf16:
            return "bf16", "this processor computes in bf16", False
        return "fp32", "this processor does not compute in half precision", False
    if device.kind != "cuda":
        if requested in ("int8", "int4"):
            raise ModelError(
                f"{requested} needs bitsandbytes and a CUDA device, found {device.kind} ({device.name}): "
                "choose fp16 or a smaller model."
            )
        return (
            (requested, _request_reason(requested), False)
            if requested != AUTO
            else (half, f"{half} takes half the memory of fp32", False)
        )
    weights = {name: model.parameters * PRECISION_BYTES[name] for name in PRECISION_BYTES}
    budget = MAX_GPU_WEIGHT_SHARE * device.free
    if requested != AUTO:
        if requested in ("int8", "int4") and not device.bitsandbytes:
            raise ModelError(
                f"{requested} on a GPU needs the library bitsandbytes, which is not installed: "
                "run `pip install bitsandbytes`, or choose another precision."
            )
        return requested, _request_reason(requested), device.count > 1 and weights[requested] > budget
    if weights[half] <= budget or not model.parameters:
        return half, f"its {weights[half] / GB:.1f} GB in {half} fit in {device.free / GB:.0f} GB of free memory", False
    if device.count > 1 and weights[half] <= budget * device.count:
        return half, f"{half} fits {device.count} GPUs", True
    if device.bitsandbytes:
        for name in ("int8", "int4"):
            if weights[name] <= budget:
                return (
                    name,
                    f"{half} would take {weights[half] / GB:.1f} GB of {device.free / GB:.0f} GB free memory",
                    False,
                )
    return half, f"{half}, although its {weights[half] / GB:.1f} GB hardly fit in {device.free / GB:.0f} GB", False


def _choose_attention(device: Device, precision: str, requested: str) -> tuple[str, str]:
    has_flash = device.flash and precision != "fp32"
    if requested == "flash_attention_2" and not has_flash:
        raise ModelError(
            "flash_attention_2 needs the library flash_attn, an Ampere or newer GPU, and a precision other than fp32, "
            f"found {device.name} with {precision}: leave attention out, or choose sdpa."
        )
    if requested != AUTO:
        return requested, _request_reason(requested)
    if has_flash:
        return "flash_attention_2", "flash_attn is installed and runs on this GPU"
    return "sdpa", "torch's fused attention runs on every device"
