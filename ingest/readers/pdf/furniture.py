"""Remove the furniture of PDF pages: running heads, footers, page numbers, stamps, and tables of contents."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

from ingest.readers.pdf.columns import group_rows
from ingest.readers.pdf.pages import Page, Piece

WINDOW = 10
"""Pages before and after a page that are compared with it; running heads change with the chapter."""
EDGE_ROWS = 4
EDGE_SHARE = 0.13
"""Share of the page's height, at the top and at the bottom, where running heads and footers stand."""
MARGIN_SHARE = 0.1
SAME_PLACE = 4.0
SAME_TEXT = 0.7
LARGE_STAMP = 1.8
"""Least size of a stamp across the text, in sizes of the text."""
_PAGE_NUMBER = re.compile(
    r"[\W_]*(?:(?:page|seite|p\.|s\.|第)\s*)?(\d{1,5}|[ivxlcdm]{1,8})(?:\s*(?:of|/|von|／|共|页\s*[,，/]?\s*共)\s*\d{1,5})?"
    r"\s*页?[\W_]*",
    re.IGNORECASE,
)
_LABELLED = re.compile(r"\W*(?:page\s+\d+(?:\s+of\s+\d+)?|第\s*\d+\s*页.*|\d+\s*/\s*\d+)\W*", re.IGNORECASE)
_ROMAN = {"i": 1, "v": 5, "x": 10, "l": 50, "c": 100, "d": 500, "m": 1000}


@dataclass(slots=True)
class EdgeRow:
    """A row near the upper or lower edge of a page."""

    distance: float  # of its baseline from the edge
    size: float
    text: str
    key: str  # text with digits replaced
    numbers: tuple[int, ...]  # that may be the page's: the first and the last word
    lefts: tuple[float, ...]
    is_aligned: bool  # with the row further inside, as in a table
    pieces: list[Piece] = field(repr=False, default_factory=list)


@dataclass(slots=True)
class PageEdges:
    """Parts of a page that are compared between pages: the outer rows, turned text and large text."""

    page: int
    top: list[EdgeRow]
    bottom: list[EdgeRow]
    stamps: set[tuple[str, int, int]]


def find_edges(page: Page) -> PageEdges:
    """Return the outer rows of a page, the outermost first."""
    rows = group_rows(page.pieces)
    edges: list[list[EdgeRow]] = []
    for ordered in (rows, rows[::-1]):
        outer = []
        for number, row in enumerate(ordered[:EDGE_ROWS]):
            baseline, size = row[0].baseline, row[0].style.size
            distance = baseline if ordered is rows else page.frame.height - baseline
            if distance > EDGE_SHARE * page.frame.height:
                break
            text = " ".join(piece.text for piece in row)
            inner = ordered[number + 1] if number + 1 < len(ordered) else []
            outer.append(
                EdgeRow(
                    distance,
                    size,
                    text,
                    _key(text),
                    _numbers(text),
                    tuple(piece.left for piece in row),
                    len(row) > 1 and len(inner) > 1 and _is_aligned(row, inner),
                    row,
                )
            )
        edges.append(outer)
    sizes = [piece.style.size for piece in page.pieces]
    large = LARGE_STAMP * median(sizes) if sizes else 0.0
    stamps = {_stamp_key(p) for p in (*page.turned, *(p for p in page.pieces if p.style.size >= large))}
    return PageEdges(page.number, edges[0], edges[1], stamps)


def remove_furniture(page: Page, edges: PageEdges, others: Sequence[PageEdges], page_count: int) -> None:
    """Remove running heads, footers, page numbers and stamps from a page.

    Args:
        page: the page.
        edges: its edges.
        others: the edges of the pages around it.
        page_count: pages of the document.
    """
    gone: set[int] = set()
    for rows, other_rows in (
        (edges.top, [(other.page, other.top) for other in others]),
        (edges.bottom, [(other.page, other.bottom) for other in others]),
    ):
        for row in rows:
            if not _is_furniture(row, edges.page, other_rows, page_count):
                break
            gone.update(id(piece) for piece in row.pieces)
    enough = min(2, max(1, len(others)))
    stamps = {key for key in edges.stamps if sum(key in other.stamps for other in others) >= enough}
    page.pieces = [p for p in page.pieces if id(p) not in gone and _stamp_key(p) not in stamps]
    width = page.frame.width
    page.turned = [
        piece for piece in page.turned if _stamp_key(piece) not in stamps and not _is_in_margin(piece, page, width)
    ]


def _is_in_margin(piece: Piece, page: Page, width: float) -> bool:
    """Whether a turned piece stands in the left or right margin."""
    if piece.turn < 0:
        return False
    box = page.frame.displayed_box((piece.left, piece.top, piece.right, piece.bottom), piece.turn)
    return box[2] < MARGIN_SHARE * width or box[0] > (1 - MARGIN_SHARE) * width


def _is_furniture(row: EdgeRow, page: int, others: Sequence[tuple[int, list[EdgeRow]]], page_count: int) -> bool:
    same_place = [
        (number, other)
        for number, rows in others
        for other in rows
        if abs(other.distance - row.distance) <= SAME_PLACE and abs(other.size - row.size) <= 1
    ]
    in_sequence = sum(_in_sequence(row, page, other, number) for number, other in same_place)
    same_text = sum(_is_similar(row.key, other.key) for _, other in same_place)
    if match := _PAGE_NUMBER.fullmatch(row.text):
        is_own = page_count <= 2 and _number(match.group(1)) == page
        if in_sequence or is_own or _LABELLED.fullmatch(row.text):
            return True
    if row.is_aligned:
        return False
    if same_text >= min(2, max(1, page_count - 1)):
        return True
    # the running head of a short chapter: where other pages have theirs, with the page's number
    return in_sequence >= 2 or (len(same_place) >= 4 and _is_slot(same_place) and len(same_place) * 2 > len(others))


def _is_slot(rows: Sequence[tuple[int, EdgeRow]]) -> bool:
    """Whether most rows at a place are furniture, by their texts or their numbers."""
    marked = sum(
        any(row is not other and _are_furniture(row, page, other, number) for number, other in rows)
        for page, row in rows
    )
    return marked * 10 >= len(rows) * 7


def _are_furniture(row: EdgeRow, page: int, other: EdgeRow, other_page: int) -> bool:
    """Whether the rows of two pages have the same text, or the numbers of their pages."""
    return _is_similar(row.key, other.key) or _in_sequence(row, page, other, other_page)


def _in_sequence(row: EdgeRow, page: int, other: EdgeRow, other_page: int) -> bool:
    return any(n - m == other_page - page for n in other.numbers for m in row.numbers)


def _is_similar(key: str, other: str) -> bool:
    if key == other:
        return bool(key.strip("0 "))
    words, other_words = set(key.split()), set(other.split())
    if len(words) < 3:
        return False
    return len(words & other_words) >= SAME_TEXT * len(words | other_words)


def _is_aligned(row: Sequence[Piece], inner: Sequence[Piece]) -> bool:
    """Whether each piece begins where one of the row further inside does, as the cells of a table do."""
    return all(any(abs(piece.left - other.left) <= 3 for other in inner) for piece in row)


def _key(text: str) -> str:
    return re.sub(r"\d+", "0", " ".join(text.split()).casefold())


def _numbers(text: str) -> tuple[int, ...]:
    words = re.findall(r"\d{1,5}|[^\W\d_]+", text)
    return tuple({number for word in (words[:1] + words[-1:] if words else []) if (number := _number(word))})


def _number(word: str) -> int:
    """Return the value of an arabic or roman number, or 0."""
    if word.isdecimal():
        return int(word)
    values = [_ROMAN.get(char, 0) for char in word.lower()]
    if not all(values) or len(word) > 8:
        return 0
    return sum(-a if a < b else a for a, b in zip(values, [*values[1:], 0], strict=True))


def _stamp_key(piece: Piece) -> tuple[str, int, int]:
    return _key(piece.text), round(piece.left / 6), round(piece.baseline / 6)
