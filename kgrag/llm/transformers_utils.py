"""Load and decode with transformers: dtypes of precisions, grammar masks, streaming, virtual tokens."""

from __future__ import annotations

import importlib
from pathlib import Path
from threading import Event
from typing import Any

from kgrag.errors import ModelError
from kgrag.llm.constrained_decoding import choices_grammar
from kgrag.llm.lora_adapter import PROMPT_TENSOR, Adapter
from kgrag.llm.streaming import Emit
from kgrag.models.device import this_device
from kgrag.models.precision import RuntimeChoice
from kgrag.protocols import GenerationOptions


def model_load_options(choice: RuntimeChoice) -> dict[str, Any]:
    """Return the arguments of ``from_pretrained``; imports bitsandbytes only if the precision needs it."""
    import torch

    options: dict[str, Any] = {"local_files_only": True, "attn_implementation": choice.attention}
    dtypes = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
    half = torch.bfloat16 if choice.device != "cuda" or this_device().bf16 else torch.float16
    options["dtype"] = dtypes.get(choice.precision, half)
    if choice.precision in ("int8", "int4"):
        from transformers import BitsAndBytesConfig

        config_class: Any = BitsAndBytesConfig
        options["quantization_config"] = (
            config_class(load_in_8bit=True)
            if choice.precision == "int8"
            else config_class(
                load_in_4bit=True,
                bnb_4bit_quant_type="nf4",
                bnb_4bit_use_double_quant=True,
                bnb_4bit_compute_dtype=half,
            )
        )
    if choice.is_spread:
        options["device_map"] = "auto"
    elif choice.device != "cpu":
        # straight to the device: half of the memory that a copy through the processor takes
        options["device_map"] = {"": choice.device}
    return options


def load_model(folder: Path, name: str, choice: RuntimeChoice, adapter: Adapter | None) -> tuple[Any, Any]:
    """Load (tokenizer, model), ready to answer.

    Raises:
        ModelError: the files cannot be read, or the model exceeds the device's memory.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call, unused-ignore]
    try:
        tokenizer: Any = AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
        model: Any = AutoModelForCausalLM.from_pretrained(str(folder), **model_load_options(choice))
        if adapter is not None:
            if adapter.virtual_tokens:
                return tokenizer, with_virtual_tokens(model.eval(), adapter)
            peft = importlib.import_module("peft")
            model = peft.PeftModel.from_pretrained(model, str(adapter.folder)).merge_and_unload()
        return tokenizer, model.eval()
    except torch.OutOfMemoryError as error:
        raise ModelError(
            f"{name} exceeds the memory of the {choice.device} device in {choice.precision}: choose a smaller "
            "model or precision, or close other programs; `kgrag plan` shows the memory it needs."
        ) from error
    except (OSError, ValueError, KeyError, RuntimeError, ImportError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ModelError(
            f"The language model in {folder} cannot be loaded ({reason}): "
            "pass a folder with config.json, *.safetensors and the tokenizer's files."
        ) from error


def with_virtual_tokens(model: Any, adapter: Adapter) -> Any:
    """Add the virtual tokens of p-tuning to a model, as ids above its vocabulary (`virtual_token_ids`).

    They can be read but not generated: the output matrix stays as it is.
    """
    import torch

    load = importlib.import_module("safetensors.torch").load_file
    word_embeddings = model.get_input_embeddings()
    virtual_embeddings = load(str(adapter.weights_file))[PROMPT_TENSOR].to(
        word_embeddings.weight.device, word_embeddings.weight.dtype
    )

    class Embedding(torch.nn.Module):
        """Embedding table: the model's rows for words, the adapter's rows for ids above them."""

        def __init__(self) -> None:
            super().__init__()
            self.words, self.weight = word_embeddings, word_embeddings.weight

        def forward(self, ids: torch.Tensor) -> torch.Tensor:
            vocabulary_size = len(self.words.weight)
            word_vectors: torch.Tensor = self.words(ids.clamp(max=vocabulary_size - 1))
            is_virtual = (ids >= vocabulary_size).unsqueeze(-1)
            return torch.where(is_virtual, virtual_embeddings[(ids - vocabulary_size).clamp(min=0)], word_vectors)

    model.set_input_embeddings(Embedding())
    return model


def virtual_token_ids(model: Any, adapter: Adapter | None) -> list[int]:
    """Return the ids to put before a prompt; [] without an adapter of p-tuning."""
    if adapter is None or not adapter.virtual_tokens:
        return []
    first_id = len(model.get_input_embeddings().weight)
    return list(range(first_id, first_id + adapter.virtual_tokens))


class GrammarLogitsProcessor:
    """Logits processor that makes the answer follow a JSON schema or a list of choices."""

    def __init__(self, tokenizer: Any, rules: str) -> None:
        """Compile ``rules`` (llguidance's format). Raises ModelError: they cannot be followed."""
        guidance = importlib.import_module("llguidance")
        self._torch = importlib.import_module("llguidance.torch")
        token_vocabulary = importlib.import_module("llguidance.hf").from_tokenizer(tokenizer)
        self._matcher = guidance.LLMatcher(token_vocabulary, rules)
        if self._matcher.is_error():
            reason = self._matcher.get_error().splitlines()[0]
            raise ModelError(f"The answer cannot be constrained as asked ({reason}): simplify the JSON schema.")
        self._mask = self._torch.allocate_token_bitmask(1, token_vocabulary.vocab_size)
        self._prompt_length: int | None = None

    @classmethod
    def from_constraints(cls, tokenizer: Any, options: GenerationOptions) -> GrammarLogitsProcessor | None:
        """Build the processor of a schema or of choices; None without either."""
        if options.schema is None and not options.choices:
            return None
        matcher = importlib.import_module("llguidance").LLMatcher
        if options.schema is not None:
            return cls(tokenizer, matcher.grammar_from_json_schema(options.schema))
        return cls(tokenizer, matcher.grammar_from_lark(choices_grammar(options.choices, "start:")))

    def __call__(self, ids: Any, scores: Any) -> Any:
        """Mask the scores: ids (1, tokens), scores (1, vocabulary)."""
        if self._prompt_length is not None:
            self._matcher.consume_token(int(ids[0, -1]))
        self._prompt_length = ids.shape[1]
        self._torch.fill_next_token_bitmask(self._matcher, self._mask, 0)
        masked = scores.clone()
        vocabulary_size = self._mask.shape[1] * 32  # a vocabulary may be padded beyond the tokenizer's
        masked[:, vocabulary_size:] = float("-inf")
        self._torch.apply_token_bitmask_inplace(masked[:, :vocabulary_size], self._mask.to(scores.device))
        return masked


def decoding_options(
    model: Any,
    tokenizer: Any,
    max_tokens: int,
    emit: Emit | None = None,
    grammar_processor: GrammarLogitsProcessor | None = None,
) -> dict[str, Any]:
    """Return the arguments of ``model.generate``: greedy decoding that streams to ``emit`` until it returns True."""
    import torch
    from transformers import GenerationConfig, LogitsProcessorList, StoppingCriteriaList, TextStreamer

    model_config = model.generation_config
    eos_ids = model_config.eos_token_id if model_config.eos_token_id is not None else tokenizer.eos_token_id
    pad_id = tokenizer.pad_token_id
    config_class: Any = GenerationConfig
    config = config_class(
        do_sample=False,
        max_new_tokens=max_tokens,
        eos_token_id=eos_ids,
        pad_token_id=pad_id if pad_id is not None else (eos_ids[0] if isinstance(eos_ids, list) else eos_ids),
    )
    options: dict[str, Any] = {"generation_config": config}
    if emit is not None:
        stopped, emit_piece = Event(), emit

        class PieceStreamer(TextStreamer):  # type: ignore[misc, unused-ignore]
            def on_finalized_text(self, text: str, stream_end: bool = False) -> None:
                if emit_piece(text):
                    stopped.set()

        options["streamer"] = PieceStreamer(tokenizer, skip_prompt=True, skip_special_tokens=True)
        options["stopping_criteria"] = StoppingCriteriaList(
            [lambda ids, scores, **_: torch.full((ids.shape[0],), stopped.is_set())]
        )
    if grammar_processor is not None:
        options["logits_processor"] = LogitsProcessorList([grammar_processor])
    return options
