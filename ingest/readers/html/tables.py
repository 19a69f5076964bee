"""Read the tables of a page: the grid of their cells, merged cells repeated, with header and caption."""

from __future__ import annotations

from dataclasses import dataclass

from ingest.readers.html.parser import Element
from ingest.readers.html.text import block_texts, plain_text, text_length
from ingest.readers.tree_builder import TreeBuilder

MAX_SPAN = 1000
"""Rows or columns that a merged cell covers at most, as in browsers."""
MAX_GRID_CELLS = 100_000
"""Cells of one table, repeated ones included, beyond which merged cells are no longer repeated."""
MAX_COLUMNS = 1000
"""Columns that merged cells reach at most."""
_MAX_CELL_CHARS = 2000
_MAX_REPEATED_CHARS = 200
_PAGE_PARTS = ("main", "article", "nav", "h1")
_STRUCTURE = ("h2", "h3", "h4", "pre", "dl")


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of a table: its text, and whether it names a column or a row."""

    text: str = ""
    is_header: bool = False


def is_data_table(table: Element) -> bool:
    """Whether a table holds data in rows and columns, not the layout of a page or a box around text."""
    if table.get("role") in ("presentation", "none") or next(table.iter(*_PAGE_PARTS), None) is not None:
        return False
    if any(inner is not table for inner in table.iter("table")):
        return False
    rows = [[cell for cell in row if cell.tag in ("td", "th")] for row in _rows(table)]
    columns = max((sum(map(_has_text, cells)) for cells in rows), default=0)
    if columns < 2 and not (columns == 1 and len(rows) > 2 and next(table.iter("thead"), None) is not None):
        return False
    has_long_cell = any(text_length(cell) > _MAX_CELL_CHARS for cells in rows for cell in cells)
    is_stated = next(table.iter("thead", "caption", "th"), None) is not None
    if next(table.iter(*_STRUCTURE), None) is not None or not is_stated:
        has_lists = not is_stated and next(table.iter("ul", "ol"), None) is not None
        return len(rows) > 1 and not has_long_cell and not has_lists
    return True


def add_table(table: Element, builder: TreeBuilder) -> None:
    """Add the caption and the rows of a data table; cells of one row keep their columns."""
    for caption in table.iter("caption"):
        builder.add_caption(plain_text(caption))
    rows = _rows(table)
    if all(len(row) < 2 for row in rows):
        for row in rows:
            builder.add_row([text for cell in row for text in block_texts(cell)])
        return
    grid = _grid(rows)
    header_count = _count_header_rows(rows, grid)
    header = _merge_headers(grid[:header_count])
    for number, cells in enumerate(grid[header_count:], header_count):
        texts = [cell.text for cell in cells]
        if len(set(texts)) == 1 and len(texts) > 1:  # a heading inside the table, across all columns
            builder.add_row(texts[:1])
        elif all(cell.is_header for cell in cells) and len(cells) > 1 and number:
            header = _merge_headers([cells])
        elif not header and len(cells) == 2 and cells[0].is_header:
            builder.add_row(texts[1:], texts[:1])
        else:
            builder.add_row(texts, header)
    if header_count == len(grid):
        for cells in grid:
            builder.add_row([cell.text for cell in cells])


def _rows(table: Element) -> list[Element]:
    return [row for row in table.iter("tr") if next(row.iterancestors("table"), table) is table]


def _has_text(element: Element) -> bool:
    return any(not text.isspace() for text in element.itertext())


def _span(cell: Element, name: str) -> int:
    value = (cell.get(name) or "1").strip()
    if not value.isdecimal() or len(value) > 6:
        return 1
    return min(int(value), MAX_SPAN) or (MAX_SPAN if name == "rowspan" else 1)  # 0: to the last row


def _grid(rows: list[Element]) -> list[list[Cell]]:
    """Return the cells of each row by column; a merged cell is repeated in all places that it covers."""
    grid: list[list[Cell]] = []
    covered: dict[int, tuple[int, Cell]] = {}  # column to the rows that a cell above still covers
    group, count = None, 0
    for row in rows:
        if row.getparent() is not group:
            group, covered = row.getparent(), {}
        elements = [element for element in row if element.tag in ("td", "th")]
        if count >= MAX_GRID_CELLS:
            covered = {}
        cells, covered = _place_cells(elements, covered, are_merged=count < MAX_GRID_CELLS)
        count += len(cells)
        if any(cell.text for cell in cells):
            grid.append(cells)
    return grid


def _place_cells(
    elements: list[Element], covered: dict[int, tuple[int, Cell]], are_merged: bool
) -> tuple[list[Cell], dict[int, tuple[int, Cell]]]:
    """Return the cells of a row, and what they cover in the rows below."""
    cells: list[Cell] = []
    still_covered = {column: (left - 1, cell) for column, (left, cell) in covered.items() if left > 1}

    def fill_covered() -> None:
        while len(cells) in covered:
            cells.append(covered[len(cells)][1])

    for element in elements:
        fill_covered()
        cell = Cell(plain_text(element), element.tag == "th" or _is_bold(element))
        repeated = cell if len(cell.text) <= _MAX_REPEATED_CHARS else Cell("", cell.is_header)
        columns, height = (_span(element, "colspan"), _span(element, "rowspan")) if are_merged else (1, 1)
        for number in range(max(1, min(columns, MAX_COLUMNS - len(cells)))):
            if height > 1:
                still_covered[len(cells)] = (height - 1, repeated)
            cells.append(repeated if number else cell)
    fill_covered()
    return cells, still_covered


def _is_bold(cell: Element) -> bool:
    """Whether all text of a cell is bold."""
    if (cell.text or "").strip() or len(cell) != 1:
        return False
    child = cell[0]
    return child.tag in ("b", "strong") and not (child.tail or "").strip()


def _count_header_rows(rows: list[Element], grid: list[list[Cell]]) -> int:
    """Return the number of rows at the start that name the columns."""
    in_head = sum(1 for row in rows if getattr(row.getparent(), "tag", "") == "thead" and _has_text(row))
    if in_head:
        return min(in_head, len(grid))
    count = 0
    for cells in grid:
        texts = {cell.text for cell in cells}
        if len(texts) < 2 or not all(cell.is_header or not cell.text for cell in cells):
            break
        count += 1
    return count if count < len(grid) else min(count, 1)


def _merge_headers(rows: list[list[Cell]]) -> list[str]:
    """Return the name of each column: the different texts of the header rows from top to bottom."""
    names: list[str] = []
    for column in range(max(map(len, rows), default=0)):
        texts = [row[column].text for row in rows if column < len(row) and row[column].text]
        names.append(" ".join(dict.fromkeys(texts)))
    return names
