"""Add the tables of a sheet to a document row by row, with the memory of a few rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ingest.readers.office.table_grid import Cell, add_grid, add_grid_row
from ingest.readers.tree_builder import TreeBuilder

LOOKAHEAD_ROWS = 50
"""Number of rows from which the columns and the header of a table are recognised."""


class TableStream:
    """Tables of a sheet, which blank rows separate.

    Args:
        builder: the document to which rows are added.
    """

    def __init__(self, builder: TreeBuilder) -> None:
        self._builder = builder
        self._waiting: list[dict[int, Cell]] = []
        self._header_rows: int | None = None
        self._columns: list[int] | None = None
        self._header: Sequence[str] = ()

    def add_row(self, cells: Mapping[int, Cell]) -> None:
        """Add a row: its cells by their column numbers; a blank row ends the table."""
        filled = {column: cell for column, cell in cells.items() if cell.text}
        if not filled:
            self.end_table()
        elif self._columns is not None:
            add_grid_row(self._builder, self._in_columns(filled, self._columns), self._header)
        else:
            self._waiting.append(filled)
            if len(self._waiting) == LOOKAHEAD_ROWS:
                self._begin_table()

    def start_table(self, header_rows: int) -> None:
        """End the table before, and begin one with a known number of header rows."""
        self.end_table()
        self._header_rows = header_rows

    def end_table(self) -> None:
        """Add the rows that wait; the next row begins another table."""
        self._begin_table()
        self._columns, self._header, self._header_rows = None, (), None

    def _begin_table(self) -> None:
        rows, self._waiting = self._waiting, []
        is_title = self._header_rows is None
        while is_title and len(rows) > 1 and len(rows[0]) == 1 and len(rows[1]) > 1:
            self._builder.add_caption(next(iter(rows.pop(0).values())).text)
        if rows:
            self._columns = sorted(set().union(*rows))
            grid = [self._in_columns(row, self._columns) for row in rows]
            self._header = add_grid(self._builder, grid, self._header_rows)

    def _in_columns(self, row: Mapping[int, Cell], columns: Sequence[int]) -> list[Cell]:
        """Return a cell for each column, and then those of columns that the first rows do not have."""
        known = set(columns)
        return [row.get(column, _BLANK) for column in columns] + [row[c] for c in sorted(row) if c not in known]


_BLANK = Cell("")
