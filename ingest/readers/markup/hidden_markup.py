"""Remove what a rendered Markdown page does not show: comments, scripts and styles."""

from __future__ import annotations

import re

from ingest.readers.markup.markdown import find_code_spans

_HIDDEN_START = re.compile(
    r"<!--|<(script|style)\b[^<>\n]{0,500}>|^\[(?://|comment|_)\]:[ \t]*(?:#|<>)[^\n]*", re.M | re.I
)


def remove_hidden_markup(text: str) -> str:
    """Return Markdown without HTML comments, scripts, styles and link definitions used as comments.

    Code stays as it is, and so does an element that is not closed.
    """
    if not _HIDDEN_START.search(text):
        return text
    fences = find_code_spans(text)
    parts: list[str] = []
    position = fence = counted = backticks = 0
    missing: set[str] = set()  # ends that do not follow
    for match in _HIDDEN_START.finditer(text):
        start, end = match.span()
        mark = f"</{match.group(1).lower()}>" if match.group(1) else "-->"
        if start < position or mark in missing:
            continue
        while fence < len(fences) and fences[fence][1] <= start:
            fence += 1
        line = text.rfind("\n", counted, start) + 1
        backticks = text.count("`", max(line, counted), start) + (0 if line else backticks)
        counted = start
        # an odd number of backticks before it in its line: it is inside a code span
        if backticks % 2 or (fence < len(fences) and fences[fence][0] <= start):
            continue
        if not text.startswith("[", start):
            close = re.compile(mark, re.IGNORECASE).search(text, end)
            if not close:
                missing.add(mark)
                continue
            end = close.end()
        parts.append(text[position:start])
        position = counted = end
    return "".join([*parts, text[position:]])
