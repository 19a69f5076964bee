"""An adapter as peft saves it (LoRA, or the virtual tokens of p-tuning): which model it was trained on, and whether it fits another."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kgrag.errors import ModelError
from kgrag.models.fingerprint import weights_sha256
from kgrag.models.registry import Model
from kgrag.models.safetensors import shapes

WEIGHTS, CONFIG, CARD = "adapter_model.safetensors", "adapter_config.json", "card.json"
P_TUNING = "P_TUNING"
PEFT_ALPHA = 8
"""peft's own ``lora_alpha``, where a configuration has none."""
NOT_PLAIN = ("rank_pattern", "alpha_pattern", "use_dora", "modules_to_save", "layer_replication")
PROMPT = "prompt_embeddings"
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
    virtual: int = 0
    base_sha256: str = ""
    scale: float = 1.0
    plain: bool = True

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.folder.name

    @property
    def weights(self) -> Path:
        """The file of the changes."""
        return self.folder / WEIGHTS


def load_adapter(folder: Path) -> Adapter:
    """The adapter in a folder.

    Raises:
        ModelError: there is none, or its files cannot be read, or it is neither LoRA nor p-tuning.
    """
    folder = folder.expanduser().resolve()
    if not (folder / CONFIG).is_file() or not (folder / WEIGHTS).is_file():
        raise ModelError(
            f"Expected a LoRA adapter in {folder} ({CONFIG} and {WEIGHTS}, as peft saves them), found none: "
            "name the folder that holds them."
        )
    try:
        config = json.loads((folder / CONFIG).read_text("utf-8"))
        kind, base = str(config["peft_type"]).upper(), str(config.get("base_model_name_or_path") or "")
        rank = int(config["r"]) if kind == "LORA" else 0
        virtual = int(config["num_virtual_tokens"]) if kind == P_TUNING else 0
        scale = (
            float(config.get("lora_alpha", PEFT_ALPHA)) / (rank**0.5 if config.get("use_rslora") else rank)
            if rank
            else 1.0
        )
        plain = not any(config.get(name) for name in NOT_PLAIN) and config.get("bias", "none") == "none"
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{folder / CONFIG} is no configuration of a LoRA ({error}): save it again.") from error
    if kind not in ("LORA", P_TUNING):
        raise ModelError(
            f"{folder} holds an adapter of kind {kind}, expected LORA or {P_TUNING}: train one of that kind."
        )
    return Adapter(folder, base, rank, virtual, _base_sha256(folder / CARD), scale, plain)


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
    if why := _misfit(adapter, name, {name, str(folder), str(folder.resolve())}, _sizes(config), layers, sha256):
        raise _wrong(adapter, name, why)


def misfit(adapter: Adapter, model: Model) -> str:
    """Why an adapter does not fit a model that need not be here, in half a sentence; "" where nothing speaks against it.

    Raises:
        ModelError: the adapter's weights cannot be read.
    """
    shape = model.shape
    sizes, layers = {}, 0
    if shape is not None:
        sizes = _linear(shape.hidden, shape.inner, shape.heads * shape.head, shape.kv_heads * shape.head)
        layers = shape.layers
    label = model.local.name if model.local is not None else Path(model.name).name
    return _misfit(adapter, label, {label, model.name}, sizes, layers, base_sha256(adapter, model))


def base_sha256(adapter: Adapter, model: Model) -> str:
    """The sha256 of a model's weights, where the adapter says one to compare it with; reading a large file takes its time."""
    return weights_sha256(model) if adapter.base_sha256 else ""


def _misfit(
    adapter: Adapter, name: str, names: set[str], sizes: dict[str, dict[str, int]], layers: int, sha256: str
) -> str:
    same = adapter.base_sha256 == sha256
    if adapter.base_sha256 and sha256 and not same:
        return f"its base's weights have the sha256 {adapter.base_sha256[:12]}…, those of {name} have {sha256[:12]}…"
    held = shapes(adapter.weights)
    if adapter.virtual:
        hidden = sizes.get("q_proj", {}).get("A", 0)
        found_width = list(held.get(PROMPT, ()))[-1:]
        if hidden and found_width != [hidden]:
            return f"its tokens have {found_width or 'no'} numbers where {name} has {hidden}"
    for tensor, shape in held.items():
        found = re.search(r"layers\.(\d+)\..*?(\w+)\.lora_([AB])(?:\.\w+)?\.weight$", tensor)
        if found is None:
            continue
        layer, module, side = int(found[1]), found[2], found[3]
        expected = sizes.get(module, {}).get(side)
        here = shape[1] if side == "A" else shape[0]
        if sizes and (layer >= layers or (expected and here != expected)):
            return f"its {module} of layer {layer} has {here} numbers where {name} has {expected}"
    base = plain_name(adapter.base)
    if base and not (sha256 and same) and base not in {plain_name(one) for one in names}:
        return f"it names {adapter.base} as its base"
    return ""


def _wrong(adapter: Adapter, name: str, why: str) -> ModelError:
    mend = f", or, if it is the same model under another name, mend base_model_name_or_path in its {CONFIG}"
    return ModelError(
        f"The adapter {adapter.name} was not trained on {name} ({why}): load its own model first"
        f"{'' if 'sha256' in why else mend}."
    )


def _sizes(config: dict[str, Any]) -> dict[str, dict[str, int]]:
    """module -> {"A": numbers in, "B": numbers out} of a model's linear layers."""
    hidden, inner = int(config.get("hidden_size") or 0), int(config.get("intermediate_size") or 0)
    heads = int(config.get("num_attention_heads") or 1)
    head = int(config.get("head_dim") or hidden // heads)
    return _linear(hidden, inner, heads * head, int(config.get("num_key_value_heads") or heads) * head)


def _linear(hidden: int, inner: int, queries: int, keys: int) -> dict[str, dict[str, int]]:
    sizes = {
        "q_proj": (hidden, queries),
        "k_proj": (hidden, keys),
        "v_proj": (hidden, keys),
        "o_proj": (queries, hidden),
        "gate_proj": (hidden, inner),
        "up_proj": (hidden, inner),
        "down_proj": (inner, hidden),
    }
    return {name: {"A": into, "B": out} for name, (into, out) in sizes.items()}


def plain_name(name: str) -> str:
    """A model's name without who publishes it, and without the folder of a precision in which it lies here."""
    parts = [part for part in name.casefold().replace("\\", "/").split("/") if part]
    while parts and re.fullmatch(r"bf16|source|openvino-\w+", parts[-1]):
        parts.pop()
    return re.sub(r"-gguf$", "", parts[-1]) if parts else ""
