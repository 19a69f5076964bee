"""Layer sizes of a language model, read from its configuration without loading weights."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kgrag.errors import ModelError


@dataclass(frozen=True, slots=True)
class ModelArchitecture:
    """Sizes of a Llama-style decoder: grouped-query attention, gated feed-forward layers, RMS normalisation.

    ``hidden`` is the width of a token's vector, ``inner`` the width of the feed-forward layer. ``heads`` counts query
    heads, ``kv_heads`` key and value heads, and ``head`` is the width of one head. ``tied``: input and output
    embeddings share one matrix. ``context`` is in tokens. ``experts`` is the number of feed-forward experts (1: no
    mixture). ``bias``: queries, keys and values have a bias.
    """

    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head: int
    inner: int
    vocabulary: int
    tied: bool
    context: int
    experts: int = 1
    bias: bool = False

    @property
    def linear_weights(self) -> int:
        """Return the weights of the layers' matrices, which quantisation packs and LoRA adapts."""
        queries, keys = self.heads * self.head, self.kv_heads * self.head
        attention = self.hidden * (queries + 2 * keys) + queries * self.hidden
        return self.layers * (attention + self.experts * 3 * self.hidden * self.inner)

    @property
    def embedding_weights(self) -> int:
        """Return the weights of the input and output embeddings."""
        return self.vocabulary * self.hidden * (1 if self.tied else 2)

    @property
    def parameters(self) -> int:
        """Return the number of all weights."""
        queries, keys = self.heads * self.head, self.kv_heads * self.head
        biases = self.layers * (queries + 2 * keys) if self.bias else 0
        router = self.layers * self.hidden * self.experts if self.experts > 1 else 0
        return self.linear_weights + self.embedding_weights + biases + router + (2 * self.layers + 1) * self.hidden

    def kv_cache_bytes(self, tokens: int, batch: int, number_bytes: float = 2.0) -> float:
        """Return the bytes of the key-value cache: 2 x layers x kv heads x head size x tokens x batch x number size."""
        return 2 * self.layers * self.kv_heads * self.head * tokens * batch * number_bytes

    def lora_weights(self, rank: int) -> int:
        """Return the weights of LoRA matrices of this rank on every matrix of the layers."""
        queries, keys = self.heads * self.head, self.kv_heads * self.head
        in_out_sum = (
            2 * (self.hidden + queries) + 2 * (self.hidden + keys) + self.experts * 3 * (self.hidden + self.inner)
        )
        return self.layers * rank * in_out_sum


def architecture_from_config(config: Mapping[str, Any], name: str) -> ModelArchitecture:
    """Return the architecture that a config.json describes.

    Raises:
        ModelError: the configuration describes another kind of model.
    """
    try:
        hidden, heads = int(config["hidden_size"]), int(config["num_attention_heads"])
        experts = config.get("num_local_experts") or config.get("num_experts") or 1
        inner = config.get("moe_intermediate_size") if int(experts) > 1 else None
        return ModelArchitecture(
            layers=int(config["num_hidden_layers"]),
            hidden=hidden,
            heads=heads,
            kv_heads=int(config.get("num_key_value_heads") or heads),
            head=int(config.get("head_dim") or hidden // heads),
            inner=int(inner or config["intermediate_size"]),
            vocabulary=int(config["vocab_size"]),
            tied=bool(config.get("tie_word_embeddings", False)),
            context=int(config.get("max_position_embeddings") or 0),
            experts=int(experts),
            bias=bool(config.get("attention_bias")) or str(config.get("model_type", "")).startswith("qwen2"),
        )
    except (KeyError, TypeError, ValueError, ZeroDivisionError) as error:
        raise ModelError(
            f"The configuration of {name} is not that of a decoder such as Llama or Qwen ({error}): "
            "expected hidden_size, num_hidden_layers, num_attention_heads, intermediate_size and vocab_size."
        ) from error


def read_config(folder: Path) -> dict[str, Any]:
    """Return the parsed config.json of a folder.

    Raises:
        ModelError: the file is missing or is not a JSON object.
    """
    try:
        config = json.loads((folder / "config.json").read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(
            f"Cannot read {folder / 'config.json'} as JSON ({error}): copy or pull the model again."
        ) from error
    if not isinstance(config, dict):
        raise ModelError(f"{folder / 'config.json'} is not a JSON object: copy or pull the model again.")
    return config
