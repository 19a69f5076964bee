"""Split documents into passages of whole sentences, at the author's boundaries: headings and paragraphs."""

from __future__ import annotations

import re
import unicodedata
from itertools import pairwise

from kgrag.text import sentence_spans
from kgrag.types import Document, Passage

_BLOCK = re.compile(
    r"^[ \t]*(?P<fence>```|~~~)[^\n]*\n(?:.*?\n)??[ \t]*(?P=fence)[^\n]*$|(?:^[ \t]*\|[^\n]*(?:\n|\Z))+",
    re.MULTILINE | re.DOTALL,
)
_HEADING = re.compile(r"#{1,6}[ \t]|[^\n]+\n[=\-^]{3,}\Z|\*\*[^*\n]+\*\*[:：]?\Z")
_SEPARATORS = (re.compile(r"\n"), re.compile(r"[;；:：,，、。.!?！？](?=\s|[^\x00-\x7f])"), re.compile(r"\s"))

# Cost of a split by its place; each passage costs 1, and an empty one would cost another 1.
_COST_AT_HEADING, _COST_AT_ITEM, _COST_AT_PARAGRAPH, _COST_AT_LINE, _COST_AT_SENTENCE = -0.3, -0.1, 0.0, 0.1, 0.3
_COST_IN_SENTENCE, _COST_BEFORE_PART, _COST_AFTER_HEADING = 0.6, 1.0, 5.0

Span = tuple[int, int]


def split_document(document: Document, passage_size: int) -> list[Passage]:
    """Split a document into passages of at most ``passage_size`` characters, or half of that for Chinese.

    Passages are ordered, do not overlap, have no surrounding white space and cover all other text. Headings stay with
    the text below them, tables and code blocks stay whole, and passages have even lengths as far as the limit allows.
    Only a sentence beyond the limit is split. Ids are the document's id with ``#0001`` and so on.

    Raises:
        ValueError: ``passage_size`` is less than 2.
    """
    if passage_size < 2:
        raise ValueError(f"expected a size of 2 or more characters, found {passage_size}")
    text = document.text
    limit = passage_size // 2 if document.lang == "zh" else passage_size
    start, end = _trim_span(text, 0, len(text))
    if start == end:
        return []
    spans = [(start, end)] if end - start <= limit else _pack_passages(text, _atomic_spans(text, limit), limit)
    digits = max(4, len(str(len(spans))))
    return [
        Passage(f"{document.id}#{number:0{digits}}", document.id, text[start:end], start, end)
        for number, (start, end) in enumerate(spans, 1)
    ]


def _trim_span(text: str, start: int, end: int) -> Span:
    piece = text[start:end]
    start += len(piece) - len(piece.lstrip())
    return start, max(start, start + len(piece.strip()))


def _atomic_spans(text: str, limit: int) -> list[Span]:
    """Return the pieces that are not split: sentences, and tables and code blocks that fit in the limit."""
    whole_blocks = [
        span for match in _BLOCK.finditer(text) if (span := _trim_span(text, *match.span()))[1] - span[0] <= limit
    ]
    atoms: list[Span] = []
    position = 0
    for block in [*whole_blocks, (len(text), len(text))]:
        for start, end in sentence_spans(text[position : block[0]]):
            atoms += _cut_sentence(text, position + start, position + end, limit)
        if block[0] < block[1]:
            atoms.append(block)
        position = block[1]
    is_crowded = len(atoms) * limit > 60 * len(text)  # bounds the time for texts of tiny pieces
    return _merge_short_spans(atoms, limit // 30) if is_crowded else atoms


def _merge_short_spans(atoms: list[Span], max_chars: int) -> list[Span]:
    merged = atoms[:1]
    for start, end in atoms[1:]:
        if end - merged[-1][0] <= max_chars:
            merged[-1] = (merged[-1][0], end)
        else:
            merged.append((start, end))
    return merged


def _cut_sentence(text: str, start: int, end: int, limit: int) -> list[Span]:
    """Split a sentence into even pieces, at a line end, punctuation or space if possible, or between characters."""
    pieces = []
    while end - start > limit:
        ideal = (end - start) // -(-(end - start) // limit)
        low, high = start + max(1, ideal * 3 // 4), start + min(limit, max(1, ideal * 5 // 4))
        cut_position = high
        for separator in _SEPARATORS:
            places = [match.end() for match in separator.finditer(text, low, high)]
            if places:
                cut_position = min(places, key=lambda place: abs(place - start - ideal))
                break
        else:
            cut_position = _character_boundary(text, start, start + max(1, ideal))
        piece = _trim_span(text, start, cut_position)
        if piece[0] < piece[1]:
            pieces.append(piece)
        start, _ = _trim_span(text, cut_position, end)
    return [*pieces, (start, end)]


def _character_boundary(text: str, start: int, ideal_position: int) -> int:
    """Return a position at or shortly before ``ideal_position`` that splits no accented letter and no emoji."""
    for position in range(ideal_position, max(start, ideal_position - 16), -1):
        next_char = text[position : position + 1]
        is_joined = (
            unicodedata.combining(next_char or "a")
            or next_char in "\u200d\ufe0f"
            or "\U0001f3fb" <= next_char <= "\U0001f3ff"
        )
        if not is_joined and text[position - 1] != "\u200d":
            return position
    return ideal_position


def _pack_passages(text: str, atoms: list[Span], limit: int) -> list[Span]:
    """Group atoms into passages at minimum cost by dynamic programming: few, even, split at good places."""
    cost = [_cut_cost(text, before, after) for before, after in pairwise(atoms)]
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


def _cut_cost(text: str, before: Span, after: Span) -> float:
    if _HEADING.match(text, *before):
        return _COST_AFTER_HEADING
    if _HEADING.match(text, *after):
        return _COST_AT_HEADING
    gap = text[before[1] : after[0]]
    if "\n" not in gap:
        return _COST_AT_SENTENCE if text[before[1] - 1] in ".!?。！？；…\"'”’」』）)]" else _COST_IN_SENTENCE
    indent, next_indent = _indent_width(text, before[0]), _indent_width(text, after[0])
    if next_indent > indent or text[before[1] - 1] in ":：":  # an item and its parts
        return _COST_BEFORE_PART
    if next_indent < indent:
        return _COST_AT_ITEM if next_indent == 0 else _COST_AT_PARAGRAPH
    return _COST_AT_PARAGRAPH if gap.count("\n") > 1 else _COST_AT_LINE


def _indent_width(text: str, position: int) -> int:
    line = text[text.rfind("\n", max(0, position - 2000), position) + 1 : position + 1].expandtabs(4)
    return len(line) - len(line.lstrip())
