"""Clean what a model writes before anybody sees it: thoughts, hidden characters and endless text go."""

from __future__ import annotations

import re

from kgrag.protocols import LLM, GenerationOptions, Messages, OnText
from kgrag.text.disguised_text import UNSEEN_CHARS

MAX_DRAFT_CHARS = 20_000
"""Characters of a draft; the rest is dropped, and the generation is stopped."""
_HIDDEN_CHARS = re.compile(rf"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff{UNSEEN_CHARS}]")
"""Control and invisible characters, and halves of characters."""
_THOUGHT_START = re.compile(r"<think(?:ing)?>", re.IGNORECASE)
_THOUGHT_END = re.compile(r"</think(?:ing)?>", re.IGNORECASE)
_TAG_BEGINNING = re.compile(r"<(?:/?[a-z]{0,8})?\Z", re.IGNORECASE)
"""Matches the end of a piece that may be the beginning of a tag."""


class DraftCleaner:
    """Cleans a draft that comes in pieces; `add` and `finish` return what can be shown."""

    def __init__(self) -> None:
        self._pending = ""
        self._is_thought = False
        self._length = 0

    @property
    def is_full(self) -> bool:
        """Whether the draft has `MAX_DRAFT_CHARS`, so that nothing more is shown."""
        return self._length >= MAX_DRAFT_CHARS

    def add(self, piece: str) -> str:
        """Take the next piece of the model's text."""
        self._pending += _HIDDEN_CHARS.sub("", piece)
        shown = ""
        while mark := (_THOUGHT_END if self._is_thought else _THOUGHT_START).search(self._pending):
            if not self._is_thought:
                shown += self._pending[: mark.start()]
            self._pending = self._pending[mark.end() :]
            self._is_thought = not self._is_thought
        beginning = _TAG_BEGINNING.search(self._pending)
        end = beginning.start() if beginning else len(self._pending)
        if not self._is_thought:
            shown += self._pending[:end]
        self._pending = self._pending[end:]
        return self._limit(shown)

    def finish(self) -> str:
        """Return the rest of the draft, when the model has ended."""
        rest, self._pending = "" if self._is_thought else self._pending, ""
        return self._limit(rest)

    def _limit(self, text: str) -> str:
        shown = text[: MAX_DRAFT_CHARS - self._length]
        self._length += len(shown)
        return shown


def generate_draft(llm: LLM, messages: Messages, options: GenerationOptions, on_text: OnText | None = None) -> str:
    """Return what a model writes, cleaned; ``on_text`` receives it in pieces and stops the model by returning True."""
    if on_text is None:
        return clean_draft(llm.generate(messages, options))
    cleaner = DraftCleaner()
    shown: list[str] = []

    def show(text: str) -> bool:
        shown.append(text)
        return bool(text and on_text(text)) or cleaner.is_full

    llm.generate(messages, options, on_text=lambda piece: show(cleaner.add(piece)))
    show(cleaner.finish())
    return "".join(shown)


def clean_draft(text: str) -> str:
    """Return a whole text without thoughts and hidden characters, up to `MAX_DRAFT_CHARS`."""
    cleaner = DraftCleaner()
    return cleaner.add(text) + cleaner.finish()
