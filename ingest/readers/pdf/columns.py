"""Find the reading order of a PDF page: lines of text, column by column."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from ingest.readers.pdf.examples import MIN_GUTTER, split_examples
from ingest.readers.pdf.geometry import union_box
from ingest.readers.pdf.pages import MAX_PIECE_GAP, MIN_WORD_GAP, Piece, Style
from ingest.readers.pdf.text import clean_line, is_cjk
from kgrag.tree import Box

MIN_COLUMN_LINES = 5
"""Fewest lines of a column of text."""
MIN_FILLED = 0.6
"""Least median width of the lines of a column, as a share of the column; the cells of a table are shorter."""
MAX_CROSSING = 0.3
"""Most lines across a gutter, as a share of the lines of the shorter column."""


@dataclass(slots=True)
class Line:
    """A line of text in a column of a page; the column's edges are those of its widest lines."""

    pieces: list[Piece]
    page: int
    column_left: float = 0.0
    column_right: float = 0.0

    @property
    def left(self) -> float:
        return self.pieces[0].left

    @property
    def right(self) -> float:
        return max(piece.right for piece in self.pieces)

    @property
    def baseline(self) -> float:
        return max(self.pieces, key=lambda piece: len(piece.text)).baseline

    @property
    def box(self) -> Box:
        return union_box((piece.left, piece.top, piece.right, piece.bottom) for piece in self.pieces)

    @property
    def style(self) -> Style:
        """Style of its longest piece; bold or monospaced only if all of it is."""
        size = max(self.pieces, key=lambda piece: len(piece.text)).style.size
        styles = [piece.style for piece in self.pieces if any(char.isalnum() for char in piece.text)]
        return Style(
            size,
            bool(styles) and all(style.is_bold for style in styles),
            bool(styles) and all(style.is_mono for style in styles),
        )

    @property
    def text(self) -> str:
        """Text with single spaces."""
        parts: list[str] = []
        for piece in self.pieces:
            if parts and not (is_cjk(parts[-1][-1:]) and is_cjk(piece.text)):
                parts.append(" ")
            parts.append(piece.text)
        return clean_line(" ".join("".join(parts).split()))


def group_rows(pieces: Sequence[Piece]) -> list[list[Piece]]:
    """Return the pieces of each baseline from left to right, from the top down."""
    rows: list[list[Piece]] = []
    for piece in sorted(pieces, key=lambda piece: (piece.baseline, piece.left)):
        for row in rows[:-4:-1]:
            if _is_same_row(row, piece):
                row.append(piece)
                break
        else:
            rows.append([piece])
    for row in rows:
        row.sort(key=lambda piece: piece.left)
    return sorted(rows, key=lambda row: max(row, key=lambda piece: len(piece.text)).baseline)


def merge_pieces(pieces: Sequence[Piece]) -> list[Piece]:
    """Return the pieces with those of one word or sentence on the same baseline joined, such as "L", "A" and "TEX"."""
    merged: list[Piece] = []
    for row in group_rows(pieces):
        last: Piece | None = None
        for piece in row:
            gap = (piece.left - last.right) / max(piece.style.size, last.style.size) if last else 0.0
            if last is None or piece.table or last.table or not -0.6 < gap < MAX_PIECE_GAP:
                merged.append(piece)
                last = piece
                continue
            is_cjk_pair = is_cjk(last.text[-1:]) and is_cjk(piece.text)
            if gap > (0.8 if is_cjk_pair else MIN_WORD_GAP):
                last.text += " "
                last.lefts = [*last.lefts, last.right]
            if len(piece.text) > len(last.text):
                last.baseline, last.style = piece.baseline, piece.style
            elif last.style != piece.style:
                is_bold = last.style.is_bold and piece.style.is_bold
                last.style = Style(last.style.size, is_bold, last.style.is_mono and piece.style.is_mono)
            last.text += piece.text
            last.lefts = [*last.lefts, *piece.lefts]
            last.right = max(last.right, piece.right)
    return merged


def _is_same_row(row: list[Piece], piece: Piece) -> bool:
    for other in row:
        small, large = sorted((piece, other), key=lambda p: p.style.size)
        if abs(piece.baseline - other.baseline) <= 0.25 * small.style.size:
            return True
        # an index or an exponent whose text was not set next to its base
        middle = small.baseline - 0.3 * small.style.size
        gap = max(small.left - large.right, large.left - small.right)
        if small.style.size <= 0.85 * large.style.size and large.top < middle < large.bottom and gap < large.style.size:
            return True
    return False


def order_columns(pieces: Sequence[Piece]) -> list[list[list[Piece]]]:
    """Return regions of rows in reading order; text across columns is a region between those of the columns."""
    rows = group_rows(pieces)
    gutter = _find_gutter(pieces)
    if gutter is None:
        return split_examples(rows)
    regions: list[list[list[Piece]]] = []
    bands: list[tuple[bool, list[list[Piece]]]] = []
    for row in rows:
        is_across = any(piece.left < gutter - 1 and piece.right > gutter + 1 for piece in row)
        if not bands or bands[-1][0] != is_across:
            bands.append((is_across, []))
        bands[-1][1].append(row)
    for is_across, band in bands:
        if is_across:
            regions += split_examples(band)
            continue
        band_pieces = [piece for row in band for piece in row]
        left = [piece for piece in band_pieces if piece.right <= gutter + 1]
        right = [piece for piece in band_pieces if piece.right > gutter + 1]
        regions += [*order_columns(left), *order_columns(right)]
    return regions


def _find_gutter(pieces: Sequence[Piece]) -> float | None:
    """Return the x of an empty strip between two columns of text, or None."""
    pieces = [piece for piece in pieces if piece.table is None]
    if len(pieces) < 2 * MIN_COLUMN_LINES:
        return None
    start, end = int(min(p.left for p in pieces)), int(max(p.right for p in pieces)) + 1
    width = end - start
    if width < 100:
        return None
    cover = [0] * (width + 2)
    for piece in pieces:
        cover[max(0, int(piece.left) - start)] += 1
        cover[min(width + 1, int(piece.right) - start + 1)] -= 1
    total = 0
    for place, change in enumerate(cover):
        total += change
        cover[place] = total
    low, high = width * 15 // 100, width * 85 // 100
    for count in sorted(set(cover[low:high]))[:4]:
        if count * 2 > len(pieces) * MAX_CROSSING:
            break
        for first, last in _strips(cover, low, high, count):
            if last - first + 1 >= MIN_GUTTER and _has_columns(pieces, start + (first + last + 1) / 2, start, end):
                return start + (first + last + 1) / 2
    return None


def _strips(cover: Sequence[int], low: int, high: int, count: int) -> list[tuple[int, int]]:
    """Return the intervals with at most ``count`` pieces, the widest first."""
    strips, first = [], -1
    for place in range(low, high + 1):
        if cover[place] <= count and place < high:
            first = place if first < 0 else first
        elif first >= 0:
            strips.append((first, place - 1))
            first = -1
    return sorted(strips, key=lambda strip: strip[0] - strip[1])[:5]


def _has_columns(pieces: Sequence[Piece], gutter: float, start: float, end: float) -> bool:
    sides: list[list[Piece]] = [[], []]
    crossing = 0
    for piece in pieces:
        if piece.right <= gutter + 1:
            sides[0].append(piece)
        elif piece.left >= gutter - 1:
            sides[1].append(piece)
        else:
            crossing += 1
    fewest = 10**9
    for side, limits in zip(sides, ((start, gutter), (gutter, end)), strict=True):
        rows = group_rows(side)
        if len(rows) < MIN_COLUMN_LINES:
            return False
        widths = [max(p.right for p in row) - row[0].left for row in rows]
        words = [sum(len(p.text) for p in row) for row in rows]
        if median(widths) < MIN_FILLED * (limits[1] - limits[0]) or median(words) < 10:
            return False
        fewest = min(fewest, len(rows))
    return crossing <= MAX_CROSSING * fewest * 2


def make_lines(rows: Sequence[list[Piece]], page: int) -> list[Line]:
    """Return the lines of a region."""
    if not rows:
        return []
    left, right = min(row[0].left for row in rows), max(piece.right for row in rows for piece in row)
    return [Line(row, page, left, right) for row in rows]
