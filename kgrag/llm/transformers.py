"""A language model by transformers: on one or more GPUs, or on any processor that torch runs on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import Any

from kgrag.llm import constrain
from kgrag.llm.adapter import Adapter
from kgrag.llm.openvino import fits, no_template
from kgrag.llm.stream import Emit, OnText, relay
from kgrag.llm.torch_parts import Grammar, decoding, load_model, virtual_ids
from kgrag.models.device import this_device
from kgrag.models.precision import Choice, decide
from kgrag.models.registry import find
from kgrag.protocols import Messages

BATCH = 8
"""Prompts that are decoded together: padded to the longest of them, which those of like length hardly need."""


class TransformersLLM:
    """Greedy decoding with the model's chat template; what a prompt begins like the last one is computed once."""

    def __init__(
        self,
        folder: Path,
        name: str,
        context: int = 0,
        choice: Choice | None = None,
        adapter: Adapter | None = None,
        *,
        keeps: bool = True,
    ) -> None:
        """Load config.json and safetensors of ``folder``.

        ``context`` is in tokens (0: what the configuration says); ``choice`` is how and where (None: what suits this
        machine); ``adapter`` is added to the weights; ``keeps`` says whether a prompt's cache is kept for the next one.

        Raises:
            ModelError: the folder's files cannot be read, or do not fit the device's memory, or there is no template.
        """
        self.name = name
        self.choice = choice or decide(find(str(folder)), this_device(), home="transformers")
        self.adapter = adapter.name if adapter is not None else ""
        self._tokenizer, self._model = load_model(folder, name, self.choice, adapter)
        self._virtual = virtual_ids(self._model, adapter)
        if not self._tokenizer.chat_template:
            raise no_template(name, folder)
        self.context = context or int(getattr(self._model.config, "max_position_embeddings", 0) or 0)
        self._lock = Lock()
        self._keeps = keeps
        self._kept: tuple[list[int], Any] = ([], None)

    def generate(
        self,
        messages: Messages,
        *,
        max_tokens: int = 128,
        on_text: OnText | None = None,
        schema: str | None = None,
        choices: Sequence[str] = (),
    ) -> str:
        """The answer to ``messages``, at most ``max_tokens`` long; see the LLM protocol.

        Raises:
            ModelError: prompt and answer do not fit the context, or the schema cannot be followed.
        """
        constrain.checked(schema, choices)
        ids = self._prompt(messages, max_tokens)
        grammar = Grammar.of(self._tokenizer, schema, choices)

        def decode(emit: Emit) -> None:
            with self._lock:
                self._decode(ids, max_tokens, grammar, emit)

        return relay(decode, on_text)

    def _decode(self, ids: list[int], max_tokens: int, grammar: Grammar | None, emit: Emit) -> None:
        import torch

        known, cache = self._kept
        self._kept = ([], None)  # an interruption leaves the cache half written
        same = next((n for n, (a, b) in enumerate(zip(ids, known, strict=False)) if a != b), min(len(ids), len(known)))
        if cache is not None:
            cache.crop(min(same, len(ids) - 1))
        inputs = torch.tensor([ids], device=self._model.device)
        options = decoding(self._model, self._tokenizer, max_tokens, emit, grammar)
        with torch.inference_mode():
            done = self._model.generate(
                inputs,
                attention_mask=torch.ones_like(inputs),
                past_key_values=cache,
                return_dict_in_generate=True,
                **options,
            )
        if self._keeps:
            self._kept = (done.sequences[0].tolist()[: done.past_key_values.get_seq_length()], done.past_key_values)

    def batch(
        self,
        prompts: Sequence[Messages],
        *,
        max_tokens: int = 128,
        schema: str | None = None,
        choices: Sequence[str] = (),
    ) -> list[str]:
        """`generate` for each prompt, several of like length at a time; the answers in the order of the prompts.

        Raises:
            ModelError: as `generate`.
        """
        constrain.checked(schema, choices)
        if schema is not None or choices:  # each follows its own grammar
            return [self.generate(m, max_tokens=max_tokens, schema=schema, choices=choices) for m in prompts]
        ids = [self._prompt(messages, max_tokens) for messages in prompts]
        order = sorted(range(len(ids)), key=lambda n: len(ids[n]))
        answers = [""] * len(ids)
        for start in range(0, len(order), BATCH):
            some = order[start : start + BATCH]
            for n, answer in zip(some, self._together([ids[n] for n in some], max_tokens), strict=True):
                answers[n] = answer
        return answers

    def _together(self, ids: list[list[int]], max_tokens: int) -> list[str]:
        import torch

        width = max(map(len, ids))
        options = decoding(self._model, self._tokenizer, max_tokens)
        pad = options["generation_config"].pad_token_id
        inputs = torch.tensor([[pad] * (width - len(one)) + one for one in ids], device=self._model.device)
        mask = torch.tensor([[0] * (width - len(one)) + [1] * len(one) for one in ids], device=self._model.device)
        said: list[str] = []

        def decode(emit: Emit) -> None:
            with self._lock, torch.inference_mode():
                done = self._model.generate(inputs, attention_mask=mask, **options)
            said.extend(self._tokenizer.batch_decode(done[:, width:], skip_special_tokens=True))

        relay(decode, None)
        return said

    def sample(
        self, messages: Messages, number: int, *, max_tokens: int = 128, temperature: float = 1.0, seed: int = 0
    ) -> list[str]:
        """See the Sampler protocol; the prompt is read once for all of them.

        Raises:
            ModelError: prompt and answer do not fit the context.
        """
        import torch

        ids = self._prompt(messages, max_tokens)
        inputs = torch.tensor([ids], device=self._model.device)
        config = decoding(self._model, self._tokenizer, max_tokens)["generation_config"]
        config.do_sample, config.temperature, config.num_return_sequences = True, temperature, number
        config.top_k, config.top_p = 0, 1.0  # the model's own chances, none cut off
        devices = [self._model.device] if self._model.device.type == "cuda" else []
        with self._lock, torch.inference_mode(), torch.random.fork_rng(devices):
            torch.manual_seed(seed)
            done = self._model.generate(inputs, attention_mask=torch.ones_like(inputs), generation_config=config)
        return list(self._tokenizer.batch_decode(done[:, len(ids) :], skip_special_tokens=True))

    def score(self, messages: Messages, continuation: str) -> float:
        """See the LLM protocol.

        Raises:
            ModelError: prompt and continuation do not fit the context.
        """
        wanted = self._encoded(continuation)
        return sum(self._logprobs(self._prompt(messages, len(wanted)), wanted)) if wanted else 0.0

    def token_logprobs(self, text: str) -> list[float]:
        """See the TextModel protocol.

        Raises:
            ModelError: the text is longer than the context.
        """
        ids = self._encoded(text)
        fits(len(ids), 0, self.context, self.name)
        return self._logprobs(ids[:1], ids[1:]) if len(ids) > 1 else []

    def _logprobs(self, before: list[int], wanted: list[int]) -> list[float]:
        import torch

        inputs = torch.tensor([before + wanted], device=self._model.device)
        with self._lock, torch.inference_mode():
            logits = self._model(inputs, logits_to_keep=len(wanted) + 1, use_cache=False).logits[0, :-1].float()
        chosen = torch.tensor(wanted, device=logits.device)
        found = logits.log_softmax(-1).gather(1, chosen[:, None])[:, 0]
        return [float(one) for one in found]

    def _encoded(self, text: str) -> list[int]:
        return list(self._tokenizer.encode(text, add_special_tokens=False))

    def _prompt(self, messages: Messages, answer: int) -> list[int]:
        found = self._tokenizer.apply_chat_template(
            [dict(m) for m in messages], add_generation_prompt=True, return_dict=True
        )
        ids = [*self._virtual, *found["input_ids"]]
        fits(len(ids), answer, self.context, self.name)
        return ids

    def count(self, text: str) -> int:
        """How many tokens ``text`` is, without the chat template."""
        return len(self._encoded(text))
