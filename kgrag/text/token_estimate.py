"""Estimate the tokens of a text without a tokenizer."""

from __future__ import annotations


def estimate_tokens(text: str) -> int:
    """Estimate the number of tokens: one for each East Asian character, one for three other characters."""
    wide = sum(ord(c) >= 0x2E80 for c in text)
    return wide + -(-(len(text) - wide) // 3)
