"""Structure of a document's text: blocks, links, and places on pages, as spans of character offsets."""

from __future__ import annotations

import json
import zlib
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from enum import StrEnum

Box = tuple[float, float, float, float]
"""Left, top, right, bottom on a page, in points (1/72 inch) from its upper left corner."""


class BlockKind(StrEnum):
    """Kind of a block of a document."""

    HEADING = "heading"
    PARAGRAPH = "paragraph"
    ITEM = "item"
    ROW = "row"
    CODE = "code"
    CAPTION = "caption"
    FOOTNOTE = "footnote"


@dataclass(frozen=True, slots=True)
class Block:
    """A block of a document's text, markup included.

    Attributes:
        kind: Kind of block.
        start: Start in the document's text.
        end: End in the document's text, exclusive.
        level: Level of a heading (from 1), depth of a list item (from 1), otherwise 0.
        label: Text of a heading without markup, header cells of a table row (joined by `` | ``), language of code, mark
            of a footnote; otherwise "".
    """

    kind: BlockKind
    start: int
    end: int
    level: int = 0
    label: str = ""


@dataclass(frozen=True, slots=True)
class Link:
    """A link: the span of its text, and its target as written (a URL, a relative path, or ``#anchor``)."""

    start: int
    end: int
    target: str


@dataclass(frozen=True, slots=True)
class PageLine:
    """A span of text with its place on a page.

    Attributes:
        start: Start in the document's text.
        end: End in the document's text, exclusive.
        page: Page number, from 1.
        box: Box around the span; None if only the page is known.
        confidence: Confidence of optical character recognition in [0, 1]; None for text that was not recognised.
    """

    start: int
    end: int
    page: int
    box: Box | None = None
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class DocumentTree:
    """Blocks, links and page lines of a document, each ordered by start; blocks do not overlap."""

    blocks: tuple[Block, ...] = ()
    links: tuple[Link, ...] = ()
    lines: tuple[PageLine, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.blocks or self.links or self.lines)

    def blocks_between(self, start: int, end: int) -> Sequence[Block]:
        """Return the blocks that overlap the span."""
        first = bisect_right(self.blocks, start, key=lambda block: block.end)
        last = bisect_left(self.blocks, end, key=lambda block: block.start)
        return self.blocks[first:last]

    def page_lines(self, start: int, end: int) -> Sequence[PageLine]:
        """Return the page lines that overlap the span."""
        first = bisect_right(self.lines, start, key=lambda line: line.end)
        last = bisect_right(self.lines, end - 1, key=lambda line: line.start)
        return self.lines[first:last]

    def page_starts(self, start: int, end: int) -> tuple[tuple[int, int], ...]:
        """Return (offset, page) where each page of the span begins, the first at ``start``; () without pages."""
        starts: list[tuple[int, int]] = []
        for line in self.page_lines(start, end):
            if not starts or line.page != starts[-1][1]:
                starts.append((max(line.start, start) if starts else start, line.page))
        return tuple(starts)


NO_TREE = DocumentTree()
"""The tree of plain text."""


class HeadingPath:
    """The headings in force at increasing offsets of a document.

    Args:
        tree: the document's tree.
        title: the document's title; a top heading that repeats it is left out.
    """

    def __init__(self, tree: DocumentTree, title: str = "") -> None:
        self._title = _fold(title)
        self._starts: list[int] = []
        self._paths: list[tuple[str, ...]] = []
        path: list[tuple[int, str]] = []
        for block in tree.blocks:
            if block.kind is BlockKind.HEADING:
                path = [entry for entry in path if entry[0] < block.level]
                path.append((block.level, block.label))
                self._starts.append(block.start)
                self._paths.append(tuple(label for _, label in path if label and _fold(label) != self._title))

    def at(self, offset: int) -> tuple[str, ...]:
        """Return the headings above ``offset``, the outermost first; a heading that starts there is included."""
        place = bisect_right(self._starts, offset)
        return self._paths[place - 1] if place else ()


def tree_json(tree: DocumentTree) -> bytes:
    """Return the tree as JSON; equal trees give equal bytes on every machine."""
    columns = [[astuple(row) for row in rows] for rows in (tree.blocks, tree.links, tree.lines)]
    return json.dumps(columns, ensure_ascii=False, separators=(",", ":")).encode()


def pack_tree(tree: DocumentTree) -> bytes:
    """Return the tree as compressed JSON; b"" for an empty one."""
    return zlib.compress(tree_json(tree), 6) if tree else b""


def unpack_tree(data: bytes | None) -> DocumentTree:
    """Return the tree that `pack_tree` packed."""
    if not data:
        return NO_TREE
    blocks, links, lines = json.loads(zlib.decompress(data))
    return DocumentTree(
        tuple(Block(BlockKind(kind), *rest) for kind, *rest in blocks),
        tuple(Link(*row) for row in links),
        tuple(
            PageLine(start, end, page, tuple(box) if box else None, confidence)
            for start, end, page, box, confidence in lines
        ),
    )


def _fold(text: str) -> str:
    return " ".join(text.casefold().split())
