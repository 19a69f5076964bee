"""An adapter as peft saves it (LoRA, or the virtual tokens of p-tuning): which model it was trained on, and whether it fits another."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kgrag.errors import ModelError
from kgrag.models.fingerprint import weights_sha256
from kgrag.models.registry import ModelEntry
from kgrag.models.safetensors_header import tensor_shapes

WEIGHTS_FILE, CONFIG_FILE, CARD_FILE = "adapter_model.safetensors", "adapter_config.json", "card.json"
P_TUNING = "P_TUNING"
DEFAULT_LORA_ALPHA = 8
"""peft's own ``lora_alpha``, where a configuration has none."""
NON_PLAIN_OPTIONS = ("rank_pattern", "alpha_pattern", "use_dora", "modules_to_save", "layer_replication")
PROMPT_TENSOR = "prompt_embeddings"
"""The one tensor of a p-tuning adapter: (virtual tokens, numbers of a token)."""


@dataclass(frozen=True, slots=True)
class Adapter:
    """Low-rank changes to a model's weights, in ``folder``; ``base`` is the model that they were trained on.

    ``base_sha256`` is that of its weights (`kgrag.models.fingerprint`), "" where the adapter has no card that says it.
    ``scale`` is what the product of two matrices is multiplied by: peft's ``lora_alpha`` over ``r``, or over its root.
    ``plain``: that is all there is to it, no other rank or scale in some places, no decomposed weights, no biases, no whole modules.
    With ``virtual`` above 0 it is no such change but as many tokens that are put before every prompt (p-tuning), which
    the transformers home alone can do; ``rank`` is then 0.
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
        """The folder's name."""
        return self.folder.name

    @property
    def weights_file(self) -> Path:
        """The file of the changes."""
        return self.folder / WEIGHTS_FILE


def load_adapter(folder: Path) -> Adapter:
    """The adapter in a folder.

    Raises:
        ModelError: there is none, or its files cannot be read, or it is neither LoRA nor p-tuning.
    """
    folder = folder.expanduser().resolve()
    if not (folder / CONFIG_FILE).is_file() or not (folder / WEIGHTS_FILE).is_file():
        raise ModelError(
            f"Expected a LoRA adapter in {folder} ({CONFIG_FILE} and {WEIGHTS_FILE}, as peft saves them), found none: "
            "name the folder that holds them."
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
        raise ModelError(f"{folder / CONFIG_FILE} is no configuration of a LoRA ({error}): save it again.") from error
    if peft_type not in ("LORA", P_TUNING):
        raise ModelError(
            f"{folder} holds an adapter of kind {peft_type}, expected LORA or {P_TUNING}: train one of that kind."
        )
    return Adapter(folder, base, rank, virtual_tokens, _base_sha256(folder / CARD_FILE), scale, is_plain)


def _base_sha256(card: Path) -> str:
    try:
        return str(json.loads(card.read_text("utf-8")).get("base_sha256") or "")
    except FileNotFoundError:
        return ""
    except (OSError, ValueError, AttributeError) as error:
        raise ModelError(f"{card} cannot be read ({error}): take it away, the adapter works without.") from error


def check_base(adapter: Adapter, name: str, folder: Path, sha256: str = "") -> None:
    """Check that an adapter was trained on the model ``name``, whose config.json is in ``folder``.

    What tells is the sha256 of the base's weights where the adapter's card and we (``sha256``) know it; else the shape of
    its matrices, and the name of its base where that is a name and not a lost folder.

    Raises:
        ModelError: it was trained on another model.
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
    """Why an adapter does not fit a model that need not be here, in half a sentence; "" where nothing speaks against it.

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
    """The sha256 of a model's weights, where the adapter says one to compare it with; reading a large file takes its time."""
    return weights_sha256(model) if adapter.base_sha256 else ""


def _incompatibility(
    adapter: Adapter, name: str, names: set[str], sizes: dict[str, dict[str, int]], layers: int, sha256: str
) -> str:
    same_weights = adapter.base_sha256 == sha256
    if adapter.base_sha256 and sha256 and not same_weights:
        return f"its base's weights have the sha256 {adapter.base_sha256[:12]}…, those of {name} have {sha256[:12]}…"
    adapter_shapes = tensor_shapes(adapter.weights_file)
    if adapter.virtual_tokens:
        hidden = sizes.get("q_proj", {}).get("A", 0)
        token_width = list(adapter_shapes.get(PROMPT_TENSOR, ()))[-1:]
        if hidden and token_width != [hidden]:
            return f"its tokens have {token_width or 'no'} numbers where {name} has {hidden}"
    for tensor, shape in adapter_shapes.items():
        match = re.search(r"layers\.(\d+)\..*?(\w+)\.lora_([AB])(?:\.\w+)?\.weight$", tensor)
        if match is None:
            continue
        layer, module, side = int(match[1]), match[2], match[3]
        expected_size = sizes.get(module, {}).get(side)
        found_size = shape[1] if side == "A" else shape[0]
        if sizes and (layer >= layers or (expected_size and found_size != expected_size)):
            return f"its {module} of layer {layer} has {found_size} numbers where {name} has {expected_size}"
    base = base_model_name(adapter.base)
    if base and not (sha256 and same_weights) and base not in {base_model_name(one) for one in names}:
        return f"it names {adapter.base} as its base"
    return ""


def _base_mismatch_error(adapter: Adapter, name: str, reason: str) -> ModelError:
    advice = f", or, if it is the same model under another name, mend base_model_name_or_path in its {CONFIG_FILE}"
    return ModelError(
        f"The adapter {adapter.name} was not trained on {name} ({reason}): load its own model first"
        f"{'' if 'sha256' in reason else advice}."
    )


def _linear_sizes_from_config(config: dict[str, Any]) -> dict[str, dict[str, int]]:
    """module -> {"A": numbers in, "B": numbers out} of a model's linear layers."""
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
    """A model's name without who publishes it, and without the folder of a precision in which it lies here."""
    parts = [part for part in name.casefold().replace("\\", "/").split("/") if part]
    while parts and re.fullmatch(r"bf16|source|openvino-\w+", parts[-1]):
        parts.pop()
    return re.sub(r"-gguf$", "", parts[-1]) if parts else ""
