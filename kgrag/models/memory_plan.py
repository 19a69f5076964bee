"""What a model takes of memory, before it is loaded: each part by its formula, per precision, and whether it fits."""

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
"""Bytes of an optimiser's states for each weight that is trained: two moments in fp32, in 8 bits, none."""
DEFAULT_LORA_RANK = 16
INT4_GROUP_SIZE = 128
"""Weights of 4 bits that share a scale and a zero point, as OpenVINO and bitsandbytes pack them."""
LIBRARY_BYTES = {"openvino": 0.20 * GB, "transformers": 0.55 * GB, "training": 0.86 * GB}
"""What a process holds before any model: measured on Linux (docs/experiments.md)."""
OPENVINO_PROMPT_CHUNK = 256
"""Tokens of a prompt that OpenVINO reads at a time."""


@dataclass(frozen=True, slots=True)
class MemoryEstimate:
    """Bytes, part by part. ``loading`` is held besides ``weights`` only until they are there."""

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
        """The peak: while loading, or while it runs."""
        running = self.cache + self.activations + self.trained + self.gradients + self.optimizer
        return self.weights + self.libraries + max(running, self.loading)


@dataclass(frozen=True, slots=True)
class Workload:
    """What a model is to do: ``context`` tokens at a time, ``batch`` texts at a time; ``train`` None: to answer.

    Of a training: ``layers`` are those that are trained, the upper ones (0: all); logits are made of ``answers`` tokens
    of a text (0: of all); ``checkpointing`` computes layers again on the way back instead of keeping what they made.
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
    """Bytes of the weights: in 4 bits the first and the last matrix keep 8, and each group has its scale."""
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
    shape: ModelArchitecture, precision: str, task: Workload, home: str, device: str = "cpu"
) -> MemoryEstimate:
    """What a task takes of the device's memory in one precision (on a GPU without what the process holds beside it)."""
    if task.train is not None:
        return _training_need(shape, precision, task, device)
    weights = weight_bytes(shape, precision)
    tokens = min(task.context, OPENVINO_PROMPT_CHUNK) if home == "openvino" else task.context
    # a layer's input, its queries, keys and values, and the inner part twice; the last token's logits
    activation_width = 4 * shape.hidden + 2 * shape.heads * shape.head + 3 * shape.inner
    number_bytes = 4.0 if home == "openvino" or precision == "fp32" else 2.0
    activations = task.batch * (tokens * activation_width * number_bytes + shape.vocabulary * 4.0)
    if home == "openvino":
        # keys and values in 8 bits with scales; the file's pages stay mapped beside what is packed for the processor
        cache = shape.kv_cache_bytes(task.context, task.batch, 1.0 + 8 / shape.head)
        return MemoryEstimate(precision, 2 * weights, cache, activations, LIBRARY_BYTES["openvino"])
    cache = shape.kv_cache_bytes(task.context, task.batch, number_bytes)
    libraries = LIBRARY_BYTES["transformers"] if device == "cpu" else 0.0
    return MemoryEstimate(
        precision, weights, cache, activations, libraries, loading=_loading_bytes(shape, precision, device)
    )


def _loading_bytes(shape: ModelArchitecture, precision: str, device: str) -> float:
    """The pages of a bf16 file, held until all of it has been converted, where weights are not used as they lie."""
    return shape.parameters * 2.0 if device == "cpu" and precision in ("fp32", "fp16") else 0.0


def _training_need(shape: ModelArchitecture, precision: str, task: Workload, device: str) -> MemoryEstimate:
    is_low_rank = task.train in ("lora", "qlora")
    layers = task.layers or shape.layers
    trained = shape.lora_weights(task.rank) * layers // shape.layers if is_low_rank else shape.parameters
    weights = weight_bytes(shape, precision)
    # the matrices of LoRA are kept in fp32; a full training's weights are the model's, with a copy in fp32 beside halves
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
    """Bytes of activations that the way back needs, of one token: counted from what autograd saves of one layer.

    Of each layer the two normalisations' inputs and outputs, queries, keys, values and what attention gives, the gate, its
    activation, and their product. LoRA's matrices are fp32, and so what each of them reads is kept in fp32 once more where
    the model is in ``halves``. The logits come on top, three times in fp32 (themselves, their logarithm, its gradient).
    """
    queries, keys = shape.heads * shape.head, shape.kv_heads * shape.head
    layer_numbers = 4 * shape.hidden + 2 * queries + 2 * keys + 4 * shape.inner
    if task.train != "full":
        layer_numbers += 7 * task.rank
    layer_bytes = layer_numbers * number_bytes
    if task.train == "lora" and task.rank and halves:
        layer_bytes += 4.0 * (6 * shape.hidden + shape.inner)
    layers = task.layers or shape.layers
    if task.checkpointing:  # the input of each layer, and one layer while it is computed again
        return layers * shape.hidden * number_bytes + layer_bytes
    return layers * layer_bytes


def supported_precisions(task: Workload, home: str, device: str) -> list[str]:
    """The precisions that a task can have there, best first."""
    if task.train == "qlora":
        return ["int4"]
    if task.train is not None:
        return ["fp32", "bf16"] if device == "cpu" else ["fp32", "bf16", "fp16"]
    return ["fp32", "fp16", "int8", "int4"] if home == "openvino" else ["fp32", "bf16", "fp16", "int8", "int4"]


def suggestions(
    shape: ModelArchitecture, estimate: MemoryEstimate, task: Workload, home: str, device: Device
) -> list[str]:
    """What would make a task fit that does not: the fewest changes, each way with what it would then take; [] if it fits."""
    if estimate.total <= device.free:
        return []
    kinds = [task.train] if task.train != "full" else ["full", "lora"]
    optimizers = [task.optimizer] if task.train is None else list(dict.fromkeys([task.optimizer, "adamw8bit"]))
    contexts = [task.context, *(task.context // part for part in (2, 4, 8) if task.context // part >= 256)]
    alternatives: list[tuple[int, float, str]] = []
    for kind, optimizer, context, batch in product(kinds, optimizers, contexts, dict.fromkeys([task.batch, 1])):
        alternative = replace(task, train=kind, optimizer=optimizer, context=context, batch=batch)
        for precision in dict.fromkeys([estimate.precision, *supported_precisions(alternative, home, device.kind)]):
            changes = [
                *([f"in {precision}"] if precision != estimate.precision else []),
                *(["as LoRA"] if kind != task.train else []),
                *([f"with {optimizer}"] if optimizer != task.optimizer else []),
                *([f"with {context:,} tokens"] if context != task.context else []),
                *(["one text at a time"] if batch != task.batch else []),
            ]
            total = memory_need(shape, precision, alternative, home, device.kind).total
            if changes and total <= device.free:
                alternatives.append((len(changes), -total, f"{', '.join(changes)} ({total / GB:.1f} GB)"))
    fewest_changes = min((number for number, _, _ in alternatives), default=0)
    best = [how for number, _, how in sorted(alternatives) if number == fewest_changes]
    return best[:4] or ["a smaller model, or a machine with more memory"]


def check_memory(model: ModelEntry, choice: RuntimeChoice, device: Device) -> None:
    """Check, before a model is fetched or loaded, that it fits the memory that is free now.

    Raises:
        ModelError: it does not; with the numbers, and with what would.
    """
    if model.shape is None or choice.is_spread or choice.precision not in PRECISION_BYTES:
        return
    task = Workload(context=min(model.context or 4096, 2048))
    estimate = memory_need(model.shape, choice.precision, task, choice.backend, choice.device)
    if estimate.total > device.free:
        alternatives = suggestions(model.shape, estimate, task, choice.backend, device)
        raise ModelError(
            f"{model.name} in {choice.precision} needs {estimate.total / GB:.1f} GB of memory and {device.free / GB:.1f} GB "
            f"are free on {device.name}; what would fit: {', or '.join(alternatives[:3])}. `kgrag plan` says more."
        )
