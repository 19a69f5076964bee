"""Language model on GPUs, or on any processor that torch supports, with transformers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import Any

from kgrag.llm import constrained_decoding
from kgrag.llm.chat_model import ChatModel
from kgrag.llm.lora_adapter import Adapter
from kgrag.llm.openvino_backend import check_context, missing_template_error
from kgrag.llm.streaming import Emit, relay_stream
from kgrag.llm.transformers_utils import GrammarLogitsProcessor, decoding_options, load_model, virtual_token_ids
from kgrag.models.device import this_device
from kgrag.models.precision import RuntimeChoice, choose_runtime
from kgrag.models.registry import find_model
from kgrag.protocols import GenerationOptions, Messages, OnText

MAX_BATCH_PROMPTS = 8
"""Prompts in one batch. Padding is short, because prompts of similar length are batched together."""


class TransformersLLM(ChatModel):
    """Greedy decoding with the model's chat template; the common prefix with the previous prompt is computed once."""

    def __init__(
        self,
        folder: Path,
        name: str,
        context: int = 0,
        choice: RuntimeChoice | None = None,
        adapter: Adapter | None = None,
        *,
        reuse_cache: bool = True,
    ) -> None:
        """Load config.json and the safetensors of ``folder``.

        Args:
            folder: folder of the model.
            name: name of the model in answers.
            context: context length in tokens; 0 for the configuration's value.
            choice: device, precision and attention; None for what suits this machine.
            adapter: adapter that is added to the weights.
            reuse_cache: whether to keep a prompt's cache for the next prompt.

        Raises:
            ModelError: the files cannot be read, the model exceeds the device's memory, or it has no chat template.
        """
        self.name = name
        self.choice = choice or choose_runtime(find_model(str(folder)), this_device(), backend="transformers")
        self.adapter = adapter.name if adapter is not None else ""
        self._tokenizer, self._model = load_model(folder, name, self.choice, adapter)
        self._virtual_ids = virtual_token_ids(self._model, adapter)
        if not self._tokenizer.chat_template:
            raise missing_template_error(name, folder)
        self.context = context or int(getattr(self._model.config, "max_position_embeddings", 0) or 0)
        self._lock = Lock()
        self._reuses_cache = reuse_cache
        self._prefix_cache: tuple[list[int], Any] = ([], None)

    def generate(
        self, messages: Messages, options: GenerationOptions = GenerationOptions(), *, on_text: OnText | None = None
    ) -> str:
        """Answer ``messages``; see the LLM protocol.

        Raises:
            ModelError: prompt and answer exceed the context, or the schema is not supported.
        """
        constrained_decoding.validate_constraints(options)
        ids = self._encode_prompt(messages, options.max_tokens)
        grammar = GrammarLogitsProcessor.from_constraints(self._tokenizer, options)

        def decode(emit: Emit) -> None:
            with self._lock:
                self._decode(ids, options.max_tokens, grammar, emit)

        return relay_stream(decode, on_text)

    def _decode(self, ids: list[int], max_tokens: int, grammar: GrammarLogitsProcessor | None, emit: Emit) -> None:
        import torch

        cached_ids, cache = self._prefix_cache
        self._prefix_cache = ([], None)  # an interruption leaves the cache incomplete
        shared_length = next(
            (n for n, (a, b) in enumerate(zip(ids, cached_ids, strict=False)) if a != b), min(len(ids), len(cached_ids))
        )
        if cache is not None:
            cache.crop(min(shared_length, len(ids) - 1))
        inputs = torch.tensor([ids], device=self._model.device)
        options = decoding_options(self._model, self._tokenizer, max_tokens, emit, grammar)
        with torch.inference_mode():
            output = self._model.generate(
                inputs,
                attention_mask=torch.ones_like(inputs),
                past_key_values=cache,
                return_dict_in_generate=True,
                **options,
            )
        if self._reuses_cache:
            self._prefix_cache = (
                output.sequences[0].tolist()[: output.past_key_values.get_seq_length()],
                output.past_key_values,
            )

    def batch(self, prompts: Sequence[Messages], options: GenerationOptions = GenerationOptions()) -> list[str]:
        """Return the answer of `generate` for each prompt, in batches of similar length and in the order of ``prompts``.

        Raises:
            ModelError: as `generate`.
        """
        constrained_decoding.validate_constraints(options)
        if options.schema is not None or options.choices:  # each prompt needs a grammar state of its own
            return super().batch(prompts, options)
        ids = [self._encode_prompt(messages, options.max_tokens) for messages in prompts]
        order = sorted(range(len(ids)), key=lambda n: len(ids[n]))
        answers = [""] * len(ids)
        for start in range(0, len(order), MAX_BATCH_PROMPTS):
            batch_indices = order[start : start + MAX_BATCH_PROMPTS]
            for n, answer in zip(
                batch_indices, self._decode_batch([ids[n] for n in batch_indices], options.max_tokens), strict=True
            ):
                answers[n] = answer
        return answers

    def _decode_batch(self, ids: list[list[int]], max_tokens: int) -> list[str]:
        import torch

        width = max(map(len, ids))
        options = decoding_options(self._model, self._tokenizer, max_tokens)
        pad = options["generation_config"].pad_token_id
        inputs = torch.tensor(
            [[pad] * (width - len(prompt_ids)) + prompt_ids for prompt_ids in ids], device=self._model.device
        )
        mask = torch.tensor(
            [[0] * (width - len(prompt_ids)) + [1] * len(prompt_ids) for prompt_ids in ids], device=self._model.device
        )
        texts: list[str] = []

        def decode(emit: Emit) -> None:
            with self._lock, torch.inference_mode():
                output_ids = self._model.generate(inputs, attention_mask=mask, **options)
            texts.extend(self._tokenizer.batch_decode(output_ids[:, width:], skip_special_tokens=True))

        relay_stream(decode, None)
        return texts

    def sample(
        self, messages: Messages, number: int, *, max_tokens: int = 128, temperature: float = 1.0, seed: int = 0
    ) -> list[str]:
        """Draw samples; see the Sampler protocol. The prompt is computed once for all samples.

        Raises:
            ModelError: prompt and answer exceed the context.
        """
        import torch

        ids = self._encode_prompt(messages, max_tokens)
        inputs = torch.tensor([ids], device=self._model.device)
        config = decoding_options(self._model, self._tokenizer, max_tokens)["generation_config"]
        config.do_sample, config.temperature, config.num_return_sequences = True, temperature, number
        config.top_k, config.top_p = 0, 1.0  # the model's own probabilities, none cut off
        devices = [self._model.device] if self._model.device.type == "cuda" else []
        with self._lock, torch.inference_mode(), torch.random.fork_rng(devices):
            torch.manual_seed(seed)
            output_ids = self._model.generate(inputs, attention_mask=torch.ones_like(inputs), generation_config=config)
        return list(self._tokenizer.batch_decode(output_ids[:, len(ids) :], skip_special_tokens=True))

    def score(self, messages: Messages, continuation: str) -> float:
        """Score ``continuation``; see the LLM protocol.

        Raises:
            ModelError: prompt and continuation exceed the context.
        """
        continuation_ids = self._encode(continuation)
        return (
            sum(self._logprobs(self._encode_prompt(messages, len(continuation_ids)), continuation_ids))
            if continuation_ids
            else 0.0
        )

    def token_logprobs(self, text: str) -> list[float]:
        """Return the log-probability of each token but the first; see the TextModel protocol.

        Raises:
            ModelError: the text is longer than the context.
        """
        ids = self._encode(text)
        check_context(len(ids), 0, self.context, self.name)
        return self._logprobs(ids[:1], ids[1:]) if len(ids) > 1 else []

    def _logprobs(self, prompt_ids: list[int], target_ids: list[int]) -> list[float]:
        import torch

        inputs = torch.tensor([prompt_ids + target_ids], device=self._model.device)
        with self._lock, torch.inference_mode():
            logits = self._model(inputs, logits_to_keep=len(target_ids) + 1, use_cache=False).logits[0, :-1].float()
        targets = torch.tensor(target_ids, device=logits.device)
        logprobs = logits.log_softmax(-1).gather(1, targets[:, None])[:, 0]
        return [float(logprob) for logprob in logprobs]

    def _encode(self, text: str) -> list[int]:
        return list(self._tokenizer.encode(text, add_special_tokens=False))

    def _encode_prompt(self, messages: Messages, max_tokens: int) -> list[int]:
        encoded = self._tokenizer.apply_chat_template(
            [dict(m) for m in messages], add_generation_prompt=True, return_dict=True
        )
        ids = [*self._virtual_ids, *encoded["input_ids"]]
        check_context(len(ids), max_tokens, self.context, self.name)
        return ids

    def count(self, text: str) -> int:
        """Return the number of tokens of ``text``, without the chat template."""
        return len(self._encode(text))
