"""Throughput of a language model: time to the first token, tokens a second, and the cost of a second question."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from kgrag import prompts
from kgrag.protocols import LLM, GenerationOptions

ANSWER_TOKENS = 48
"""Tokens generated for a measurement."""
TitledPassages = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class GenerationTiming:
    """Timing of one question: seconds to the first piece of text, and tokens a second after it."""

    seconds_to_first: float
    decode_rate: float
    prompt_tokens: int
    answer_tokens: int

    @property
    def prefill_rate(self) -> float:
        """Prompt tokens a second, until the first piece."""
        return self.prompt_tokens / self.seconds_to_first


TokenCounter = Callable[[str], int]


def time_answer(
    llm: LLM, question: str, passages: TitledPassages, count: TokenCounter, max_tokens: int = ANSWER_TOKENS
) -> GenerationTiming:
    """Time the answer to a question on passages.

    The prompt asks for a long answer, so that there is something to time. ``count`` returns the tokens of a text: one
    counter for all models compared, since a server only estimates them.
    """
    messages = prompts.grounded_prompt(question, passages)
    messages[0] = {**messages[0], "content": "Copy out the passages, word by word."}
    times: list[float] = []
    start_time = time.perf_counter()
    text = llm.generate(
        messages, GenerationOptions(max_tokens=max_tokens), on_text=lambda _: times.append(time.perf_counter())
    )
    end_time = time.perf_counter()
    answer_tokens = max(count(text), 1)
    seconds_to_first = (times[0] if times else end_time) - start_time
    decode_seconds = max(end_time - start_time - seconds_to_first, 1e-9)
    tokens = sum(count(message["content"]) for message in messages)
    return GenerationTiming(seconds_to_first, (answer_tokens - 1) / decode_seconds, tokens, answer_tokens)


def measure_llm_speed(
    llm: LLM, questions: Sequence[tuple[str, TitledPassages]], count: TokenCounter
) -> dict[str, float]:
    """Return medians over questions, each on its own passages, and the time of a second question on the last ones.

    A warm-up question comes first, so the cost of the very first call (compiling, allocating) is left out.
    """
    time_answer(llm, "Warm up?", questions[0][1][:1], count, 4)
    timings = [time_answer(llm, question, passages, count) for question, passages in questions]
    repeated = time_answer(llm, "What else do the passages say?", questions[-1][1], count)
    return {
        "prompt tokens": median(t.prompt_tokens for t in timings),
        "seconds to the first word": median(t.seconds_to_first for t in timings),
        "prefill tokens per second": median(t.prefill_rate for t in timings),
        "decode tokens per second": median(t.decode_rate for t in timings),
        "seconds to the first word, same passages again": repeated.seconds_to_first,
    }


def split_passages(
    text: str, sentences_of: Sequence[tuple[int, int]], sentences_per_passage: int = 3, passages_per_group: int = 8
) -> list[TitledPassages]:
    """Split a text into groups of passages of ``sentences_per_passage`` sentences, in order, none used twice.

    A group has ``passages_per_group`` passages; the last may have fewer.
    """
    parts = [text[start:end].strip() for start, end in sentences_of]
    passages = [" ".join(parts[n : n + sentences_per_passage]) for n in range(0, len(parts), sentences_per_passage)]
    titled = [(f"Passage {number}", passage) for number, passage in enumerate(passages, 1)]
    return [titled[n : n + passages_per_group] for n in range(0, len(titled), passages_per_group)]
