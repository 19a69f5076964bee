"""An honest fake of a language model: it keeps every promise of the protocol, over characters, without weights."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from typing import Any

from kgrag.errors import ModelError
from kgrag.llm import constrain
from kgrag.llm.openvino import fits
from kgrag.protocols import Messages

SURE, OTHERS = 0.9, 1000
"""The probability of the character that it would say next; how many others share the rest."""


class FakeLLM:
    """Answers from a table (the last message's text -> the answer), else with a canned sentence. A token is a character."""

    name: str = "fake"
    context: int = 4096

    def __init__(self, answers: dict[str, str] | None = None, canned: str = "Paris is the capital of France.") -> None:
        self.answers, self.canned = answers or {}, canned
        self.asked: list[Messages] = []

    def generate(
        self,
        messages: Messages,
        *,
        max_tokens: int = 128,
        on_text: Callable[[str], bool | None] | None = None,
        schema: str | None = None,
        choices: Sequence[str] = (),
    ) -> str:
        constrain.checked(schema, choices)
        self.asked.append(messages)
        fits(sum(len(m["content"]) for m in messages), max_tokens, self.context, self.name)
        said = ""
        for character in self._would_say(messages, schema, choices)[:max_tokens]:
            said += character
            if on_text is not None and on_text(character):
                break
        return said

    def _would_say(self, messages: Messages, schema: str | None, choices: Sequence[str]) -> str:
        answer = self.answers.get(messages[-1]["content"], self.canned)
        if choices:
            return next((choice for choice in choices if choice in answer), choices[0])
        return answer if schema is None or _is(answer, json.loads(schema)) else json.dumps(_least(json.loads(schema)))

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
        would = self._would_say(messages, None, ())
        total = 0.0
        for place, character in enumerate(continuation):
            expected = would[place : place + 1] == character and would[:place] == continuation[:place]
            total += math.log(SURE if expected else (1 - SURE) / OTHERS)
        return total

    def count(self, text: str) -> int:
        return len(text)


class ByQuestion(FakeLLM):
    """Answers by words of the question at the end of its prompt (``_`` for a space); else it does not know."""

    name = "small"

    def __init__(self, **answers: str) -> None:
        super().__init__({words.replace("_", " "): said for words, said in answers.items()}, "I do not know.")

    def _would_say(self, messages: Messages, schema: str | None, choices: Sequence[str]) -> str:
        return next((said for words, said in self.answers.items() if words in _question(messages)), self.canned)

    @property
    def questions(self) -> list[str]:
        """What it was asked, each time."""
        return [_question(messages) for messages in self.asked]


def _question(messages: Messages) -> str:
    return str(messages[-1]["content"]).splitlines()[-1]


def _is(answer: str, schema: dict[str, Any]) -> bool:
    """Whether an answer is an object with what the schema wants."""
    try:
        return set(schema.get("required", [])) <= set(json.loads(answer))
    except (ValueError, TypeError):
        return False


def _least(schema: dict[str, Any]) -> Any:
    """The smallest value that a schema of plain types allows."""
    if "enum" in schema:
        return schema["enum"][0]
    if schema.get("type") == "object":
        return {name: _least(schema["properties"][name]) for name in schema.get("required", [])}
    return {"array": [], "string": "", "integer": 0, "number": 0, "boolean": True}.get(schema.get("type", ""))
