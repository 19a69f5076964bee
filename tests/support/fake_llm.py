"""Fake language model without weights that keeps the whole protocol."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from kgrag.errors import ModelError
from kgrag.llm import constrained_decoding
from kgrag.llm.chat_model import ChatModel
from kgrag.llm.openvino_backend import check_context
from kgrag.protocols import GenerationOptions, Messages, OnText

EXPECTED_TOKEN_PROBABILITY, OTHER_TOKEN_COUNT = 0.9, 1000
"""Probability of the token that the fake would generate next, and the number of tokens that share the rest."""


class FakeLLM(ChatModel):
    """Answers from a table or from a script, and records its calls.

    ``calls`` has the messages of every call, ``call_options`` their options, and ``scored`` the scored texts.

    Args:
        answers: text of the last message -> answer.
        default_answer: answer to every other message.
        replies: if given, answers in order instead of the table; the last one repeats. They ignore schemas and choices,
            like a backend without constrained decoding. An exception is raised instead.
        samples: texts that `sample` returns; by default copies of the answer.
        token: what counts as one token, a character or a word with the space after it.
        fails_after: number of calls after which every call raises a ModelError.
    """

    name: str = "fake"
    context: int = 4096

    def __init__(
        self,
        answers: Mapping[str, str] | None = None,
        default_answer: str = "Paris is the capital of France.",
        *,
        replies: Sequence[str | Exception] = (),
        samples: Sequence[str] | None = None,
        token: Literal["character", "word"] = "character",
        fails_after: int | None = None,
    ) -> None:
        self.answers, self.default_answer = dict(answers or {}), default_answer
        self.replies, self.samples, self.fails_after = list(replies), samples, fails_after
        self._token_pattern = re.compile(r"(?s)." if token == "character" else r"\s*\S+\s*")
        self.calls: list[Messages] = []
        self.call_options: list[GenerationOptions] = []
        self.scored: list[str] = []

    @property
    def prompts(self) -> list[str]:
        """The text of the last message of each call."""
        return [str(messages[-1]["content"]) for messages in self.calls]

    def generate(
        self, messages: Messages, options: GenerationOptions = GenerationOptions(), *, on_text: OnText | None = None
    ) -> str:
        constrained_decoding.validate_constraints(options)
        self.calls.append(messages)
        self.call_options.append(options)
        self._check_failure()
        check_context(sum(self.count(m["content"]) for m in messages), options.max_tokens, self.context, self.name)
        reply = self._next_reply() if self.replies else self._choose_answer(messages, options.schema, options.choices)
        text = ""
        for token in self._tokens(reply)[: options.max_tokens]:
            text += token
            if on_text is not None and on_text(token):
                break
        return text

    def _next_reply(self) -> str:
        reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        if isinstance(reply, Exception):
            raise reply
        return reply

    def _choose_answer(self, messages: Messages, schema: str | None, choices: Sequence[str]) -> str:
        answer = self.answers.get(messages[-1]["content"], self.default_answer)
        if choices:
            return next((choice for choice in choices if choice in answer), choices[0])
        return (
            answer
            if schema is None or _matches_schema(answer, json.loads(schema))
            else json.dumps(_minimal_instance(json.loads(schema)))
        )

    def sample(
        self, messages: Messages, number: int, *, max_tokens: int = 128, temperature: float = 1.0, seed: int = 0
    ) -> list[str]:
        if self.samples is not None:
            return list(self.samples[:number])
        return [self.generate(messages, GenerationOptions(max_tokens=max_tokens))] * number

    def score(self, messages: Messages, continuation: str) -> float:
        self.scored.append(continuation)
        self._check_failure()
        if sum(self.count(m["content"]) for m in messages) + self.count(continuation) > self.context:
            raise ModelError("too long in all")
        expected, given = self._tokens(self._choose_answer(messages, None, ())), self._tokens(continuation)
        total = 0.0
        for position, token in enumerate(given):
            is_expected = expected[position : position + 1] == [token] and expected[:position] == given[:position]
            total += math.log(
                EXPECTED_TOKEN_PROBABILITY if is_expected else (1 - EXPECTED_TOKEN_PROBABILITY) / OTHER_TOKEN_COUNT
            )
        return total

    def count(self, text: str) -> int:
        return len(self._tokens(text))

    def _tokens(self, text: str) -> list[str]:
        return self._token_pattern.findall(text)

    def _check_failure(self) -> None:
        if self.fails_after is not None and len(self.calls) > self.fails_after:
            raise ModelError("the device is gone.")


class QuestionTableLLM(FakeLLM):
    """Answers by words of the question in the last line of its prompt (``_`` for a space), or "I do not know."."""

    name = "small"

    def __init__(self, **answers: str) -> None:
        super().__init__({words.replace("_", " "): answer for words, answer in answers.items()}, "I do not know.")

    def _choose_answer(self, messages: Messages, schema: str | None, choices: Sequence[str]) -> str:
        question = _last_line(messages)
        return next((answer for words, answer in self.answers.items() if words in question), self.default_answer)

    @property
    def questions(self) -> list[str]:
        """The question of each call."""
        return [_last_line(messages) for messages in self.calls]


def _last_line(messages: Messages) -> str:
    return str(messages[-1]["content"]).splitlines()[-1]


def _matches_schema(answer: str, schema: dict[str, Any]) -> bool:
    """Whether an answer is an object with the required keys of a schema."""
    try:
        return set(schema.get("required", [])) <= set(json.loads(answer))
    except (ValueError, TypeError):
        return False


def _minimal_instance(schema: dict[str, Any]) -> Any:
    """Return the smallest value that a schema of plain types allows."""
    if "enum" in schema:
        return schema["enum"][0]
    if schema.get("type") == "object":
        return {name: _minimal_instance(schema["properties"][name]) for name in schema.get("required", [])}
    return {"array": [], "string": "", "integer": 0, "number": 0, "boolean": True}.get(schema.get("type", ""))
