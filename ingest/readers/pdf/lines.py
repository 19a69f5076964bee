"""Join lines of a PDF into the text of a block, with the place of each line and its links."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median

from ingest.readers.pdf.columns import Line
from ingest.readers.pdf.pages import Page
from ingest.readers.pdf.text import clean_line, join_lines
from ingest.readers.tree_builder import TreeBuilder
from kgrag.tree import BlockKind, Link, PageLine

MAX_BLANK_LINES = 2
MAX_INDENT = 80
"""Widest white space in code, in characters."""


@dataclass(slots=True)
class OpenBlock:
    """A block that may grow by further lines.

    Attributes:
        kind: Kind of block.
        lines: Its lines so far.
        level: Level of a heading.
        marker: Marker of a list item at the start of its text, with the space after it.
    """

    kind: BlockKind
    lines: list[Line]
    level: int = 0
    marker: str = ""


@dataclass(slots=True)
class Joined:
    """Text of a block, with spans of its lines and links."""

    text: str = ""
    lines: list[PageLine] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)


def join_text(lines: Sequence[Line], pages: Mapping[int, Page], words: Set[str], skip: int = 0) -> Joined:
    """Return the text of a paragraph.

    Args:
        lines: its lines, in order.
        pages: pages by number.
        words: words of the document, which decide about hyphens.
        skip: characters at the start of the first line that are left out.
    """
    joined = Joined()
    for line in lines:
        text = line.text
        if skip:
            text, skip = text[skip:].lstrip(), 0
        if not text:
            continue
        if joined.text:
            joined.text, separator = join_lines(joined.text, text, words)
            if joined.lines[-1].end > len(joined.text):
                joined.lines[-1] = _shorten(joined.lines[-1], len(joined.text))
            joined.text += separator
        start = len(joined.text)
        joined.text += text
        joined.lines.append(_page_line(line, pages, start, len(joined.text)))
        joined.links += _links(line, pages, text, start)
    joined.text = joined.text.rstrip("\xad")
    return joined


def join_code(lines: Sequence[Line], pages: Mapping[int, Page]) -> Joined:
    """Return code with its indentation, columns and blank lines, measured in widths of its characters."""
    joined = Joined()
    widths = [(p.right - p.left) / len(p.text) for line in lines for p in line.pieces if len(p.text) > 2]
    width = max(median(widths) if widths else 0.6 * lines[0].style.size, 1.0)
    left = min(line.left for line in lines)
    gaps = [b.baseline - a.baseline for a, b in pairwise(lines) if b.baseline > a.baseline]
    leading = min(gaps) if gaps else lines[0].style.size
    for number, line in enumerate(lines):
        if number:
            gap = line.baseline - lines[number - 1].baseline
            blank_count = min(MAX_BLANK_LINES, round(gap / leading) - 1) if gap > 1.6 * leading else 0
            joined.text += "\n" * (1 + blank_count)
        text = ""
        for piece in line.pieces:
            column = min(round((piece.left - left) / width), len(text) + MAX_INDENT)
            text = text.ljust(max(column, len(text) + bool(text.strip()))) + clean_line(piece.text)
        start = len(joined.text)
        joined.text += text
        joined.lines.append(_page_line(line, pages, start, len(joined.text)))
    return joined


def _page_line(line: Line, pages: Mapping[int, Page], start: int, end: int) -> PageLine:
    found = [piece.confidence for piece in line.pieces if piece.confidence is not None]
    box = pages[line.page].frame.displayed_box(line.box, line.pieces[0].turn)
    return PageLine(start, end, line.page, box, min(found) if found else None)


def _shorten(line: PageLine, end: int) -> PageLine:
    return PageLine(line.start, end, line.page, line.box, line.confidence)


def _links(line: Line, pages: Mapping[int, Page], text: str, start: int) -> list[Link]:
    links = []
    for (left, top, right, bottom), target in pages[line.page].links:
        if not top <= line.baseline - 0.3 * line.style.size <= bottom or right < line.left or left > line.right:
            continue
        for piece in line.pieces:
            inside = [n for n, x in enumerate(piece.lefts) if left - 1 <= x < right - 1]
            label = clean_line(piece.text[inside[0] : inside[-1] + 1]).strip() if inside else ""
            place = text.find(label) if label else -1
            if place >= 0:
                links.append(Link(start + place, start + place + len(label), target))
    return sorted(links, key=lambda link: link.start)


def write_block(
    block: OpenBlock, pages: Mapping[int, Page], builder: TreeBuilder, words: Set[str], item_lefts: list[float]
) -> None:
    """Write a block.

    Args:
        block: the block.
        pages: its pages by number.
        builder: receives the block.
        words: words of the document.
        item_lefts: left edges of the list items around this block, the outermost first; changed.
    """
    if block.kind is BlockKind.CODE:
        code = join_code(block.lines, pages)
        builder.add_code(code.text, lines=code.lines)
        return
    first = block.lines[0]
    mark = first.pieces[0].mark or re.split(r"\s", first.text, maxsplit=1)[0]
    skip = len(block.marker) if block.kind is BlockKind.ITEM else 0
    if block.kind is BlockKind.FOOTNOTE and first.text.startswith(mark):
        skip = len(mark)
    joined = join_text(block.lines, pages, words, skip)
    if block.kind is BlockKind.ITEM:
        marker = block.marker.strip() if re.search(r"\w|[①-⑳]", block.marker) else "-"
        builder.add_item(
            joined.text, _item_depth(first.left, item_lefts), marker, links=joined.links, lines=joined.lines
        )
        return
    item_lefts.clear()
    if block.kind is BlockKind.HEADING:
        builder.add_heading(joined.text, block.level, links=joined.links, lines=joined.lines)
    elif block.kind is BlockKind.CAPTION:
        builder.add_caption(joined.text, lines=joined.lines)
    elif block.kind is BlockKind.FOOTNOTE:
        builder.add_footnote(mark, joined.text, lines=joined.lines)
    else:
        builder.add_paragraph(joined.text, links=joined.links, lines=joined.lines)


def _item_depth(left: float, item_lefts: list[float]) -> int:
    while item_lefts and left < item_lefts[-1] - 3:
        item_lefts.pop()
    if not item_lefts or left > item_lefts[-1] + 3:
        item_lefts.append(left)
    return min(len(item_lefts), 6)
