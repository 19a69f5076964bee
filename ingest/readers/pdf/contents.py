"""Recognise the tables of contents and the indexes of a PDF: lines with leaders and page numbers."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence

from ingest.readers.pdf.columns import Line

_LEADER = re.compile(r"(?:\.\s?){4,}|(?:\s[.·]){3,}|[·•…⋯]{3,}|(?:…\s?){2,}|(?:·\s?){4,}|_{6,}(?=\s*\d+$)")
_ENTRY_END = re.compile(r"(?:\s|^|[.·…_])(?:\d{1,4}|[ivxlc]{1,7}|[A-Z]?-?\d{1,4})(?:\s*,\s*\d{1,4})*,?$")
_BEFORE_ENTRY = re.compile(rf"^(?:[A-Z\W] ?){{1,4}}$|{_ENTRY_END.pattern}")
_TITLE = re.compile(
    r"(?:table of )?contents|list of (?:figures|tables|examples|listings)|(?:内容)?目\s*[录錄次]|图(?:目录|表目录)|"
    r"(?:插图|表格|表)(?:目录|列表|清单)|inhaltsverzeichnis|sommaire|índice",
    re.IGNORECASE,
)
MIN_ENTRIES = 4
"""Fewest lines without leaders that make a table of contents below its heading."""
MAX_BETWEEN = 4
"""Most lines between two entries with leaders: titles on several lines, and parts without a page."""


def without_contents(lines: Sequence[Line]) -> list[Line]:
    """Return the lines without those of tables of contents and indexes, and without their headings."""
    is_entry = [is_leader_line(line) for line in lines]
    texts = [line.text for line in lines]
    drop = list(is_entry)
    titles = [number for number, text in enumerate(texts) if _TITLE.fullmatch(text.strip(" .:："))]
    for title in titles:
        numbered = [bool(_ENTRY_END.search(text)) and not is_sentence(text) for text in texts[title + 1 :]]
        count = next((n for n, flag in enumerate(numbered) if not any(numbered[n : n + 3]) and not flag), len(numbered))
        if any(is_entry[title + 1 : title + 4]) or sum(numbered[:count]) >= MIN_ENTRIES:
            drop[title] = True
            for number in range(title + 1, title + 1 + count):
                drop[number] = True
    entries = [number for number, flag in enumerate(is_entry) if flag]
    for before, after in itertools.pairwise(entries):
        if after - before - 1 <= MAX_BETWEEN:
            drop[before + 1 : after] = [True] * (after - before - 1)
    if len(entries) >= MIN_ENTRIES:  # parts or letters above the first entry
        first = entries[0]
        while first and not is_sentence(texts[first - 1]) and _BEFORE_ENTRY.search(texts[first - 1]):
            first -= 1
            drop[first] = True
    return [line for line, gone in zip(lines, drop, strict=True) if not gone]


def is_leader_line(line: Line) -> bool:
    """Whether a line is an entry with a leader and a page number, or a leader alone."""
    text = line.text
    if line.style.is_mono or not (match := _LEADER.search(text)):
        return False
    rest = text[match.end() :].strip(" .·…_")
    return not rest or bool(_ENTRY_END.fullmatch(rest)) or len(_LEADER.findall(text)) > 1


def is_sentence(text: str) -> bool:
    """Whether a line ends like a sentence."""
    return text.endswith((".", "。", "!", "?", "！", "？", ";", "；")) or len(text) > 140
