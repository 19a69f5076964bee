"""Find code in fences of Markdown (three backticks or tildes)."""

from __future__ import annotations

import re

_FENCED_CODE = re.compile(r"^[ \t]*(```|~~~).*?(?:^[ \t]*\1[ \t]*|\Z)", re.MULTILINE | re.DOTALL)


def fenced_code_spans(text: str) -> list[tuple[int, int]]:
    """Return the spans of code with its fences, in order; code that no fence ends reaches to the end of the text."""
    return [match.span() for match in _FENCED_CODE.finditer(text)]
