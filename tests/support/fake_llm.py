"""An honest fake of a language model: it keeps every promise of the protocol, over characters, without weights."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from typing import Any

from kgrag.errors import ModelError
from kgrag.llm import constrained_decoding
from kgrag.llm.openvino_backend import check_context
from kgrag.protocols import Messages

EXPECTED_CHARACTER_PROBABILITY, OTHER_CHARACTER_COUNT = 0.9, 1000
"""The probability of the character that it would say next; how many others share the rest."""


class FakeLLM:
    """Answers from a table (the last message's text -> the answer), else with a canned sentence. A token is a character."""

    name: str = "fake"
    context: int = 4096

    def __init__(
        self, answers: dict[str, str] | None = None, default_answer: str = "Paris is the capital of France."
    ) -> None:
        self.answers, self.default_answer = answers or {}, default_answer
        self.calls: list[Messages] = []

    def generate(
        self,
        messages: Messages,
        *,
        max_tokens: int = 128,
        on_text: Callable[[str], bool | None] | None = None,
        schema: str | None = None,
        choices: Sequence[str] = (),
    ) -> str:
        constrained_decoding.validate_constraints(schema, choices)
        self.calls.append(messages)
        check_context(sum(len(m["content"]) for m in messages), max_tokens, self.context, self.name)
        text = ""
        for character in self._choose_answer(messages, schema, choices)[:max_tokens]:
            text += character
            if on_text is not None and on_text(character):
                break
        return text

    def _choose_answer(self, messages: Messages, schema: str | None, choices: Sequence[str]) -> str:
        answer = self.answers.get(messages[-1]["content"], self.default_answer)
        if choices:
            return next((choice for choice in choices if choice in answer), choices[0])
        return (
            answer
            if schema is None or _matches_schema(answer, json.loads(schema))
            else json.dumps(_minimal_instance(json.loads(schema)))
        )

    def batch(
        self,
        prompts: Sequence[Messages],
        *,
        max_tokens: int = 128,
        schema: str | None = None,
        choices: Sequence[str] = (),
    ) -> list[str]:
        return [self.generate(m, max_tokens=max_tokens, schema=schema, choices=choices) for m in prompts]

    def sample(
        self, messages: Messages, number: int, *, max_tokens: int = 128, temperature: float = 1.0, seed: int = 0
    ) -> list[str]:
        return [self.generate(messages, max_tokens=max_tokens)] * number

    def score(self, messages: Messages, continuation: str) -> float:
        if sum(len(m["content"]) for m in messages) + len(continuation) > self.context:
            raise ModelError("too long in all")
        expected_answer = self._choose_answer(messages, None, ())
        total = 0.0
        for position, character in enumerate(continuation):
            is_expected = (
                expected_answer[position : position + 1] == character
                and expected_answer[:position] == continuation[:position]
            )
            total += math.log(
                EXPECTED_CHARACTER_PROBABILITY
                if is_expected
                else (1 - EXPECTED_CHARACTER_PROBABILITY) / OTHER_CHARACTER_COUNT
            )
        return total

    def count(self, text: str) -> int:
        return len(text)


class QuestionTableLLM(FakeLLM):
    """Answers by words of the question at the end of its prompt (``_`` for a space); else it does not know."""

    name = "small"

    def __init__(self, **answers: str) -> None:
        super().__init__({words.replace("_", " "): said for words, said in answers.items()}, "I do not know.")

    def _choose_answer(self, messages: Messages, schema: str | None, choices: Sequence[str]) -> str:
        return next(
            (said for words, said in self.answers.items() if words in _last_line(messages)), self.default_answer
        )

    @property
    def questions(self) -> list[str]:
        """What it was asked, each time."""
        return [_last_line(messages) for messages in self.calls]


def _last_line(messages: Messages) -> str:
    return str(messages[-1]["content"]).splitlines()[-1]


def _matches_schema(answer: str, schema: dict[str, Any]) -> bool:
    """Whether an answer is an object with what the schema wants."""
    try:
        return set(schema.get("required", [])) <= set(json.loads(answer))
    except (ValueError, TypeError):
        return False


def _minimal_instance(schema: dict[str, Any]) -> Any:
    """The smallest value that a schema of plain types allows."""
    if "enum" in schema:
        return schema["enum"][0]
    if schema.get("type") == "object":
        return {name: _minimal_instance(schema["properties"][name]) for name in schema.get("required", [])}
    return {"array": [], "string": "", "integer": 0, "number": 0, "boolean": True}.get(schema.get("type", ""))
