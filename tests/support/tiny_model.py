"""A language model of random weights, small enough to be made, converted and trained in a test."""

from __future__ import annotations

from pathlib import Path
from typing import Any

CHAT_TEMPLATE = (
    "{% for m in messages %}<|start|>{{ m['role'] }} {{ m['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|start|>assistant {% endif %}"
)
CONTEXT_TOKENS = 128


def build_tiny_model(folder: Path, context: int = CONTEXT_TOKENS) -> None:
    """A Qwen2 of some 400,000 random weights, and a tokenizer over single bytes and a few words."""
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
