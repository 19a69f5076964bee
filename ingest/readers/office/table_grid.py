"""Rows of tables with merged cells: each cell is repeated where it spans, and the header is recognised."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from ingest.readers.tree_builder import TreeBuilder

MAX_SPAN = 256
"""Maximum number of columns over which a merged cell is repeated; larger spans come from whole merged rows."""
MAX_NAME_CHARS = 80
_YEAR = re.compile(r"(?:19|20)\d\d(?:[\s/-]+[^\W\d]\w*)?")
_NUMBER = re.compile(r"[-+−(]?[^\w\s]{0,3}\s*\d[\d.,:/\s%-]*\W{0,3}[^\W\d]{0,3}\)?")


@dataclass(slots=True)
class Cell:
    """A cell of a table.

    Attributes:
        text: Its text, on one line.
        columns: Number of columns that it covers.
        rows: Number of rows that it covers.
        continues: Whether it continues the cell above it.
        is_bold: Whether all its text is bold.
    """

    text: str
    columns: int = 1
    rows: int = 1
    continues: bool = False
    is_bold: bool = False


def expand_cells(rows: Iterable[Sequence[Cell]]) -> list[list[Cell]]:
    """Return the rows with one cell for each column; a merged cell is in each row and column that it covers."""
    grid: list[list[Cell]] = []
    pending: dict[int, tuple[Cell, int]] = {}  # by column: a cell that spans rows, and the number of rows left
    for cells in rows:
        line: list[Cell] = []
        following: dict[int, tuple[Cell, int]] = {}
        for cell in cells:
            _repeat_from_above(line, pending, following)
            for _ in range(min(max(cell.columns, 1), MAX_SPAN)):
                column = len(line)
                if cell.rows > 1:
                    following[column] = (cell, cell.rows - 1)
                is_below = cell.continues and grid and column < len(grid[-1])
                line.append(grid[-1][column] if is_below else cell)
        _repeat_from_above(line, pending, following)
        pending = following
        grid.append(line)
    return grid


def _repeat_from_above(
    line: list[Cell], pending: dict[int, tuple[Cell, int]], following: dict[int, tuple[Cell, int]]
) -> None:
    """Continue a row with the cells of earlier rows that reach into its next columns."""
    while len(line) in pending:
        cell, left = pending[len(line)]
        if left > 1:
            following[len(line)] = (cell, left - 1)
        line.append(cell)


def join_headers(rows: Sequence[Sequence[Cell]]) -> list[str]:
    """Return the names of the columns from the header rows: "2024 Q1" from a merged "2024" above "Q1"."""
    width = max((len(row) for row in rows), default=0)
    names = []
    for column in range(width):
        parts = [row[column].text for row in rows if column < len(row)]
        names.append(" ".join(dict.fromkeys(part for part in parts if part)))
    return names


def count_header_rows(rows: Sequence[Sequence[Cell]]) -> int:
    """Return the number of rows at the top that name the columns, at most 3; more than one only below merged cells."""
    depth = 1
    while depth < min(3, len(rows) - 1) and any(left is right for left, right in pairwise(rows[depth - 1])):
        depth += 1
    for count in range(depth, 0, -1):
        if count > 1 and _is_body(rows[count - 1], rows[count]):
            continue
        is_bold = all(cell.is_bold for row in rows[:count] for cell in row if cell.text)
        names = [Cell(name, is_bold=is_bold) for name in join_headers(rows[:count])]
        for column in range(1, len(names)):  # a merged name counts once
            if all(column < len(row) and row[column] is row[column - 1] for row in rows[:count]):
                names[column] = names[column - 1]
        if _is_header(names, rows[count:]):
            return count
    return 0


def _is_body(row: Sequence[Cell], below: Sequence[Cell]) -> bool:
    """Whether a row below the first holds values: a number other than a year, or a cell that reaches further down."""
    has_number = any(is_number(cell.text) and not _YEAR.fullmatch(cell.text) for cell in row)
    return has_number or any(cell is other and cell.text for cell, other in zip(row, below, strict=False))


def _is_header(names: Sequence[Cell], body: Sequence[Sequence[Cell]]) -> bool:
    """Whether a row names the columns of the rows below it."""
    texts = [cell.text for cell in names if cell.text]
    if (
        not body
        or len(names) < 2
        or not texts
        or len(set(texts)) < len({id(cell) for cell in names if cell.text})
        or max(map(len, texts)) > MAX_NAME_CHARS
    ):
        return False
    is_bold = all(cell.is_bold for cell in names if cell.text)
    has_years = any(_YEAR.fullmatch(text) for text in texts)
    if len(texts) < max(2, len(names) - 1) and not is_bold:
        return False
    if any(is_number(text) and not _YEAR.fullmatch(text) for text in texts):
        return False
    rows = body[:20]
    if is_bold and not all(row[0].is_bold for row in rows if row and row[0].text):
        return True
    if len(names) == 2:  # a form has a label on the left and its value on the right
        labels = [names[0], *(row[0] for row in rows if row)]
        values = [names[1], *(row[1] for row in rows if len(row) > 1)]
        if all(cell.text.endswith((":", "：")) for cell in labels if cell.text):
            return False
        if all(cell.is_bold for cell in labels if cell.text) and not any(cell.is_bold for cell in values if cell.text):
            return False
    return not has_years or any(is_number(cell.text) for row in rows for cell in row if cell.text)


def is_number(text: str) -> bool:
    """Whether a cell is a number, an amount, a percentage or a date."""
    return bool(_NUMBER.fullmatch(text.strip()))


def add_grid(builder: TreeBuilder, rows: Sequence[Sequence[Cell]], header_rows: int | None = None) -> Sequence[str]:
    """Add the rows of a table, as `expand_cells` returns them, to a document, and return the names of its columns.

    Args:
        builder: the document.
        rows: the rows; a first row that is one cell is the caption, a later one is a row by itself.
        header_rows: number of rows at the top that name the columns; None to detect it.
    """
    rows = [row for row in rows if any(cell.text for cell in row)]
    while len(rows) > 1 and _is_one_cell(rows[0]):
        builder.add_caption(rows[0][0].text)
        rows, header_rows = rows[1:], max(header_rows - 1, 0) if header_rows else header_rows
    count = count_header_rows(rows) if header_rows is None else header_rows
    count = 0 if count >= len(rows) else count
    header = join_headers(rows[:count])
    for row in rows[count:]:
        add_grid_row(builder, row, header)
    return header


def add_grid_row(builder: TreeBuilder, row: Sequence[Cell], header: Sequence[str]) -> None:
    """Add a row below the named columns; a cell that covers the whole row is given once, without a name."""
    if _is_one_cell(row) or not header:
        builder.add_row([cell.text for number, cell in enumerate(row) if not number or cell is not row[number - 1]])
    else:
        builder.add_row([cell.text for cell in row], header)


def _is_one_cell(row: Sequence[Cell]) -> bool:
    """Whether a merged cell covers the whole row."""
    return len(row) > 1 and all(cell is row[0] for cell in row)
