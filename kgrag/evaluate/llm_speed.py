"""How fast a language model reads and writes: time to the first word, tokens a second, and what a second question costs."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from kgrag import prompts
from kgrag.protocols import LLM

ANSWER = 48
"""Tokens that are written for a measurement."""
Passages = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Timing:
    """One question: seconds to the first piece of text, and tokens a second after it."""

    first: float
    decode: float
    prompt_tokens: int
    answer_tokens: int

    @property
    def prefill(self) -> float:
        """Tokens of the prompt a second, until the first piece."""
        return self.prompt_tokens / self.first


Count = Callable[[str], int]


def ask(llm: LLM, question: str, passages: Passages, count: Count, answer: int = ANSWER) -> Timing:
    """Ask a question of passages, and time it. The model is told to write on, so that there is something to time.

    ``count`` says how many tokens a text is: one for all that are compared, since a server only guesses it.
    """
    messages = prompts.grounded(question, passages)
    messages[0] = {**messages[0], "content": "Copy out the passages, word by word."}
    times: list[float] = []
    began = time.perf_counter()
    text = llm.generate(messages, max_tokens=answer, on_text=lambda _: times.append(time.perf_counter()))
    ended = time.perf_counter()
    written = max(count(text), 1)
    first = (times[0] if times else ended) - began
    after = max(ended - began - first, 1e-9)
    tokens = sum(count(message["content"]) for message in messages)
    return Timing(first, (written - 1) / after, tokens, written)


def speed(llm: LLM, questions: Sequence[tuple[str, Passages]], count: Count) -> dict[str, float]:
    """Medians over questions, each with other passages; then the last one's passages with another question.

    What the first question of all costs beside (compiling, allocating) is left out: it is asked before.
    """
    ask(llm, "Warm up?", questions[0][1][:1], count, 4)
    timings = [ask(llm, question, passages, count) for question, passages in questions]
    again = ask(llm, "What else do the passages say?", questions[-1][1], count)
    return {
        "prompt tokens": median(t.prompt_tokens for t in timings),
        "seconds to the first word": median(t.first for t in timings),
        "prefill tokens per second": median(t.prefill for t in timings),
        "decode tokens per second": median(t.decode for t in timings),
        "seconds to the first word, same passages again": again.first,
    }


def split_passages(
    text: str, sentences_of: Sequence[tuple[int, int]], each: int = 3, together: int = 8
) -> list[Passages]:
    """Groups of ``together`` passages of ``each`` sentences of a text, in order, none used twice."""
    parts = [text[start:end].strip() for start, end in sentences_of]
    passages = [" ".join(parts[n : n + each]) for n in range(0, len(parts), each)]
    named = [(f"Passage {number}", passage) for number, passage in enumerate(passages, 1)]
    return [named[n : n + together] for n in range(0, len(named), together)]
