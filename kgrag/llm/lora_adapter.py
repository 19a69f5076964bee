"""Adapters in peft's format (LoRA or p-tuning): load one, and check that it fits a base model."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

from kgrag.errors import ModelError
from kgrag.models.fingerprint import weights_sha256
from kgrag.models.registry import ModelEntry
from kgrag.models.safetensors_header import tensor_shapes
from kgrag.serialize import JsonObject

WEIGHTS_FILE, CONFIG_FILE, CARD_FILE = "adapter_model.safetensors", "adapter_config.json", "card.json"
P_TUNING = "P_TUNING"
DEFAULT_LORA_ALPHA = 8
"""peft's default of ``lora_alpha``."""
NON_PLAIN_OPTIONS = ("rank_pattern", "alpha_pattern", "use_dora", "modules_to_save", "layer_replication")
PROMPT_TENSOR = "prompt_embeddings"
"""The only tensor of a p-tuning adapter, of shape (virtual tokens, hidden size)."""


@dataclass(frozen=True, slots=True)
class Adapter:
    """An adapter: low-rank changes of a model's weights (LoRA), or virtual tokens (p-tuning).

    Attributes:
        folder: the adapter's folder.
        base: name of the base model, as the adapter's configuration gives it.
        rank: LoRA rank; 0 for p-tuning.
        virtual_tokens: tokens that p-tuning puts before every prompt; 0 for LoRA. Only transformers supports them.
        base_sha256: sha256 of the base model's weights (`kgrag.models.fingerprint`); "" if the card lacks it.
        scale: factor of the product of the two matrices: ``lora_alpha / r``, or ``lora_alpha / sqrt(r)`` with rsLoRA.
        is_plain_lora: whether nothing else is needed: no rank or alpha patterns, no DoRA, no biases, no saved modules.
    """

    folder: Path
    base: str
    rank: int
    virtual_tokens: int = 0
    base_sha256: str = ""
    scale: float = 1.0
    is_plain_lora: bool = True

    @property
    def name(self) -> str:
        """Name of the adapter: the folder's name."""
        return self.folder.name

    @property
    def weights_file(self) -> Path:
        """Path of the weights."""
        return self.folder / WEIGHTS_FILE


def load_adapter(folder: Path) -> Adapter:
    """Load the adapter of a folder.

    Raises:
        ModelError: a file is missing or cannot be read, or the adapter's type is not LoRA or p-tuning.
    """
    folder = folder.expanduser().resolve()
    if not (folder / CONFIG_FILE).is_file() or not (folder / WEIGHTS_FILE).is_file():
        raise ModelError(
            f"Expected a LoRA adapter in {folder} ({CONFIG_FILE} and {WEIGHTS_FILE}, as peft saves them), found none: "
            "pass the folder that has both files."
        )
    try:
        config = json.loads((folder / CONFIG_FILE).read_text("utf-8"))
        peft_type, base = str(config["peft_type"]).upper(), str(config.get("base_model_name_or_path") or "")
        rank = int(config["r"]) if peft_type == "LORA" else 0
        virtual_tokens = int(config["num_virtual_tokens"]) if peft_type == P_TUNING else 0
        scale = (
            float(config.get("lora_alpha", DEFAULT_LORA_ALPHA)) / (rank**0.5 if config.get("use_rslora") else rank)
            if rank
            else 1.0
        )
        is_plain = not any(config.get(name) for name in NON_PLAIN_OPTIONS) and config.get("bias", "none") == "none"
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(
            f"{folder / CONFIG_FILE} is not a LoRA configuration ({error}): save the adapter again."
        ) from error
    if peft_type not in ("LORA", P_TUNING):
        raise ModelError(
            f"Expected an adapter of type LORA or {P_TUNING} in {folder}, found {peft_type}: train one of these types."
        )
    return Adapter(folder, base, rank, virtual_tokens, _base_sha256(folder / CARD_FILE), scale, is_plain)


def _base_sha256(card: Path) -> str:
    try:
        return str(json.loads(card.read_text("utf-8")).get("base_sha256") or "")
    except FileNotFoundError:
        return ""
    except (OSError, ValueError, AttributeError) as error:
        raise ModelError(f"{card} cannot be read ({error}): delete it; the adapter works without.") from error


def check_base(adapter: Adapter, name: str, folder: Path, sha256: str = "") -> None:
    """Check that an adapter was trained on the model ``name``, whose config.json is in ``folder``.

    Compares the sha256 of the base model's weights if both the adapter's card and the caller (``sha256``) have it.
    Otherwise compares the shapes of the matrices, and the base model's name if the adapter gives a name.

    Raises:
        ModelError: the adapter was trained on another model.
    """
    try:
        config = json.loads((folder / "config.json").read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{folder / 'config.json'} cannot be read ({error}): pull {name} again.") from error
    layers = int(config.get("num_hidden_layers") or 0)
    if reason := _incompatibility(
        adapter, name, {name, str(folder), str(folder.resolve())}, _linear_sizes_from_config(config), layers, sha256
    ):
        raise _base_mismatch_error(adapter, name, reason)


def incompatibility(adapter: Adapter, model: ModelEntry) -> str:
    """Return why an adapter does not fit a model, as half a sentence; "" if it fits. The model need not be here.

    Raises:
        ModelError: the adapter's weights cannot be read.
    """
    shape = model.shape
    sizes, layers = {}, 0
    if shape is not None:
        sizes = _linear_sizes(shape.hidden, shape.inner, shape.heads * shape.head, shape.kv_heads * shape.head)
        layers = shape.layers
    label = model.local_path.name if model.local_path is not None else Path(model.name).name
    return _incompatibility(adapter, label, {label, model.name}, sizes, layers, base_sha256(adapter, model))


def base_sha256(adapter: Adapter, model: ModelEntry) -> str:
    """Return the sha256 of a model's weights; "" if the adapter has none to compare. Slow for large files."""
    return weights_sha256(model) if adapter.base_sha256 else ""


def _incompatibility(
    adapter: Adapter, name: str, names: set[str], sizes: dict[str, dict[str, int]], layers: int, sha256: str
) -> str:
    same_weights = adapter.base_sha256 == sha256
    if adapter.base_sha256 and sha256 and not same_weights:
        return (
            f"the base model's weights have the sha256 {adapter.base_sha256[:12]}…, those of {name} have {sha256[:12]}…"
        )
    adapter_shapes = tensor_shapes(adapter.weights_file)
    if adapter.virtual_tokens:
        hidden = sizes.get("q_proj", {}).get("A", 0)
        token_width = list(adapter_shapes.get(PROMPT_TENSOR, ()))[-1:]
        if hidden and token_width != [hidden]:
            return f"its virtual tokens have {token_width or 'no'} dimensions, {name} has {hidden}"
    for tensor, shape in adapter_shapes.items():
        match = re.search(r"layers\.(\d+)\..*?(\w+)\.lora_([AB])(?:\.\w+)?\.weight$", tensor)
        if match is None:
            continue
        layer, module, side = int(match[1]), match[2], match[3]
        expected_size = sizes.get(module, {}).get(side)
        found_size = shape[1] if side == "A" else shape[0]
        if sizes and (layer >= layers or (expected_size and found_size != expected_size)):
            return f"its {module} of layer {layer} has {found_size} dimensions, {name} has {expected_size}"
    base = base_model_name(adapter.base)
    if base and not (sha256 and same_weights) and base not in {base_model_name(alias) for alias in names}:
        return f"its base model is {adapter.base}"
    return ""


def _base_mismatch_error(adapter: Adapter, name: str, reason: str) -> ModelError:
    advice = f"; if both are the same model, fix base_model_name_or_path in its {CONFIG_FILE}"
    return ModelError(
        f"The adapter {adapter.name} was not trained on {name} ({reason}): use its own base model"
        f"{'' if 'sha256' in reason else advice}."
    )


def _linear_sizes_from_config(config: JsonObject) -> dict[str, dict[str, int]]:
    """Return module -> {"A": input size, "B": output size} of a model's linear layers."""
    hidden, inner = int(config.get("hidden_size") or 0), int(config.get("intermediate_size") or 0)
    heads = int(config.get("num_attention_heads") or 1)
    head = int(config.get("head_dim") or hidden // heads)
    return _linear_sizes(hidden, inner, heads * head, int(config.get("num_key_value_heads") or heads) * head)


def _linear_sizes(hidden: int, inner: int, queries: int, keys: int) -> dict[str, dict[str, int]]:
    sizes = {
        "q_proj": (hidden, queries),
        "k_proj": (hidden, keys),
        "v_proj": (hidden, keys),
        "o_proj": (queries, hidden),
        "gate_proj": (hidden, inner),
        "up_proj": (hidden, inner),
        "down_proj": (inner, hidden),
    }
    return {name: {"A": in_size, "B": out_size} for name, (in_size, out_size) in sizes.items()}


def base_model_name(name: str) -> str:
    """Return a model's name without its publisher and without the folder of a precision."""
    parts = [part for part in name.casefold().replace("\\", "/").split("/") if part]
    while parts and re.fullmatch(r"bf16|source|openvino-\w+", parts[-1]):
        parts.pop()
    return re.sub(r"-gguf$", "", parts[-1]) if parts else ""
