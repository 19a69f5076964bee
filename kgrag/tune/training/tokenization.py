"""A question and what is to be said to it, as the token ids that the model reads and those that it is to write."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kgrag.errors import ModelError
from kgrag.models.architecture import read_config
from kgrag.protocols import Messages

_PROBE_ANSWER = "kgrag"
"""An answer that no chat template changes: to see what the template puts behind one."""


@dataclass(frozen=True, slots=True)
class EncodedExample:
    """Token ids of a prompt and an answer; the answer begins at ``start`` and ends with the token that ends a turn.

    Loss is on ``ids[start:]`` alone, ``0 < start < len(ids)``.
    """

    ids: tuple[int, ...]
    answer_start: int

    @property
    def answer_length(self) -> int:
        """How many tokens are learned."""
        return len(self.ids) - self.answer_start


class ChatEncoder:
    """Prompts as the language models of `kgrag.llm` make them, and answers as they would have written them."""

    def __init__(self, tokenizer: Any, turn_end_ids: Iterable[int], name: str) -> None:
        """``ends``: the tokens that end a turn for the model when it answers.

        Raises:
            ModelError: the tokenizer has no chat template, or one that ends an answer with another token, or that
                writes what was asked in another way once it is answered: what is learned would not be what is used.
        """
        self._tokenizer, self._name = tokenizer, name
        if not tokenizer.chat_template:
            raise ModelError(
                f"{name} has no chat template, so there is no way to say what is a question and what an answer: name a "
                "model that was tuned to answer (-instruct, -chat)."
            )
        self.turn_end_id = self._find_turn_end(frozenset(turn_end_ids))

    def _find_turn_end(self, turn_end_ids: frozenset[int]) -> int:
        probe_messages = [{"role": "user", "content": "?"}]
        prompt = self._render(probe_messages, add_generation_prompt=True)
        answered_text = self._render([*probe_messages, {"role": "assistant", "content": _PROBE_ANSWER}])
        if not answered_text.startswith(prompt + _PROBE_ANSWER):
            raise ModelError(
                f"The chat template of {self._name} writes an answered question in another way than an open one: "
                "it cannot be trained with it; name another model."
            )
        closing_ids = self._tokenize(answered_text[len(prompt) + len(_PROBE_ANSWER) :])
        if not closing_ids or closing_ids[0] not in turn_end_ids:
            closing_token = self._tokenizer.decode(closing_ids[:1]) if closing_ids else "nothing"
            raise ModelError(
                f"The chat template of {self._name} ends an answer with {closing_token!r}, which does not make it stop when it "
                "answers: set eos_token_id in its generation_config.json to that token."
            )
        return closing_ids[0]

    def encode(self, messages: Messages, answer: str) -> EncodedExample:
        """The ids of the prompt, exactly as they are when the model is asked, then of the answer and the turn's end.

        The answer is encoded by itself: it is what the model writes behind a prompt that is already there.

        Raises:
            ModelError: nothing is left of the answer.
        """
        template_output = self._tokenizer.apply_chat_template(
            [dict(message) for message in messages], add_generation_prompt=True, return_dict=True
        )
        prompt_ids = list(template_output["input_ids"])
        answer_ids = self._tokenize(answer.strip())
        if not answer_ids or not prompt_ids:
            raise ModelError(f"Expected an answer of words for {self._name}, found {answer!r}: take the example out.")
        return EncodedExample((*prompt_ids, *answer_ids, self.turn_end_id), len(prompt_ids))

    def _render(self, messages: list[dict[str, str]], **options: Any) -> str:
        return str(self._tokenizer.apply_chat_template(messages, tokenize=False, **options))

    def _tokenize(self, text: str) -> list[int]:
        return list(self._tokenizer.encode(text, add_special_tokens=False))


def find_turn_ends(folder: Path, tokenizer: Any) -> frozenset[int]:
    """The tokens that end a turn when the model in ``folder`` answers: its settings for generation, else its tokenizer's."""
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
    return frozenset(int(one) for one in eos_ids if one is not None)
