"""The sizes of a language model's parts, which say what it takes: read from its configuration, no weights needed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kgrag.errors import ModelError


@dataclass(frozen=True, slots=True)
class ModelArchitecture:
    """A decoder of the Llama kind: grouped-query attention, a gated feed-forward part, normalisation by root mean square.

    ``hidden`` is the width of a token's vector, ``inner`` that of the feed-forward part; ``heads`` ask, ``kv_heads`` are
    asked, ``head`` numbers each; ``tied`` says that the first and the last matrix are one; ``context`` is in tokens;
    ``experts`` feed-forward parts stand side by side (1: no mixture); ``bias`` says that queries, keys and values have one.
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
        """Weights of the layers' matrices: what is quantised, and what LoRA is put beside."""
        queries, keys = self.heads * self.head, self.kv_heads * self.head
        attention = self.hidden * (queries + 2 * keys) + queries * self.hidden
        return self.layers * (attention + self.experts * 3 * self.hidden * self.inner)

    @property
    def embedding_weights(self) -> int:
        """Weights of the first and the last matrix."""
        return self.vocabulary * self.hidden * (1 if self.tied else 2)

    @property
    def parameters(self) -> int:
        """All weights."""
        queries, keys = self.heads * self.head, self.kv_heads * self.head
        biases = self.layers * (queries + 2 * keys) if self.bias else 0
        router = self.layers * self.hidden * self.experts if self.experts > 1 else 0
        return self.linear_weights + self.embedding_weights + biases + router + (2 * self.layers + 1) * self.hidden

    def kv_cache_bytes(self, tokens: int, batch: int, number_bytes: float = 2.0) -> float:
        """Bytes of the cache of keys and values: 2 x layers x kv heads x head size x tokens x batch x bytes of a number."""
        return 2 * self.layers * self.kv_heads * self.head * tokens * batch * number_bytes

    def lora_weights(self, rank: int) -> int:
        """Weights of LoRA matrices of a rank beside every matrix of the layers."""
        queries, keys = self.heads * self.head, self.kv_heads * self.head
        in_out_sum = (
            2 * (self.hidden + queries) + 2 * (self.hidden + keys) + self.experts * 3 * (self.hidden + self.inner)
        )
        return self.layers * rank * in_out_sum


def architecture_from_config(config: Mapping[str, Any], name: str) -> ModelArchitecture:
    """The shape that a config.json says.

    Raises:
        ModelError: it is the configuration of another kind of model.
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
    """The config.json of a folder.

    Raises:
        ModelError: it is not there, or no JSON object.
    """
    try:
        config = json.loads((folder / "config.json").read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(
            f"{folder / 'config.json'} is no JSON that can be read ({error}): copy or pull the model again."
        ) from error
    if not isinstance(config, dict):
        raise ModelError(f"{folder / 'config.json'} is not a JSON object: copy or pull the model again.")
    return config
