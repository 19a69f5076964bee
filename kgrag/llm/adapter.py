"""An adapter as peft saves it (LoRA, or the virtual tokens of p-tuning): which model it was trained on, and whether it fits another."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kgrag.errors import ModelError
from kgrag.models.safetensors import shapes

WEIGHTS, CONFIG = "adapter_model.safetensors", "adapter_config.json"
P_TUNING = "P_TUNING"
PROMPT = "prompt_embeddings"
"""The one tensor of a p-tuning adapter: (virtual tokens, numbers of a token)."""


@dataclass(frozen=True, slots=True)
class Adapter:
    """Low-rank changes to a model's weights, in ``folder``; ``base`` is the model that they were trained on.

    With ``virtual`` above 0 it is no such change but as many tokens that are put before every prompt (p-tuning), which
    the transformers home alone can do; ``rank`` is then 0.
    """

    folder: Path
    base: str
    rank: int
    virtual: int = 0

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
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{folder / CONFIG} is no configuration of a LoRA ({error}): save it again.") from error
    if kind not in ("LORA", P_TUNING):
        raise ModelError(
            f"{folder} holds an adapter of kind {kind}, expected LORA or {P_TUNING}: train one of that kind."
        )
    return Adapter(folder, base, rank, virtual)


def check_base(adapter: Adapter, name: str, folder: Path) -> None:
    """Check that an adapter was trained on the model ``name``, whose config.json is in ``folder``.

    What tells is the shape of its matrices, and the name of its base where that is a name and not a lost folder.

    Raises:
        ModelError: it was trained on another model.
    """
    try:
        config = json.loads((folder / "config.json").read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{folder / 'config.json'} cannot be read ({error}): pull {name} again.") from error
    sizes = _sizes(config)
    held = shapes(adapter.weights)
    if adapter.virtual:
        width, found_width = int(config.get("hidden_size") or 0), list(held.get(PROMPT, ()))[-1:]
        if found_width != [width]:
            raise _wrong(adapter, name, f"its tokens have {found_width or 'no'} numbers where {name} has {width}")
    for tensor, shape in held.items():
        found = re.search(r"layers\.(\d+)\..*?(\w+)\.lora_([AB])(?:\.\w+)?\.weight$", tensor)
        if found is None:
            continue
        layer, module, side = int(found[1]), found[2], found[3]
        expected = sizes.get(module, {}).get(side)
        here = shape[1] if side == "A" else shape[0]
        if layer >= int(config.get("num_hidden_layers") or 0) or (expected and here != expected):
            raise _wrong(adapter, name, f"its {module} of layer {layer} has {here} numbers where {name} has {expected}")
    base = _plain(adapter.base)
    if base and base not in {_plain(name), _plain(str(folder)), _plain(str(folder.resolve()))}:
        raise _wrong(adapter, name, f"it names {adapter.base} as its base")


def _wrong(adapter: Adapter, name: str, why: str) -> ModelError:
    return ModelError(
        f"The adapter {adapter.name} was not trained on {name} ({why}): load its own model first, or, if it is the "
        f"same model under another name, mend base_model_name_or_path in its {CONFIG}."
    )


def _sizes(config: dict[str, Any]) -> dict[str, dict[str, int]]:
    """module -> {"A": numbers in, "B": numbers out} of a model's linear layers."""
    hidden, inner = int(config.get("hidden_size") or 0), int(config.get("intermediate_size") or 0)
    heads = int(config.get("num_attention_heads") or 1)
    head = int(config.get("head_dim") or hidden // heads)
    queries, keys = heads * head, int(config.get("num_key_value_heads") or heads) * head
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


def _plain(name: str) -> str:
    """A model's name without who publishes it, and without the folder of a precision in which it lies here."""
    parts = [part for part in name.casefold().replace("\\", "/").split("/") if part]
    while parts and re.fullmatch(r"bf16|source|openvino-\w+", parts[-1]):
        parts.pop()
    return re.sub(r"-gguf$", "", parts[-1]) if parts else ""
