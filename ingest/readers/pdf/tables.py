"""Find the tables of a PDF page: grids of rules, and columns of aligned text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from statistics import median

from ingest.readers.pdf.geometry import Rule, Table, union_box
from ingest.readers.pdf.pages import Piece
from ingest.readers.pdf.text import clean_line, is_cjk

MIN_ROWS = 3
"""Fewest rows with two or more cells in a table without a grid."""
MAX_ROW_GAP = 2.6
"""Widest distance between baselines in a table without a grid, in font sizes."""
ALIGNED = 2.5
_MARKER = re.compile(
    r"[•◦▪–‣∙○●■□➢✓*·-]|\(?(?:\d{1,2}|[a-z]|[ivx]+)[.)]|\[\d+\]|[①-⑳]|（?[一二三四五六七八九十\d]+[）、]"
)
_NUMBER = re.compile(r"[-+−–(]?[$€£¥]?\s?\d[\d\s.,:/%-]*\)?\s?[%a-zA-Z°€$]{0,4}")
Row = list[Piece]


def find_columns_table(rows: Sequence[Row], first: int, rules: Sequence[Rule]) -> tuple[Table, int] | None:
    """Return the table whose aligned columns begin at a row, and the number of the row after it; None without one."""
    if len(rows[first]) < 2 or not _can_be_row(rows[first]):
        return None
    end = first + 1
    while end < len(rows) and (_can_be_row(rows[end]) or len(rows[end]) > 1) and _row_gap(rows, end) <= MAX_ROW_GAP:
        end += 1
    while end > first and len(rows[end - 1]) < 2 and not _is_under_cell(rows[end - 1], rows[first:end]):
        end -= 1
    while end - first >= 2:
        columns = _columns(rows[first:end])
        fitting = _fitting_count(rows[first:end], columns)
        if fitting == end - first:
            break
        end = first + fitting
    block = rows[first:end]
    full = [row for row in block if len(row) >= 2]
    if len(full) < (MIN_ROWS if len(columns := _columns(block)) == 2 else 2) or len(columns) < 2:
        return None
    if not _is_aligned(full, columns) or all(_MARKER.fullmatch(row[0].text) for row in full):
        return None
    return _build_table(block, columns, rules), end


def _can_be_row(row: Row) -> bool:
    return not any(piece.table for piece in row) and not all(piece.style.is_mono for piece in row)


def _row_gap(rows: Sequence[Row], number: int) -> float:
    size = max(piece.style.size for piece in rows[number])
    return (rows[number][0].baseline - rows[number - 1][0].baseline) / size


def _is_under_cell(row: Row, rows: Sequence[Row]) -> bool:
    """Whether a row of one piece continues a cell: it begins at the left edge of a column that is not the first."""
    first_left = min(other[0].left for other in rows)
    lefts = [piece.left for other in rows if len(other) > 1 for piece in other[1:]]
    return row[0].left > first_left + ALIGNED and any(abs(row[0].left - left) <= ALIGNED for left in lefts)


def _columns(rows: Sequence[Row]) -> list[tuple[float, float]]:
    """Return the intervals of x that are covered by pieces; a few pieces across columns do not join them."""
    full = [row for row in rows if len(row) >= 2]
    events = sorted(
        [(piece.left, 1) for row in full for piece in row] + [(piece.right, -1) for row in full for piece in row]
    )
    allowed = len(full) // 8
    columns: list[tuple[float, float]] = []
    depth, start = 0, 0.0
    for x, change in events:
        if change > 0 and depth == allowed:
            start = x
        depth += change
        if change < 0 and depth == allowed and x > start:
            columns.append((start, x))
    merged: list[tuple[float, float]] = []
    for left, right in columns:
        if merged and left - merged[-1][1] < 3:
            merged[-1] = (merged[-1][0], right)
        else:
            merged.append((left, right))
    return merged


def _covered(piece: Piece, columns: Sequence[tuple[float, float]]) -> list[int]:
    """Return the columns that a piece overlaps, or the nearest one."""
    found = [n for n, (left, right) in enumerate(columns) if min(piece.right, right) - max(piece.left, left) > 1]
    middle = (piece.left + piece.right) / 2
    return found or [min(range(len(columns)), key=lambda n: abs(sum(columns[n]) / 2 - middle))]


def _fitting_count(rows: Sequence[Row], columns: Sequence[tuple[float, float]]) -> int:
    """Return how many rows fit the columns before the first that does not: text across columns without neighbours."""
    if len(columns) < 2:
        return 0
    for number, row in enumerate(rows):
        is_text = len(row) == 1 and (len(_covered(row[0], columns)) > 1 or row[0].left < columns[0][0] - ALIGNED)
        is_first_cell = len(row) == 1 and number and _covered(row[0], columns) == [0] and len(columns) == 2
        if is_text or is_first_cell:
            return number
    return len(rows)


def _is_aligned(rows: Sequence[Row], columns: Sequence[tuple[float, float]]) -> bool:
    """Whether the cells of every column share their left edges, right edges or middles."""
    for number in range(len(columns)):
        cells = [piece for row in rows for piece in row if _covered(piece, columns) == [number]]
        if len(cells) < 2:
            continue
        edges = ([c.left for c in cells], [c.right for c in cells], [(c.left + c.right) / 2 for c in cells])
        best = max(sum(abs(value - median(values)) <= ALIGNED for value in values) for values in edges)
        if best < 0.6 * len(cells):
            return False
    return True


def _build_table(rows: Sequence[Row], columns: Sequence[tuple[float, float]], rules: Sequence[Rule]) -> Table:
    cells: list[list[list[Piece]]] = []
    gaps = [b[0].baseline - a[0].baseline for a, b in pairwise(rows) if _covered(b[0], columns)[0] == 0]
    usual_gap = median(gaps) if gaps else 0.0
    split = _header_end(rows, rules)
    for number, row in enumerate(rows):
        placed: list[list[Piece]] = [[] for _ in columns]
        for piece in row:
            for column in _covered(piece, columns):
                placed[column].append(piece)
        filled = sum(map(bool, placed))
        gap = row[0].baseline - rows[number - 1][0].baseline if number else 0.0
        is_rest = not placed[0] and (filled == 1 or gap < 0.9 * usual_gap) and number != split
        if number and (is_rest or number < split):
            for column, pieces in enumerate(placed):
                cells[-1][column] += pieces
        else:
            cells.append(placed)
    texts = [[join_cell(cell) for cell in row] for row in cells]
    boxes = [union_box((p.left, p.top, p.right, p.bottom) for cell in row for p in cell) for row in cells]
    is_bold = all(piece.style.is_bold for cell in cells[0] for piece in cell)
    others_bold = all(piece.style.is_bold for cell in cells[-1] for piece in cell)
    return make_table(texts, boxes, [left for left, _ in columns], split > 0 or (is_bold and not others_bold))


def _header_end(rows: Sequence[Row], rules: Sequence[Rule]) -> int:
    """Return the number of rows above the first rule inside a table, if they are its header, else 0."""
    left, right = min(row[0].left for row in rows), max(piece.right for row in rows for piece in row)
    inside = sorted(
        rule.place
        for rule in rules
        if rule.is_horizontal
        and rows[0][0].baseline <= rule.place <= rows[-1][0].top
        and min(rule.end, right) - max(rule.start, left) > 0.6 * (right - left)
    )
    if not inside:
        return 0
    above = sum(row[0].baseline <= inside[0] for row in rows)
    return above if above <= 3 and above * 2 <= len(rows) else 0


def make_table(
    texts: list[list[str]], boxes: list[tuple[float, float, float, float]], lefts: list[float], is_headed: bool
) -> Table:
    """Return a table; its first row becomes the header if it is marked as one or differs from the rows below.

    A first row of one cell across all columns is no header.
    """
    filled = [cell for cell in texts[0] if cell]
    first_is_names = len(filled) >= 2 and not any(_NUMBER.fullmatch(cell) for cell in filled)
    first_is_names = first_is_names and max(map(len, filled)) <= 60 and len(set(filled)) > 1
    first_is_names = first_is_names and all(sum(map(str.isalpha, cell)) >= 2 and cell[0].isalnum() for cell in filled)
    is_header = len(texts) > 1 and (is_headed or (first_is_names and _differs(texts)))
    if not is_header:
        return Table([], texts, boxes, lefts)
    return Table(texts[0], texts[1:], boxes[1:], lefts)


def _differs(texts: Sequence[Sequence[str]]) -> bool:
    """Whether some column has numbers, or much longer cells, below its first row."""
    for column, name in enumerate(texts[0]):
        cells = [row[column] for row in texts[1:] if row[column]]
        if cells and name and sum(bool(_NUMBER.fullmatch(cell)) for cell in cells) * 2 >= len(cells):
            return True
        if cells and name and median(map(len, cells)) > max(20, 4 * len(name)):
            return True
    return False


def join_cell(pieces: Sequence[Piece]) -> str:
    """Return the text of a cell: its pieces from the top down, each line from left to right."""
    text = ""
    for piece in sorted(pieces, key=lambda piece: (round(piece.baseline / 3), piece.left)):
        if text.endswith("\xad") or (text.endswith("-") and piece.text[:1].islower() and text[-2:-1].islower()):
            text = text[:-1] + piece.text
        elif text and not (is_cjk(text[-1]) and is_cjk(piece.text)):
            text += " " + piece.text
        else:
            text += piece.text
    return clean_line(" ".join(text.split()))
