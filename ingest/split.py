"""Documents to passages of whole sentences, cut where the author did: before a heading, between paragraphs."""

from __future__ import annotations

import re
import unicodedata
from itertools import pairwise

from kgrag.text import sentences
from kgrag.types import Document, Passage

_BLOCK = re.compile(
    r"^[ \t]*(?P<fence>```|~~~)[^\n]*\n(?:.*?\n)??[ \t]*(?P=fence)[^\n]*$|(?:^[ \t]*\|[^\n]*(?:\n|\Z))+",
    re.MULTILINE | re.DOTALL,
)
_HEADING = re.compile(r"#{1,6}[ \t]|[^\n]+\n[=\-^]{3,}\Z|\*\*[^*\n]+\*\*[:：]?\Z")
_SEPARATORS = (re.compile(r"\n"), re.compile(r"[;；:：,，、。.!?！？](?=\s|[^\x00-\x7f])"), re.compile(r"\s"))

# What it costs to cut in a place; a passage more costs 1, and a passage as short as can be another 1.
_AT_HEADING, _AT_ITEM, _AT_PARAGRAPH, _AT_LINE, _AT_SENTENCE = -0.3, -0.1, 0.0, 0.1, 0.3
_IN_SENTENCE, _BEFORE_PART, _AFTER_HEADING = 0.6, 1.0, 5.0

Span = tuple[int, int]


def split(document: Document, size: int) -> list[Passage]:
    """Passages of at most ``size`` characters, or ``size // 2`` where the document's language is Chinese.

    They are in order, do not overlap, have no white space at their ends and hold all else. Headings go with what
    follows them, tables and code blocks stay whole, and passages are of even length, as far as the limit allows;
    only a sentence beyond it is cut within. Ids are the document's with ``#0001`` and so on.
    """
    if size < 2:
        raise ValueError(f"expected a size of 2 or more characters, found {size}")
    text = document.text
    limit = size // 2 if document.lang == "zh" else size
    start, end = _trim(text, 0, len(text))
    if start == end:
        return []
    spans = [(start, end)] if end - start <= limit else _pack(text, _atoms(text, limit), limit)
    digits = max(4, len(str(len(spans))))
    return [
        Passage(f"{document.id}#{number:0{digits}}", document.id, text[start:end], start, end)
        for number, (start, end) in enumerate(spans, 1)
    ]


def _trim(text: str, start: int, end: int) -> Span:
    piece = text[start:end]
    start += len(piece) - len(piece.lstrip())
    return start, max(start, start + len(piece.strip()))


def _atoms(text: str, limit: int) -> list[Span]:
    """The pieces that are not cut: sentences, and tables and code blocks that fit; each within the limit."""
    kept = [span for match in _BLOCK.finditer(text) if (span := _trim(text, *match.span()))[1] - span[0] <= limit]
    atoms: list[Span] = []
    at = 0
    for block in [*kept, (len(text), len(text))]:
        for start, end in sentences(text[at : block[0]]):
            atoms += _cut(text, at + start, at + end, limit)
        if block[0] < block[1]:
            atoms.append(block)
        at = block[1]
    crowded = len(atoms) * limit > 60 * len(text)  # a text of tiny pieces must not take longer than another
    return _joined(atoms, limit // 30) if crowded else atoms


def _joined(atoms: list[Span], enough: int) -> list[Span]:
    joined = atoms[:1]
    for start, end in atoms[1:]:
        if end - joined[-1][0] <= enough:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    return joined


def _cut(text: str, start: int, end: int, limit: int) -> list[Span]:
    """A sentence in even pieces within the limit, cut at a line end, else a comma, a space, or between characters."""
    pieces = []
    while end - start > limit:
        ideal = (end - start) // -(-(end - start) // limit)
        low, high = start + max(1, ideal * 3 // 4), start + min(limit, max(1, ideal * 5 // 4))
        at = high
        for separator in _SEPARATORS:
            places = [match.end() for match in separator.finditer(text, low, high)]
            if places:
                at = min(places, key=lambda place: abs(place - start - ideal))
                break
        else:
            at = _between_characters(text, start, start + max(1, ideal))
        piece = _trim(text, start, at)
        if piece[0] < piece[1]:
            pieces.append(piece)
        start, _ = _trim(text, at, end)
    return [*pieces, (start, end)]


def _between_characters(text: str, start: int, at: int) -> int:
    """A place at or a little before ``at`` that does not part a letter from its accents, or an emoji."""
    for place in range(at, max(start, at - 16), -1):
        after = text[place : place + 1]
        joined = unicodedata.combining(after or "a") or after in "\u200d\ufe0f" or "\U0001f3fb" <= after <= "\U0001f3ff"
        if not joined and text[place - 1] != "\u200d":
            return place
    return at


def _pack(text: str, atoms: list[Span], limit: int) -> list[Span]:
    """The cheapest way to make passages of ``atoms``: few, even, and cut in good places (dynamic programming)."""
    cost = [_cost_of_cut(text, before, after) for before, after in pairwise(atoms)]
    best = [0.0] + [float("inf")] * len(atoms)
    origin = [0] * (len(atoms) + 1)
    for last in range(1, len(atoms) + 1):
        end = atoms[last - 1][1]
        for first in range(last - 1, -1, -1):
            length = end - atoms[first][0]
            if length > limit:
                break
            total = best[first] + 1 + ((limit - length) / limit) ** 2 + (cost[first - 1] if first else 0.0)
            if total < best[last]:
                best[last], origin[last] = total, first
    spans: list[Span] = []
    last = len(atoms)
    while last:
        spans.append((atoms[origin[last]][0], atoms[last - 1][1]))
        last = origin[last]
    return spans[::-1]


def _cost_of_cut(text: str, before: Span, after: Span) -> float:
    if _HEADING.match(text, *before):
        return _AFTER_HEADING
    if _HEADING.match(text, *after):
        return _AT_HEADING
    gap = text[before[1] : after[0]]
    if "\n" not in gap:
        return _AT_SENTENCE if text[before[1] - 1] in ".!?。！？；…\"'”’」』）)]" else _IN_SENTENCE
    indent, deeper = _indent(text, before[0]), _indent(text, after[0])
    if deeper > indent or text[before[1] - 1] in ":：":  # an item and what it consists of
        return _BEFORE_PART
    if deeper < indent:
        return _AT_ITEM if deeper == 0 else _AT_PARAGRAPH
    return _AT_PARAGRAPH if gap.count("\n") > 1 else _AT_LINE


def _indent(text: str, at: int) -> int:
    line = text[text.rfind("\n", max(0, at - 2000), at) + 1 : at + 1].expandtabs(4)
    return len(line) - len(line.lstrip())
