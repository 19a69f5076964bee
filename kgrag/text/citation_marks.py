"""Citation marks in an answer: ``[1]``, ``[2, 3]``, ``【1】``, ``［1］``."""

from __future__ import annotations

import re

CITATION_MARK = re.compile(r"[\[［【](\d+(?:\s*[,，、]\s*\d+)*)[\]］】]")
"""A citation mark: one or more passage numbers in square brackets, in ASCII or Chinese typography."""
SPACE_AND_MARK = re.compile(rf"(?:(?<!\s)\s+)?{CITATION_MARK.pattern}")
"""A citation mark with the white space before it."""


def citation_numbers(text: str) -> list[int]:
    """Return the passage numbers that a text cites, in order, with repetitions; of a longer number, nine digits."""
    return [int(n[:9]) for mark in CITATION_MARK.findall(text) for n in re.findall(r"\d+", mark)]


def strip_citation_marks(text: str, *, strip_space: bool = False) -> str:
    """Remove the citation marks of a text.

    Args:
        text: the text.
        strip_space: also remove the white space before each mark.
    """
    return (SPACE_AND_MARK if strip_space else CITATION_MARK).sub("", text)
