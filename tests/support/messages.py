"""Chat messages for tests of language models."""

from __future__ import annotations


def chat_messages(text: str) -> list[dict[str, str]]:
    """Return a system message and ``text`` as the user's."""
    return [{"role": "system", "content": "Be brief."}, {"role": "user", "content": text}]
