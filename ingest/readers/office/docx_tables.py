"""Grids of the tables of Word documents."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from ingest.readers.office.table_grid import Cell, expand_cells
from ingest.readers.office.xml_elements import Element, attribute, child, is_on, tag_of, value_of

CellReader = Callable[[Element], tuple[str, bool]]
"""Returns the text of a cell and whether it is bold."""


def read_grid(table: Element, rows: Sequence[Element], read_cell: CellReader) -> tuple[list[list[Cell]], int | None]:
    """Return the rows with one cell for each column, and the number of header rows, or None if it is not stated."""
    header_rows = 0
    for row in rows:
        if not is_on(row, "trPr", "tblHeader"):
            break
        header_rows += 1
    grid = expand_cells([_read_row(row, read_cell) for row in rows])
    if header_rows:
        return grid, header_rows
    return grid, None if _first_row_can_be_header(table) else 0


def _first_row_can_be_header(table: Element) -> bool:
    """Whether the table's look does not exclude a header row."""
    look = child(table, "tblPr", "tblLook")
    if look is None:
        return True
    first_row, bits = attribute(look, "firstRow"), attribute(look, "val")
    if first_row:
        return first_row not in ("0", "false")
    try:
        return not bits or bool(int(bits, 16) & 0x20)
    except ValueError:
        return True


def _read_row(row: Element, read_cell: CellReader) -> list[Cell]:
    cells = [Cell("") for _ in range(_count(value_of(row, "trPr", "gridBefore"), 0))]
    for element in _cells(row):
        merge = child(element, "tcPr", "vMerge")
        is_continued = merge is not None and attribute(merge, "val", "continue") == "continue"
        if value_of(element, "tcPr", "hMerge") == "continue" and cells:
            cells[-1].columns += 1
            continue
        text, is_bold = ("", False) if is_continued else read_cell(element)
        cells.append(Cell(text, _count(value_of(element, "tcPr", "gridSpan"), 1), 1, is_continued, is_bold))
    return cells


def _cells(row: Element) -> Iterator[Element]:
    """Yield the cells of a row, without deleted ones."""
    for element in row:
        if tag_of(element) == "tc":
            if child(element, "tcPr", "cellDel") is None:
                yield element
        elif tag_of(element) in ("sdt", "customXml"):
            content = child(element, "sdtContent")
            yield from _cells(element if content is None else content)


def _count(text: str, default: int) -> int:
    return int(text) if text.isdecimal() else default
