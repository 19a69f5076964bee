"""Group the lines of PDF pages into headings, paragraphs, items, code, captions and footnotes."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import pairwise
from statistics import median

from ingest.readers.pdf.columns import Line
from ingest.readers.pdf.geometry import Table
from ingest.readers.pdf.lines import OpenBlock, write_block
from ingest.readers.pdf.pages import Page
from ingest.readers.pdf.styles import Styles
from ingest.readers.pdf.text import is_cjk
from ingest.readers.tree_builder import TreeBuilder, row_text
from kgrag.tree import BlockKind, PageLine

_ITEM = re.compile(
    r"(?:[•◦▪‣∙○●■□➢✓–*·-]\s+|[•◦▪‣∙●■➢✓]|\(?\d{1,3}[.)]\s+|\(\d{1,2}\)\s*|（[\d一二三四五六七八九十]{1,3}）|"
    r"[①-⑳]\s*|\[\d{1,3}\]\s+|\(?[a-z]\)\s+|\(?[ivx]{1,4}[.)]\s+)(?=\S)"
)
_CAPTION = re.compile(
    r"(?:Figure|Fig\.|Table|Listing|Example)\s+[A-Z]?\d[\d.]*\s*[:.—–-]|[图表]\s*\d[\d.\-]*(?:\s*[:：]|\s+(?![中的所给是列和与、，]))"
)
_ENDED = re.compile(r"[.!?:;。！？：；…][\"'”’)\]）』」]*$")
_CUT_WORD = re.compile(r"[^\W\d_]{2}[-\u2010]$")
_OPEN_KINDS = (BlockKind.PARAGRAPH, BlockKind.ITEM)
SMALL_TEXT = 0.93
"""Greatest size of a footnote, in sizes of the text."""


class BlockWriter:
    """Writer of the blocks of a document, page by page.

    A paragraph continues over columns and pages; tables, captions and footnotes between its parts come after it.

    Args:
        builder: receives the blocks.
        styles: styles of the document.
    """

    def __init__(self, builder: TreeBuilder, styles: Styles) -> None:
        self._builder = builder
        self._styles = styles
        self._open: OpenBlock | None = None
        self._aside: OpenBlock | None = None
        self._waiting: list[Callable[[], None]] = []
        self._item_lefts: list[float] = []
        self._table: Table | None = None
        self._leading = 12.0
        self._pages: dict[int, Page] = {}

    def begin_page(self, page: Page, lines: Sequence[Line]) -> None:
        """Begin a page with these lines; the block that is open stays open."""
        first = min((line.page for block in (self._open, self._aside) if block for line in block.lines), default=0)
        self._pages = {number: old for number, old in self._pages.items() if number >= (first or page.number)}
        self._pages[page.number] = page
        body = self._styles.body_size
        gaps = [
            b.baseline - a.baseline
            for a, b in pairwise(lines)
            if abs(a.style.size - body) < 0.6 > abs(b.style.size - body) and 0 < b.baseline - a.baseline < 3 * body
        ]
        self._leading = min(median(gaps), 2.2 * body) if len(gaps) > 2 else 1.25 * body

    def add_line(self, line: Line) -> None:
        """Add a line of text."""
        kind, level = self._classify(line)
        if self._aside:
            if self._continues(self._aside, line, kind, level):
                self._aside.lines.append(line)
                return
            self._waiting.append(self._writer(self._aside))
            self._aside = None
        if self._open and self._continues(self._open, line, kind, level):
            self._open.lines.append(line)
            return
        marker = match.group() if kind is BlockKind.ITEM and (match := _ITEM.match(line.text)) else ""
        block = OpenBlock(kind, [line], level, marker)
        if kind in (BlockKind.FOOTNOTE, BlockKind.CAPTION) and self._is_unfinished():
            self._aside = block
            return
        self.close()
        self._open = block
        if kind is not BlockKind.FOOTNOTE:
            self._table = None

    def add_table(self, table: Table, page: Page) -> None:
        """Add the rows of a table; one that continues the table above it takes over its header."""
        last = self._table
        if last and last.header and len(last.column_lefts) == len(table.column_lefts):
            if table.header and table.header != last.header:
                table.rows.insert(0, table.header)
                table.boxes.insert(0, table.boxes[0])
            table.header = last.header
        self._table = table

        def write() -> None:
            for cells, box in zip(table.rows, table.boxes, strict=True):
                length = len(row_text(cells, table.header))
                place = page.frame.displayed_box(box)
                span = PageLine(0, length, page.number, place, page.confidence_in(box))
                self._builder.add_row(cells, table.header, lines=[span])

        if self._is_unfinished():
            self._waiting.append(write)
        else:
            self.close()
            write()

    def close(self) -> None:
        """Write the blocks that are open."""
        if self._open:
            self._writer(self._open)()
            self._open = None
        if self._aside:
            self._waiting.append(self._writer(self._aside))
            self._aside = None
        for write in self._waiting:
            write()
        self._waiting = []

    def _classify(self, line: Line) -> tuple[BlockKind, int]:
        """Return the kind of block that a line would begin, and the level of a heading."""
        text, size, body = line.text, line.style.size, self._styles.body_size
        if line.style.is_mono and not self._styles.is_mono:
            return BlockKind.CODE, 0
        block = self._open
        if block and block.kind is BlockKind.HEADING and self._is_next(block, line):
            level = self._styles.outline_level([*block.lines, line])
            if level:
                return BlockKind.HEADING, block.level
        if level := self._styles.heading_level(line):
            return BlockKind.HEADING, level
        height = self._pages[line.page].frame.height
        is_low = size <= SMALL_TEXT * body and line.baseline > 0.5 * height
        if is_low and (line.pieces[0].mark or re.match(r"(?:\d{1,2}|[*†‡§])\s+[^\W\d_]", text)):
            return BlockKind.FOOTNOTE, 0
        if _CAPTION.match(text):
            return BlockKind.CAPTION, 0
        return (BlockKind.ITEM if _ITEM.match(text) else BlockKind.PARAGRAPH), 0

    def _is_next(self, block: OpenBlock, line: Line) -> bool:
        last = block.lines[-1]
        gap = line.baseline - last.baseline
        return line.page == last.page and 0 < gap <= 1.5 * max(self._leading, 1.15 * line.style.size)

    def _continues(self, block: OpenBlock, line: Line, kind: BlockKind, level: int) -> bool:
        last = block.lines[-1]
        is_near = self._is_next(block, line) and line.column_left == last.column_left
        if block.kind is BlockKind.CODE or kind is BlockKind.CODE:
            gap = line.baseline - last.baseline
            if block.kind is kind:
                return line.page == last.page and 0 < gap < 3.2 * line.style.size
            # a line that is all monospaced inside a paragraph
            is_inside = is_near and gap <= 1.1 * self._leading and abs(line.left - last.left) < 2
            return (
                is_inside and block.kind in _OPEN_KINDS and self._is_full(last, line) and not _ENDED.search(last.text)
            )
        if block.kind is BlockKind.HEADING or kind is BlockKind.HEADING:
            is_same = block.kind is kind and level == block.level and line.style == last.style
            return is_same and self._is_next(block, line) and not self._styles.outline_level(block.lines)
        if kind not in (BlockKind.PARAGRAPH, BlockKind.ITEM) or (kind is BlockKind.ITEM and block.kind in _OPEN_KINDS):
            return False
        if abs(line.style.size - last.style.size) > 0.8:
            return False
        if not is_near:
            return block.kind in _OPEN_KINDS and kind is BlockKind.PARAGRAPH and self._continues_elsewhere(last, line)
        return self._fits(block, last, line)

    def _fits(self, block: OpenBlock, last: Line, line: Line) -> bool:
        """Whether a line below the last line of a block belongs to it, by distance, indent and room."""
        size = line.style.size
        if line.baseline - last.baseline > max(1.25 * self._leading * size / self._styles.body_size, 1.3 * size):
            return False
        if last.style.is_bold and not line.style.is_bold and all(part.style.is_bold for part in block.lines):
            return False
        is_first = len(block.lines) == 1
        shift = line.left - last.left
        if block.kind is BlockKind.ITEM:
            if line.left < block.lines[0].left - 3 or (not is_first and shift > 0.8 * size):
                return False
            if is_first and shift < 3:
                return self._is_full(last, line)
        elif shift > 0.8 * size:
            if not (is_first and self._is_full(last, line)):
                return False
        elif shift < -0.8 * size and not is_first:
            return False
        if _CUT_WORD.search(last.text) and line.text[0].islower():
            return True
        return self._is_full(last, line) or not (
            _ENDED.search(last.text) or last.column_right - last.right > 0.25 * (last.column_right - last.column_left)
        )

    def _is_full(self, last: Line, line: Line) -> bool:
        """Whether the first word of ``line`` had no room at the end of the line before it."""
        text = line.text
        word = 1 if is_cjk(text) else len(text.split(" ", 1)[0])
        width = (line.right - line.left) / max(len(text), 1) * word
        return last.column_right - last.right <= width + (2.5 if is_cjk(text) else 0.8) * line.style.size

    def _continues_elsewhere(self, last: Line, line: Line) -> bool:
        """Whether a line at the top of the next column or page continues a sentence."""
        if line.page == last.page and line.column_left == last.column_left and line.baseline > last.baseline:
            return False
        if line.page > last.page + 1 or last.style.is_bold != line.style.is_bold:
            return False
        if last.text.endswith(("-", "\xad")):
            return True
        if _ENDED.search(last.text):
            is_indented = line.left > line.column_left + 0.8 * line.style.size
            return line.text[0].islower() and last.text[-1] in '.)"”' and not is_indented
        width = last.column_right - last.column_left
        return line.text[0].islower() or last.column_right - last.right <= 0.3 * width

    def _is_unfinished(self) -> bool:
        """Whether the open paragraph lacks the end of its sentence, so that what comes between must wait."""
        block = self._open
        if not block or block.kind not in _OPEN_KINDS or _ENDED.search(block.lines[-1].text):
            return False
        last = block.lines[-1]
        return last.column_right - last.right <= 0.3 * (last.column_right - last.column_left)

    def _writer(self, block: OpenBlock) -> Callable[[], None]:
        """Return a function that writes a block."""
        pages = {line.page: self._pages[line.page] for line in block.lines}
        return lambda: write_block(block, pages, self._builder, self._styles.words, self._item_lefts)
