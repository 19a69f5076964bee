"""Tiny language model with random weights, to build, convert and train in a test."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from kgrag.tune.training.settings import DevicePlan

if TYPE_CHECKING:
    from kgrag.llm.transformers_backend import TransformersLLM

FP32_CHOICE = DevicePlan("fp32", "", False, "cpu", "tests")
CHAT_TEMPLATE = (
    "{% for m in messages %}<|start|>{{ m['role'] }} {{ m['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|start|>assistant {% endif %}"
)
CONTEXT_TOKENS = 128


def build_tiny_model(folder: Path, context: int = CONTEXT_TOKENS) -> None:
    """Build a Qwen2 of some 400,000 random weights, and a tokenizer over single bytes and a few words."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers  # type: ignore[import-untyped, unused-ignore]
    from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

    bpe_tokenizer = Tokenizer(models.BPE())
    bpe_tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe_tokenizer.decoder = decoders.ByteLevel()
    special_tokens = ["<|end|>", "<|start|>"]
    trainer = trainers.BpeTrainer(
        vocab_size=320,
        special_tokens=special_tokens,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe_tokenizer.train_from_iterator(["user assistant system what is the capital of France? Paris. " * 3], trainer)
    make_tokenizer: Any = PreTrainedTokenizerFast  # these classes come without types
    tokenizer = make_tokenizer(
        tokenizer_object=bpe_tokenizer, eos_token="<|end|>", pad_token="<|end|>", chat_template=CHAT_TEMPLATE
    )
    tokenizer.save_pretrained(str(folder))
    torch.manual_seed(1)
    make_config: Any = Qwen2Config
    make_model: Any = Qwen2ForCausalLM
    config = make_config(
        vocab_size=len(tokenizer),
        hidden_size=128,
        intermediate_size=256,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=context,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.eos_token_id,
        tie_word_embeddings=True,
    )
    make_model(config).save_pretrained(str(folder))


def load_torch_llm(folder: Path, adapter: Path | None = None) -> TransformersLLM:
    """Load a tiny model with the transformers backend on the CPU, optionally with a LoRA adapter."""
    from kgrag.llm.lora_adapter import load_adapter
    from kgrag.llm.transformers_backend import TransformersLLM
    from kgrag.models.device import cpu_device
    from kgrag.models.precision import choose_runtime
    from kgrag.models.registry import find_model

    choice = choose_runtime(find_model(str(folder)), cpu_device(), backend="transformers")
    return TransformersLLM(folder, "tiny", choice=choice, adapter=load_adapter(adapter) if adapter else None)
