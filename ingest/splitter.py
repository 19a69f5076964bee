"""Split documents into passages of whole sentences, at headings, paragraphs, table rows and code."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from itertools import pairwise

from ingest.readers.markup.markdown import find_blocks
from kgrag.text import sentence_spans
from kgrag.tree import Block, BlockKind, HeadingPath
from kgrag.types import Document, Passage

_SEPARATORS = (re.compile(r"\n"), re.compile(r"[;；:：,，、。.!?！？](?=\s|[^\x00-\x7f])"), re.compile(r"\s"))

# Cost of a split by its place; each passage costs 1, and an empty one would cost another 1.
_COST_AT_HEADING, _COST_AT_ITEM, _COST_AT_PARAGRAPH, _COST_AT_LINE, _COST_AT_SENTENCE = -0.3, -0.1, 0.0, 0.1, 0.3
_COST_IN_SENTENCE, _COST_BEFORE_PART, _COST_AFTER_HEADING = 0.6, 1.0, 5.0

MAX_WHOLE_BLOCKS = 2
"""Table rows and code stay whole up to this many times the maximum passage length."""
_WHOLE_KINDS = (BlockKind.ROW, BlockKind.CODE)
Span = tuple[int, int]


def split_document(document: Document, passage_size: int) -> list[Passage]:
    """Split a document into passages of at most ``passage_size`` characters, or half of that for Chinese.

    Passages are ordered, do not overlap, have no surrounding white space and cover all other text. Headings stay with
    the text below them, and passages have even lengths as far as the limit allows. A table row or a piece of code stays
    whole up to `MAX_WHOLE_BLOCKS` times the limit; longer code is cut between lines. Only a sentence beyond the limit
    is split. Ids are the document's id with ``#0001`` and so on.

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
    blocks = document.tree.blocks or find_blocks(text)
    if end - start <= limit:
        spans = [(start, end)]
    else:
        block_by_start = {block.start: block for block in blocks}
        spans = _pack_passages(text, _atomic_spans(text, blocks, limit), block_by_start, limit)
    digits = max(4, len(str(len(spans))))
    headings = HeadingPath(document.tree, document.title)
    return [
        Passage(
            f"{document.id}#{number:0{digits}}",
            document.id,
            text[start:end],
            start,
            end,
            headings.at(start),
            document.tree.page_starts(start, end),
        )
        for number, (start, end) in enumerate(spans, 1)
    ]


def _trim_span(text: str, start: int, end: int) -> Span:
    piece = text[start:end]
    start += len(piece) - len(piece.lstrip())
    return start, max(start, start + len(piece.strip()))


def _atomic_spans(text: str, blocks: Sequence[Block], limit: int) -> list[Span]:
    """Return the pieces that are not split: sentences, and table rows and code that fit in the limit."""
    atoms: list[Span] = []
    position = 0
    for block in [*blocks, Block(BlockKind.PARAGRAPH, len(text), len(text))]:
        if position < block.start:
            atoms += _sentence_atoms(text, position, block.start, limit)
        start, end = _trim_span(text, max(block.start, position), block.end)
        if block.kind not in _WHOLE_KINDS:
            atoms += _sentence_atoms(text, start, end, limit)
        elif end - start <= limit * MAX_WHOLE_BLOCKS:
            if start < end:
                atoms.append((start, end))
        else:
            atoms += _cut_block(text, start, end, limit)
        position = max(position, block.end)
    is_crowded = len(atoms) * limit > 60 * len(text)  # bounds the time for texts of tiny pieces
    return _merge_short_spans(atoms, limit // 30) if is_crowded else atoms


def _sentence_atoms(text: str, start: int, end: int, limit: int) -> list[Span]:
    return [
        span
        for begin, stop in sentence_spans(text[start:end])
        for span in _cut_sentence(text, start + begin, start + stop, limit)
    ]


def _cut_block(text: str, start: int, end: int, limit: int) -> list[Span]:
    """Cut code between lines, at blank lines where there are any; only a line beyond the limit is cut itself."""
    pieces = []
    while end - start > limit:
        window = text[start : start + limit]
        cut_position = max(window.rfind("\n\n", limit // 2), 0) or max(window.rfind("\n", 1), 0)
        if not cut_position:
            line_end = text.find("\n", start, end)
            line_end = end if line_end < 0 else line_end
            pieces += _cut_sentence(text, start, line_end, limit)
            start, _ = _trim_span(text, line_end, end)
            continue
        pieces.append(_trim_span(text, start, start + cut_position))
        start = start + cut_position
        while start < end and text[start] == "\n":
            start += 1
    return [*pieces, (start, end)] if start < end else pieces


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


def _pack_passages(text: str, atoms: list[Span], block_by_start: Mapping[int, Block], limit: int) -> list[Span]:
    """Group atoms into passages at minimum cost by dynamic programming: few, even, split at good places."""
    cost = [_cut_cost(text, before, after, block_by_start) for before, after in pairwise(atoms)]
    best = [0.0] + [float("inf")] * len(atoms)
    origin = [0] * (len(atoms) + 1)
    for last in range(1, len(atoms) + 1):
        end = atoms[last - 1][1]
        for first in range(last - 1, -1, -1):
            length = end - atoms[first][0]
            if length > limit and first < last - 1:  # a block beyond the limit is a passage of its own
                break
            total = best[first] + 1 + (max(0, limit - length) / limit) ** 2 + (cost[first - 1] if first else 0.0)
            if total < best[last]:
                best[last], origin[last] = total, first
    spans: list[Span] = []
    last = len(atoms)
    while last:
        spans.append(_trim_span(text, atoms[origin[last]][0], atoms[last - 1][1]))  # cut code may begin indented
        last = origin[last]
    return spans[::-1]


def _cut_cost(text: str, before: Span, after: Span, block_by_start: Mapping[int, Block]) -> float:
    block_before, block_after = block_by_start.get(before[0]), block_by_start.get(after[0])
    if block_before and block_before.kind is BlockKind.HEADING:
        return _COST_AFTER_HEADING
    if block_before and block_before.kind is BlockKind.CAPTION:
        return _COST_BEFORE_PART
    if block_after and block_after.kind is BlockKind.HEADING:
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
