"""A question and what is to be said to it, as the token ids that the model reads and those that it is to write."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kgrag.errors import ModelError
from kgrag.models.shape import read_config
from kgrag.protocols import Messages

_PROBE = "kgrag"
"""An answer that no chat template changes: to see what the template puts behind one."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """Token ids of a prompt and an answer; the answer begins at ``start`` and ends with the token that ends a turn.

    Loss is on ``ids[start:]`` alone, ``0 < start < len(ids)``.
    """

    ids: tuple[int, ...]
    start: int

    @property
    def answer(self) -> int:
        """How many tokens are learned."""
        return len(self.ids) - self.start


class Encoder:
    """Prompts as the language models of `kgrag.llm` make them, and answers as they would have written them."""

    def __init__(self, tokenizer: Any, ends: Iterable[int], name: str) -> None:
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
        self.end = self._turn_end(frozenset(ends))

    def _turn_end(self, ends: frozenset[int]) -> int:
        asked = [{"role": "user", "content": "?"}]
        prompt = self._text(asked, add_generation_prompt=True)
        whole = self._text([*asked, {"role": "assistant", "content": _PROBE}])
        if not whole.startswith(prompt + _PROBE):
            raise ModelError(
                f"The chat template of {self._name} writes an answered question in another way than an open one: "
                "it cannot be trained with it; name another model."
            )
        closing = self._ids(whole[len(prompt) + len(_PROBE) :])
        if not closing or closing[0] not in ends:
            found = self._tokenizer.decode(closing[:1]) if closing else "nothing"
            raise ModelError(
                f"The chat template of {self._name} ends an answer with {found!r}, which does not make it stop when it "
                "answers: set eos_token_id in its generation_config.json to that token."
            )
        return closing[0]

    def encode(self, messages: Messages, answer: str) -> Encoded:
        """The ids of the prompt, exactly as they are when the model is asked, then of the answer and the turn's end.

        The answer is encoded by itself: it is what the model writes behind a prompt that is already there.

        Raises:
            ModelError: nothing is left of the answer.
        """
        found = self._tokenizer.apply_chat_template(
            [dict(message) for message in messages], add_generation_prompt=True, return_dict=True
        )
        prompt = list(found["input_ids"])
        said = self._ids(answer.strip())
        if not said or not prompt:
            raise ModelError(f"Expected an answer of words for {self._name}, found {answer!r}: take the example out.")
        return Encoded((*prompt, *said, self.end), len(prompt))

    def _text(self, messages: list[dict[str, str]], **options: Any) -> str:
        return str(self._tokenizer.apply_chat_template(messages, tokenize=False, **options))

    def _ids(self, text: str) -> list[int]:
        return list(self._tokenizer.encode(text, add_special_tokens=False))


def turn_ends(folder: Path, tokenizer: Any) -> frozenset[int]:
    """The tokens that end a turn when the model in ``folder`` answers: its settings for generation, else its tokenizer's."""
    import json

    try:
        said = json.loads((folder / "generation_config.json").read_text("utf-8")).get("eos_token_id")
    except (OSError, ValueError, AttributeError):
        said = None
    if said is None:
        said = read_config(folder).get("eos_token_id")
    if said is None:
        said = tokenizer.eos_token_id
    ends = said if isinstance(said, list) else [said]
    return frozenset(int(one) for one in ends if one is not None)
