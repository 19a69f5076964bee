"""How a model's weights are kept and what computes with them: chosen from the device, and said why."""

from __future__ import annotations

from dataclasses import dataclass

from kgrag.errors import ModelError
from kgrag.models.device import GB, Device
from kgrag.models.registry import ModelEntry

PRECISION_BYTES = {"fp32": 4.0, "bf16": 2.0, "fp16": 2.0, "int8": 1.0, "int4": 0.5}
"""Precisions by name, and the bytes of a weight; scales come on top."""
ATTENTIONS = ("eager", "sdpa", "flash_attention_2")
AUTO = "auto"
MAX_GPU_WEIGHT_SHARE = 0.8
"""The share of a GPU's free memory that weights may take: the rest is for the cache and for what is computed."""


@dataclass(frozen=True, slots=True)
class RuntimeChoice:
    """What was chosen for a model on a device, and ``why``, a half sentence for each.

    ``home`` is ``"openvino"`` or ``"transformers"``; ``spread`` says that the layers are spread over several GPUs.
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
    """What runs ``model`` on ``device``, as asked where it is asked; ``home`` is for those who need one of the two.

    Raises:
        ModelError: there is no such precision or attention, or it cannot be had on this device or with this model.
    """
    _check_name("precision", precision, tuple(PRECISION_BYTES))
    _check_name("attention", attention, ATTENTIONS)
    only_ir = model.local_path is not None and not any(model.local_path.glob("*.safetensors"))
    backend, reason = (
        _choose_backend(device, precision, only_ir) if backend == AUTO else (backend, f"{backend} was asked for")
    )
    if backend == "openvino":
        if attention != AUTO:
            raise ModelError(
                f"Expected attention {AUTO!r} on OpenVINO, which has an own (paged), found {attention!r}: leave it out, "
                "or set precision to bf16, which runs by transformers."
            )
        if only_ir:
            return RuntimeChoice(
                backend, "cpu", "as it is", "paged", (reason, "an OpenVINO folder keeps the precision that it has")
            )
        precision_name = model.precision if precision == AUTO else precision
        precision_reason = (
            _request_reason(precision)
            or f"{precision_name} is what answers best here at its speed (docs/experiments.md)"
        )
        return RuntimeChoice(
            backend,
            "cpu",
            precision_name,
            "paged",
            (reason, precision_reason, "paged attention keeps what prompts begin alike"),
        )
    precision_name, precision_reason, spread = _choose_precision(model, device, precision)
    attention_name, attention_reason = _choose_attention(device, precision_name, attention)
    spread_why = (f"spread over {device.count} GPUs, one cannot hold it",) if spread else ()
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
        raise ModelError(f"Expected {setting} {AUTO}, {', '.join(names)}, found {name!r}: name one of them.")


def _request_reason(name: str) -> str:
    return "" if name == AUTO else f"{name} was asked for"


def _choose_backend(device: Device, precision: str, only_ir: bool) -> tuple[str, str]:
    if only_ir:
        return "openvino", "the folder holds an OpenVINO model alone"
    if device.kind != "cpu":
        return "transformers", f"there is a GPU ({device.name})"
    if precision == "bf16":
        return "transformers", "OpenVINO keeps no bf16 weights, so torch runs them on the processor"
    return "openvino", "there is no GPU, and OpenVINO reads a prompt fastest on a processor"


def _choose_precision(model: ModelEntry, device: Device, requested: str) -> tuple[str, str, bool]:
    """(precision, why, whether to spread it) for transformers."""
    half = "bf16" if device.bf16 else "fp16"
    if device.kind == "cpu" and requested == AUTO:
        if device.bf16:
            return "bf16", "this processor computes in bf16", False
        return "fp32", "this processor does not compute in half precision", False
    if device.kind != "cuda":
        if requested in ("int8", "int4"):
            raise ModelError(
                f"{requested} by bitsandbytes needs a CUDA device, found {device.kind} ({device.name}): "
                "ask for fp16, or for a smaller model."
            )
        return (
            (requested, _request_reason(requested), False)
            if requested != AUTO
            else (half, f"{half} is half the memory of fp32", False)
        )
    weights = {name: model.parameters * PRECISION_BYTES[name] for name in PRECISION_BYTES}
    budget = MAX_GPU_WEIGHT_SHARE * device.free
    if requested != AUTO:
        if requested in ("int8", "int4") and not device.bitsandbytes:
            raise ModelError(
                f"{requested} on a GPU needs the library bitsandbytes, which is not installed: `pip install bitsandbytes`."
            )
        return requested, _request_reason(requested), device.count > 1 and weights[requested] > budget
    if weights[half] <= budget or not model.parameters:
        return half, f"its {weights[half] / GB:.1f} GB in {half} fit the {device.free / GB:.0f} GB that are free", False
    if device.count > 1 and weights[half] <= budget * device.count:
        return half, f"{half} fits {device.count} GPUs", True
    if device.bitsandbytes:
        for name in ("int8", "int4"):
            if weights[name] <= budget:
                return (
                    name,
                    f"{half} would take {weights[half] / GB:.1f} GB of {device.free / GB:.0f} that are free",
                    False,
                )
    return half, f"{half}, though its {weights[half] / GB:.1f} GB hardly fit {device.free / GB:.0f} GB", False


def _choose_attention(device: Device, precision: str, requested: str) -> tuple[str, str]:
    has_flash = device.flash and precision != "fp32"
    if requested == "flash_attention_2" and not has_flash:
        raise ModelError(
            "flash_attention_2 needs the library flash_attn, a GPU of Ampere's kind or later and another precision "
            f"than fp32; here is {device.name} with {precision}: leave attention out, or name sdpa."
        )
    if requested != AUTO:
        return requested, _request_reason(requested)
    if has_flash:
        return "flash_attention_2", "flash_attn is installed and runs on this GPU"
    return "sdpa", "torch's own fused attention runs everywhere"
