"""Encoding of prompts and answers as the token ids that the model reads and writes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kgrag.errors import ModelError
from kgrag.models.architecture import read_config
from kgrag.protocols import Messages

_PROBE_ANSWER = "kgrag"
"""An answer that no chat template changes, to find the tokens that the template adds after an answer."""


@dataclass(frozen=True, slots=True)
class EncodedExample:
    """Token ids of a prompt and its answer, which begins at ``answer_start`` and ends with the end of the turn.

    The loss covers ``ids[answer_start:]`` alone, and ``0 < answer_start < len(ids)``.
    """

    ids: tuple[int, ...]
    answer_start: int

    @property
    def answer_length(self) -> int:
        """Return the number of trained tokens."""
        return len(self.ids) - self.answer_start


class ChatEncoder:
    """Encoder of prompts as `kgrag.llm` sends them, and of answers as the model would write them."""

    def __init__(self, tokenizer: Any, turn_end_ids: Iterable[int], name: str) -> None:
        """Check the tokenizer's chat template.

        Args:
            tokenizer: a transformers tokenizer.
            turn_end_ids: the tokens that end the model's turn when it answers.
            name: the model's name, for messages.

        Raises:
            ModelError: there is no chat template, it ends an answer with another token, or it formats a question
                differently once it is answered, so that training and use would differ.
        """
        self._tokenizer, self._name = tokenizer, name
        if not tokenizer.chat_template:
            raise ModelError(
                f"{name} has no chat template that separates questions from answers: choose a model that was tuned to "
                "answer (-instruct, -chat)."
            )
        self.turn_end_id = self._find_turn_end(frozenset(turn_end_ids))

    def _find_turn_end(self, turn_end_ids: frozenset[int]) -> int:
        probe_messages = [{"role": "user", "content": "?"}]
        prompt = self._render(probe_messages, add_generation_prompt=True)
        answered_text = self._render([*probe_messages, {"role": "assistant", "content": _PROBE_ANSWER}])
        if not answered_text.startswith(prompt + _PROBE_ANSWER):
            raise ModelError(
                f"The chat template of {self._name} formats an answered question differently from an open one, so it "
                "cannot be used for training: choose another model."
            )
        closing_ids = self._tokenize(answered_text[len(prompt) + len(_PROBE_ANSWER) :])
        if not closing_ids or closing_ids[0] not in turn_end_ids:
            closing_token = self._tokenizer.decode(closing_ids[:1]) if closing_ids else "nothing"
            raise ModelError(
                f"The chat template of {self._name} ends an answer with {closing_token!r}, which does not stop generation: "
                "set eos_token_id in its generation_config.json to that token."
            )
        return closing_ids[0]

    def encode(self, messages: Messages, answer: str) -> EncodedExample:
        """Encode the prompt, exactly as for generation, then the answer and the end of the turn.

        The answer is encoded separately, because the model writes it after the prompt's tokens.

        Raises:
            ModelError: the answer is empty.
        """
        template_output = self._tokenizer.apply_chat_template(
            [dict(message) for message in messages], add_generation_prompt=True, return_dict=True
        )
        prompt_ids = list(template_output["input_ids"])
        answer_ids = self._tokenize(answer.strip())
        if not answer_ids or not prompt_ids:
            raise ModelError(f"Expected an answer with words for {self._name}, found {answer!r}: remove the example.")
        return EncodedExample((*prompt_ids, *answer_ids, self.turn_end_id), len(prompt_ids))

    def _render(self, messages: list[dict[str, str]], **options: Any) -> str:
        return str(self._tokenizer.apply_chat_template(messages, tokenize=False, **options))

    def _tokenize(self, text: str) -> list[int]:
        return list(self._tokenizer.encode(text, add_special_tokens=False))


def find_turn_ends(folder: Path, tokenizer: Any) -> frozenset[int]:
    """Return the end-of-turn tokens of the model in ``folder``: its generation settings', else its tokenizer's."""
    import json

    try:
        eos_setting = json.loads((folder / "generation_config.json").read_text("utf-8")).get("eos_token_id")
    except (OSError, ValueError, AttributeError):
        eos_setting = None
    if eos_setting is None:
        eos_setting = read_config(folder).get("eos_token_id")
    if eos_setting is None:
        eos_setting = tokenizer.eos_token_id
    eos_ids = eos_setting if isinstance(eos_setting, list) else [eos_setting]
    return frozenset(int(token_id) for token_id in eos_ids if token_id is not None)
