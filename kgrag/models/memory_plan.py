"""Memory estimates of a model before it is loaded: one formula per part, for each precision."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product
from typing import Literal

from kgrag.errors import ModelError
from kgrag.models.architecture import ModelArchitecture
from kgrag.models.device import GB, Device
from kgrag.models.precision import PRECISION_BYTES, RuntimeChoice
from kgrag.models.registry import ModelEntry

Training = Literal["lora", "qlora", "full"]
Optimizer = Literal["adamw", "adamw8bit", "sgd"]
OPTIMIZER_BYTES = {"adamw": 8.0, "adamw8bit": 2.0, "sgd": 0.0}
"""Optimiser -> bytes of state per trained weight: two moments in fp32, two in 8 bits, none."""
DEFAULT_LORA_RANK = 16
INT4_GROUP_SIZE = 128
"""Number of 4-bit weights that share a scale and a zero point in OpenVINO and bitsandbytes."""
LIBRARY_BYTES = {"openvino": 0.20 * GB, "transformers": 0.55 * GB, "training": 0.86 * GB}
"""Memory of a process before it loads a model, measured on Linux (docs/benchmarks/log)."""
OPENVINO_PROMPT_CHUNK = 256
"""Number of prompt tokens that OpenVINO processes at a time."""


@dataclass(frozen=True, slots=True)
class MemoryEstimate:
    """Memory by part, in bytes. ``loading`` is held beside ``weights`` only until the weights are loaded."""

    precision: str
    weights: float
    cache: float
    activations: float
    libraries: float
    trained: float = 0.0
    gradients: float = 0.0
    optimizer: float = 0.0
    loading: float = 0.0

    @property
    def total(self) -> float:
        """Return the peak memory: while loading or while running, whichever is larger."""
        running = self.cache + self.activations + self.trained + self.gradients + self.optimizer
        return self.weights + self.libraries + max(running, self.loading)


@dataclass(frozen=True, slots=True)
class Workload:
    """A model's workload: ``context`` tokens per text, ``batch`` texts at a time; ``train`` None means answering.

    For training, only the ``layers`` upper layers are trained (0: all). Logits are computed for ``answers`` tokens of a
    text (0: all). ``checkpointing`` recomputes layers in the backward pass instead of keeping their activations.
    """

    context: int = 4096
    batch: int = 1
    train: Training | None = None
    optimizer: Optimizer = "adamw"
    rank: int = DEFAULT_LORA_RANK
    layers: int = 0
    answers: int = 0
    checkpointing: bool = False


def weight_bytes(shape: ModelArchitecture, precision: str) -> float:
    """Return the bytes of the weights; in int4 the embeddings keep 8 bits, and each group has a scale."""
    other_weights = shape.parameters - shape.linear_weights - shape.embedding_weights
    if precision == "int8":
        rows = (shape.linear_weights + shape.embedding_weights) / shape.hidden
        return shape.linear_weights + shape.embedding_weights + 3 * rows + 2 * other_weights
    if precision == "int4":
        return (
            shape.linear_weights * (0.5 + 2.5 / INT4_GROUP_SIZE)
            + shape.embedding_weights * (1 + 3 / shape.hidden)
            + 2 * other_weights
        )
    return shape.parameters * PRECISION_BYTES[precision]


def memory_need(
    shape: ModelArchitecture, precision: str, task: Workload, backend: str, device: str = "cpu"
) -> MemoryEstimate:
    """Return the memory that a workload takes on a device (for a GPU, without the process's memory on the host)."""
    if task.train is not None:
        return _training_need(shape, precision, task, device)
    weights = weight_bytes(shape, precision)
    tokens = min(task.context, OPENVINO_PROMPT_CHUNK) if backend == "openvino" else task.context
    # a layer's input, its queries, keys and values, and the feed-forward layer twice; the last token's logits
    activation_width = 4 * shape.hidden + 2 * shape.heads * shape.head + 3 * shape.inner
    number_bytes = 4.0 if backend == "openvino" or precision == "fp32" else 2.0
    activations = task.batch * (tokens * activation_width * number_bytes + shape.vocabulary * 4.0)
    if backend == "openvino":
        # keys and values in 8 bits with scales; the file's pages stay mapped beside the weights packed for the CPU
        cache = shape.kv_cache_bytes(task.context, task.batch, 1.0 + 8 / shape.head)
        return MemoryEstimate(precision, 2 * weights, cache, activations, LIBRARY_BYTES["openvino"])
    cache = shape.kv_cache_bytes(task.context, task.batch, number_bytes)
    libraries = LIBRARY_BYTES["transformers"] if device == "cpu" else 0.0
    return MemoryEstimate(
        precision, weights, cache, activations, libraries, loading=_loading_bytes(shape, precision, device)
    )


def _loading_bytes(shape: ModelArchitecture, precision: str, device: str) -> float:
    """Return the bytes of a bf16 file's pages, held until all weights are converted to another precision."""
    return shape.parameters * 2.0 if device == "cpu" and precision in ("fp32", "fp16") else 0.0


def _training_need(shape: ModelArchitecture, precision: str, task: Workload, device: str) -> MemoryEstimate:
    is_low_rank = task.train in ("lora", "qlora")
    layers = task.layers or shape.layers
    trained = shape.lora_weights(task.rank) * layers // shape.layers if is_low_rank else shape.parameters
    weights = weight_bytes(shape, precision)
    # LoRA matrices are fp32; full training updates the model's own weights, with an fp32 copy of half-precision ones
    trained_bytes = 4.0 * trained if is_low_rank else (4.0 * trained if precision in ("bf16", "fp16") else 0.0)
    gradients = trained * (4.0 if is_low_rank or precision == "fp32" else 2.0)
    tokens = task.context * task.batch
    number_bytes = 4.0 if precision == "fp32" else 2.0
    libraries = LIBRARY_BYTES["training"] if device == "cpu" else 0.0
    return MemoryEstimate(
        precision,
        weights,
        0.0,
        tokens * _saved_activation_bytes(shape, task, number_bytes, halves=precision in ("bf16", "fp16"))
        + task.batch * (task.answers or task.context) * 3 * shape.vocabulary * 4.0,
        libraries,
        trained_bytes,
        gradients,
        trained * OPTIMIZER_BYTES[task.optimizer],
        _loading_bytes(shape, precision, device),
    )


def _saved_activation_bytes(shape: ModelArchitecture, task: Workload, number_bytes: float, *, halves: bool) -> float:
    """Return the bytes per token saved for the backward pass, counted from what autograd saves for one layer.

    A layer saves the inputs and outputs of two normalisations, queries, keys, values, the attention's output, the gate,
    its activation, and their product. LoRA's matrices are fp32: if the model is in half precision (``halves``), each
    LoRA input is saved once more in fp32. The logits add three fp32 copies (logits, log-probabilities, gradient).
    """
    queries, keys = shape.heads * shape.head, shape.kv_heads * shape.head
    layer_numbers = 4 * shape.hidden + 2 * queries + 2 * keys + 4 * shape.inner
    if task.train != "full":
        layer_numbers += 7 * task.rank
    layer_bytes = layer_numbers * number_bytes
    if task.train == "lora" and task.rank and halves:
        layer_bytes += 4.0 * (6 * shape.hidden + shape.inner)
    layers = task.layers or shape.layers
    if task.checkpointing:  # the input of each layer, plus one layer while it is recomputed
        return layers * shape.hidden * number_bytes + layer_bytes
    return layers * layer_bytes


def supported_precisions(task: Workload, backend: str, device: str) -> list[str]:
    """Return the precisions available for a workload, best first."""
    if task.train == "qlora":
        return ["int4"]
    if task.train is not None:
        return ["fp32", "bf16"] if device == "cpu" else ["fp32", "bf16", "fp16"]
    return ["fp32", "fp16", "int8", "int4"] if backend == "openvino" else ["fp32", "bf16", "fp16", "int8", "int4"]


def suggestions(
    shape: ModelArchitecture, estimate: MemoryEstimate, task: Workload, backend: str, device: Device
) -> list[str]:
    """Return the smallest changes that make a workload fit, each with its memory; [] if it fits."""
    if estimate.total <= device.free:
        return []
    kinds = [task.train] if task.train != "full" else ["full", "lora"]
    optimizers = [task.optimizer] if task.train is None else list(dict.fromkeys([task.optimizer, "adamw8bit"]))
    contexts = [task.context, *(task.context // part for part in (2, 4, 8) if task.context // part >= 256)]
    alternatives: list[tuple[int, float, str]] = []
    for kind, optimizer, context, batch in product(kinds, optimizers, contexts, dict.fromkeys([task.batch, 1])):
        alternative = replace(task, train=kind, optimizer=optimizer, context=context, batch=batch)
        for precision in dict.fromkeys([estimate.precision, *supported_precisions(alternative, backend, device.kind)]):
            changes = [
                *([f"in {precision}"] if precision != estimate.precision else []),
                *(["as LoRA"] if kind != task.train else []),
                *([f"with {optimizer}"] if optimizer != task.optimizer else []),
                *([f"with {context:,} tokens"] if context != task.context else []),
                *(["one text at a time"] if batch != task.batch else []),
            ]
            total = memory_need(shape, precision, alternative, backend, device.kind).total
            if changes and total <= device.free:
                alternatives.append((len(changes), -total, f"{', '.join(changes)} ({total / GB:.1f} GB)"))
    fewest_changes = min((number for number, _, _ in alternatives), default=0)
    best = [how for number, _, how in sorted(alternatives) if number == fewest_changes]
    return best[:4] or ["a smaller model, or a machine with more memory"]


def check_memory(model: ModelEntry, choice: RuntimeChoice, device: Device) -> None:
    """Check that a model fits in the free memory, before it is downloaded or loaded.

    Raises:
        ModelError: it does not fit; the message gives the sizes and what would fit.
    """
    if model.shape is None or choice.is_spread or choice.precision not in PRECISION_BYTES:
        return
    task = Workload(context=min(model.context or 4096, 2048))
    estimate = memory_need(model.shape, choice.precision, task, choice.backend, choice.device)
    if estimate.total > device.free:
        alternatives = suggestions(model.shape, estimate, task, choice.backend, device)
        raise ModelError(
            f"{model.name} in {choice.precision} needs {estimate.total / GB:.1f} GB of memory and {device.free / GB:.1f} GB "
            f"are free on {device.name}; what would fit: {', or '.join(alternatives[:3])}. "
            "Run `kgrag plan` for details."
        )
