"""Perplexity of a language model on a text, and the tokens that it needs for the text."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from kgrag.protocols import TextModel
from kgrag.text import has_cjk, sentence_spans

WINDOW_TOKENS = 1024
"""Tokens of context: the model does not see what precedes a window, so figures of other windows differ."""


@dataclass(frozen=True, slots=True)
class PerplexityResult:
    """The cross-entropy of a text in nats, summed over ``tokens``, and the size of the text.

    The size is in ``characters`` and ``bytes`` (UTF-8). Models with different tokenizers can be compared per character
    or per byte, not per token.
    """

    nats: float
    tokens: int
    characters: int
    bytes: int

    @property
    def nats_per_token(self) -> float:
        """Nats a token; NaN without text."""
        return self.nats / self.tokens if self.tokens else math.nan

    @property
    def perplexity(self) -> float:
        """The exponential of the nats a token."""
        return math.exp(self.nats_per_token)

    @property
    def bits_per_character(self) -> float:
        """Bits a character; NaN without text."""
        return self.nats / math.log(2) / self.characters if self.characters else math.nan

    @property
    def bits_per_byte(self) -> float:
        """Bits a byte of UTF-8; NaN without text."""
        return self.nats / math.log(2) / self.bytes if self.bytes else math.nan


def measure_perplexity(
    model: TextModel, text: str, window: int = WINDOW_TOKENS, tick: Callable[[], None] = lambda: None
) -> PerplexityResult:
    """Measure the cross-entropy of ``text``: every token given the preceding ones in its piece of the text.

    A piece has whole sentences and at most ``window`` tokens. It begins after a line break, so that its first token is
    predicted too. ``tick`` is called for each piece.
    """
    nats, tokens, characters, size = 0.0, 0, 0, 0
    for piece in split_text(model, text, min(window, model.context or window) - 2):
        logprobs = model.token_logprobs("\n" + piece)
        nats -= sum(logprobs)
        tokens += len(logprobs)
        characters += len(piece)
        size += len(piece.encode())
        tick()
    return PerplexityResult(nats, tokens, characters, size)


def split_text(model: TextModel, text: str, max_tokens: int) -> Iterator[str]:
    """Split ``text`` into pieces of at most ``max_tokens`` tokens.

    A piece ends between sentences, or within a sentence that is too long for a piece.
    """
    start = end = 0
    for _, stop in sentence_spans(text):
        if end > start and model.count(text[start:stop].strip()) > max_tokens:
            yield from _split_long_piece(model, text[start:end].strip(), max_tokens)
            start = end
        end = stop
    yield from _split_long_piece(model, text[start:end].strip(), max_tokens)


def _split_long_piece(model: TextModel, piece: str, max_tokens: int) -> Iterator[str]:
    while piece and (count := model.count(piece)) > max_tokens:
        part = max(int(len(piece) * max_tokens / count * 0.9), 1)
        yield piece[:part].strip()
        piece = piece[part:].strip()
    if piece:
        yield piece


def tokens_per_word(model: TextModel, text: str) -> dict[str, float]:
    """Return the tokens a word of an alphabet takes, and a Chinese character; NaN if a text has none."""
    chinese = [run.group() for run in re.finditer(r"[\u4e00-\u9fff]+", text)]
    words = [w for w in re.findall(r"[^\W\d_]+(?:['’-][^\W\d_]+)*", text) if not has_cjk(w)]
    chinese_characters = sum(map(len, chinese))
    return {
        "tokens per word": model.count(" ".join(words)) / len(words) if words else math.nan,
        "tokens per Chinese character": model.count("，".join(chinese)) / chinese_characters
        if chinese_characters
        else math.nan,
    }
