"""A perfect model to measure the pipeline with: it says a given answer and cites the gold passages."""

from __future__ import annotations

import re
from collections.abc import Sequence

from kgrag import prompts
from kgrag.dev.benchmarks.manuals.gold_passages import QuoteMatcher
from kgrag.llm.chat_model import ChatModel
from kgrag.protocols import GenerationOptions, Messages, OnText
from kgrag.text import detect_language, has_cjk, sentence_spans

_PASSAGE_START = re.compile(r"^\[(\d+)\] ", re.MULTILINE)
_PIECE = re.compile(r"\s*(?:[\u3400-\u9fff]|[^\s\u3400-\u9fff]+)")
_STOPS = ".!?。！？"
CJK_PER_TOKEN, CHARACTERS_PER_TOKEN = 1.4, 3.6
"""Characters of a token of usual vocabularies: Chinese characters, and characters of technical English."""


class OracleModel(ChatModel):
    """Says one answer to one question; each of its statements cites every gold passage of the prompt.

    A prompt with another question, such as a fact lookup, gets an abstention, and a choice its last option.

    Args:
        question: the question that a prompt contains.
        answer: text of the answer, without citation marks.
        quotes: recognises a gold passage.
    """

    name = "oracle"
    context = 0

    def __init__(self, question: str, answer: str, quotes: QuoteMatcher) -> None:
        self._question, self._answer, self._quotes = question, answer, quotes
        self.gold_numbers: list[list[int]] = []
        """Numbers of the gold passages of each prompt that asked the question."""

    def generate(
        self, messages: Messages, options: GenerationOptions = GenerationOptions(), *, on_text: OnText | None = None
    ) -> str:
        """Return the answer, cut at the limit of tokens."""
        text = ""
        tokens = 0.0
        for piece in _PIECE.findall(self._reply(str(messages[-1]["content"]), options)):
            tokens += _token_share(piece)
            if tokens > options.max_tokens:
                break
            text += piece
            if on_text is not None and on_text(piece):
                break
        return text

    def _reply(self, prompt: str, options: GenerationOptions) -> str:
        if options.choices:
            return options.choices[-1]
        # the prompt may break the lines of the question elsewhere
        question = r"\s+".join(map(re.escape, prompts.strip_chat_markup(self._question).split()))
        asked = [match.start() for match in re.finditer(question, prompt)]
        if not asked or options.schema is not None:
            return prompts.DONT_KNOW[detect_language(self._question)]
        passages = shown_passages(prompt[: asked[-1]])
        numbers = [n for n, text in passages.items() if self._quotes.is_held_by(text)]
        self.gold_numbers.append(numbers)
        return mark_statements(self._answer, numbers)

    def score(self, messages: Messages, continuation: str) -> float:
        """Return 0, the log probability of a certain continuation."""
        return 0.0

    def count(self, text: str) -> int:
        """Return an estimate of the number of tokens in ``text``."""
        return int(_token_share(text)) + 1


def shown_passages(prompt: str) -> dict[int, str]:
    """Return the numbered passages of a prompt, each with all text up to the next.

    A line that begins with another number than the next is text, as R prints its vectors.
    """
    starts: list[re.Match[str]] = []
    for match in _PASSAGE_START.finditer(prompt):
        if int(match[1]) == len(starts) + 1:
            starts.append(match)
    ends = [*(match.start() for match in starts[1:]), len(prompt)]
    return {n: prompt[match.end() : end] for n, (match, end) in enumerate(zip(starts, ends, strict=False), 1)}


def mark_statements(answer: str, numbers: Sequence[int]) -> str:
    """Return an answer with the citation marks of ``numbers`` at the end of each statement, before its full stop."""
    if not numbers:
        return answer
    mark = ("" if has_cjk(answer) else " ") + "".join(f"[{n}]" for n in numbers)
    text, position = "", 0
    for start, end in sentence_spans(answer):
        statement = answer[start:end].rstrip(_STOPS)
        text += answer[position:start] + statement + mark + answer[start + len(statement) : end]
        position = end
    return text + answer[position:]


def _token_share(text: str) -> float:
    cjk = sum("\u3400" <= character <= "\u9fff" for character in text)
    return cjk / CJK_PER_TOKEN + (len(text) - cjk) / CHARACTERS_PER_TOKEN
