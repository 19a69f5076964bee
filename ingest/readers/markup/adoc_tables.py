"""Parse the tables of AsciiDoc."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence

_CELL = re.compile(
    r"(?:(?<=\s)|^)(?:(?P<repeat>\d+)\*|(?P<columns>\d+)?(?:\.(?P<rows>\d+))?\+)?(?:\.?[<^>]){0,2}[adehlmsv]?(?<!\\)\|",
    re.MULTILINE,
)
MAX_COLUMNS = 1000
MAX_SPAN = 1000


def parse_adoc_table(lines: Sequence[str], style: str, separator: str) -> tuple[list[str], list[list[str]]]:
    """Return the header and the rows of a table; a merged cell is repeated in each row and column that it covers.

    Args:
        lines: lines between the delimiters.
        style: attributes above the table, as in ``cols="1,2", options="header"``.
        separator: ``|``, or ``,`` and ``:`` for tables of separated values, or ``!`` for tables inside tables.
    """
    lines = [line for line in lines if not re.match(r"//(?!/)", line)]
    first_blank = next((number for number, line in enumerate(lines) if not line.strip()), len(lines))
    has_header = "header" in style or ("noheader" not in style and first_blank == 1 and len(lines) > 2)
    if separator in ",:" or "format=" in style:
        delimiter = "\t" if "tsv" in style else ":" if separator == ":" else ","
        rows = [row for row in csv.reader(lines, delimiter=delimiter) if any(row)]
    else:
        rows = _read_cells("\n".join(lines).replace("!", "|") if separator == "!" else "\n".join(lines), style)
    if has_header and rows:
        return rows[0], rows[1:]
    return [], rows


def _column_count(style: str, text: str) -> int:
    match = re.search(r"cols=(?:\"([^\"]*)\"|([^,\]]+))", style)
    if match:
        specs = re.split(r"[,;]", (match[1] or match[2]).strip())
        counts = [int(m[1]) if (m := re.match(r"\s*(\d{1,4})\*", spec)) else 1 for spec in specs]
        return min(sum(counts), MAX_COLUMNS)
    first_line = next((line for line in text.split("\n") if line.strip()), "")
    spans = [int(m["columns"] or m["repeat"] or 1) for m in _CELL.finditer(first_line)]
    return min(sum(spans), MAX_COLUMNS)


def _read_cells(text: str, style: str) -> list[list[str]]:
    width = max(_column_count(style, text), 1)
    rows: list[list[str]] = []
    row: list[str] = []
    pending: dict[int, tuple[int, str]] = {}  # column -> rows that a cell above still covers, its text

    def fill_from_above() -> None:
        while len(row) < width and len(row) in pending:
            count, cell = pending.pop(len(row))
            if count > 1:
                carried[len(row)] = (count - 1, cell)
            row.append(cell)

    carried: dict[int, tuple[int, str]] = {}
    matches = list(_CELL.finditer(text))
    ends = [*(match.start() for match in matches[1:]), len(text)]
    for match, end in zip(matches, ends, strict=False):
        cell = text[match.end() : end]
        cell = " ".join(cell.replace("\\|", "|").split())
        column_span = min(int(match["columns"] or 1), width)
        row_span = min(int(match["rows"] or 1), MAX_SPAN)
        for _ in range(min(int(match["repeat"] or 1), MAX_COLUMNS)):
            fill_from_above()
            for _ in range(column_span):
                if len(row) < width:
                    if row_span > 1:
                        carried[len(row)] = (row_span - 1, cell)
                    row.append(cell)
            fill_from_above()
            if len(row) >= width:
                rows.append(row)
                row, pending, carried = [], carried, {}
    return [*rows, row] if row else rows
