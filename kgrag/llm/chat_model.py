"""Base class of the language model backends."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from kgrag.protocols import LLM, GenerationOptions, Messages, OnText


class ChatModel(ABC):
    """A language model that answers chat messages.

    A subclass sets ``name`` and ``context`` and implements `generate`, ``score`` and ``count`` of the LLM protocol.
    """

    adapter: str = ""
    """Name of the active LoRA adapter; "" without one."""

    @abstractmethod
    def generate(
        self, messages: Messages, options: GenerationOptions = GenerationOptions(), *, on_text: OnText | None = None
    ) -> str:
        """Answer ``messages``; see the LLM protocol."""

    def batch(self, prompts: Sequence[Messages], options: GenerationOptions = GenerationOptions()) -> list[str]:
        """Return the answer of `generate` for each prompt, one after the other.

        Raises:
            ModelError: as `generate`.
        """
        return [self.generate(messages, options) for messages in prompts]


def model_label(llm: LLM) -> str:
    """Return the name of the model, with its adapter if one is active: ``name + adapter``."""
    return f"{llm.name} + {llm.adapter}" if llm.adapter else llm.name
