"""Find the delimiter, the header, and the title lines above it in the first lines of a delimited table."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from ingest.readers.encodings.decoding import remove_control_chars
from ingest.readers.tables.table_records import Line, LineBuffer, Record, RecordParser

SAMPLE_LINES = 100
"""Lines from which the layout is found."""
SAMPLE_CHARS = 1 << 18
_DELIMITERS = ",;\t|"
_SEPARATOR_LINE = re.compile(r"\"?sep=(.)\"?;*,*", re.IGNORECASE)
_NUMBER = re.compile(r"[-+(]?[$€£¥]?\s?\d[\d.,'\u00a0\u202f ]*(?:e[-+]?\d+)?\s?[%‰$€£¥)]?", re.IGNORECASE)
_YEAR = re.compile(r"1[5-9]\d\d|20\d\d")
_DATE = re.compile(r"\d{4}[-/.年]\d{1,2}[-/.月]\d{1,2}\D?.*|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4}.*|\d{1,2}:\d\d(?::\d\d)?")
_ADDRESS = re.compile(r"https?://\S+|\S+@\S+\.\w+")
_MISSING = frozenset(("", "-", "–", "—", "n/a", "na", "nan", "null", "none", "?"))
_RULE = re.compile(r"[-=_+ ]+")
_COMMENT = ("#", "//", "--", "%")
_MAX_HEADER_ROWS = 20
_MAX_UNIT_CHARS = 12
_MIN_SHARE = 0.8


@dataclass(frozen=True, slots=True)
class TableLayout:
    """The layout of a table.

    Attributes:
        delimiter: Column separator.
        columns: Names of the columns; empty if the table has no header. A unit is added: ``Power (kW)``.
        first_row_line: Line of the first row, from 1.
        preamble: Lines above the header, such as a title, with the number of the first; empty if there are none.
    """

    delimiter: str
    columns: tuple[str, ...]
    first_row_line: int
    preamble: tuple[Line, ...] = ()


def find_layout(lines: Sequence[Line], delimiter: str = "", *, is_whole: bool = True) -> TableLayout:
    """Find the layout of a table.

    Args:
        lines: the first lines, with their numbers.
        delimiter: the usual column separator of the format; another is chosen if the lines lack it.
        is_whole: whether these are all lines of the table.
    """
    lines = [line for line in lines if line[1].strip()]
    if not lines:
        return TableLayout(delimiter or ",", (), 1)
    separator_line = _SEPARATOR_LINE.fullmatch(lines[0][1].strip(" "))
    if separator_line:
        delimiter, lines = separator_line.group(1), lines[1:]
    elif not delimiter or not any(delimiter in text for _, text in lines):
        delimiter = _find_delimiter(lines, is_whole)
    records = _records(lines, delimiter, is_whole)
    if not records:
        return TableLayout(delimiter, (), lines[0][0] if lines else 1)
    header_place = _find_header(records)
    header = records[header_place]
    rows = records[header_place + 1 :]
    preamble = tuple(line for line in lines if line[0] < header.line)
    if _is_data(header, rows):
        return TableLayout(delimiter, (), header.line, preamble)
    columns = [remove_control_chars(cell)[0].strip() for cell in header.cells]
    while columns and not columns[-1]:
        columns.pop()
    if header_place in _commented(records):
        columns[0] = columns[0].lstrip("#/-% ")
    first_row = header.line + 1
    if rows and _are_units(rows[0], rows[1:]):
        units = [cell.strip().strip("()[]（）") for cell in rows[0].cells]
        units += [""] * (len(columns) - len(units))
        columns = [
            f"{column} ({unit})" if column and unit not in _MISSING else column
            for column, unit in zip(columns, units, strict=False)
        ]
        first_row = rows[0].line + 1
    return TableLayout(delimiter, tuple(columns), first_row, preamble)


def is_rule(cells: Sequence[str]) -> bool:
    """Whether all cells of a row are lines of dashes, which separate the header from the rows."""
    filled = [cell.strip() for cell in cells if cell.strip()]
    return bool(filled) and all(len(cell) > 1 and _RULE.fullmatch(cell) for cell in filled)


def _records(lines: Sequence[Line], delimiter: str, is_whole: bool) -> list[Record]:
    records = list(RecordParser(LineBuffer(lines), delimiter))
    if not is_whole and len(records) > 1:
        records.pop()  # it may go on
    return [record for record in records if _filled(record) and not is_rule(record.cells)]


def _find_delimiter(lines: Sequence[Line], is_whole: bool) -> str:
    """Return the delimiter that gives the most rows of equal width, then the most columns."""
    best, best_score = ",", (0.0, 0)
    for delimiter in _DELIMITERS:
        widths = [len(record.cells) for record in _records(lines, delimiter, is_whole)]
        split_widths = Counter(width for width in widths if width > 1)
        if not split_widths:
            continue
        if delimiter == "," and _is_punctuation(lines, widths):
            best = next((other for other in _DELIMITERS if not any(other in text for _, text in lines)), best)
            continue
        width, count = max(split_widths.items(), key=lambda item: (item[1], item[0]))
        share = (count + 0.5 * sum(split_widths.values())) / len(widths)
        if (round(share, 2), width) > best_score:
            best, best_score = delimiter, (round(share, 2), width)
    return best


def _is_punctuation(lines: Sequence[Line], widths: Sequence[int]) -> bool:
    """Whether commas belong to the text of a list: the header has none, and a space follows each."""
    return widths[0] == 1 and not any(re.search(r",(?! )", text) for _, text in lines)


def _filled(record: Record) -> int:
    return sum(bool(cell.strip()) for cell in record.cells)


def _width(record: Record) -> int:
    """Return the number of columns up to the last that is filled."""
    return max((place for place, cell in enumerate(record.cells, 1) if cell.strip()), default=0)


def _commented(records: Sequence[Record]) -> set[int]:
    return {place for place, record in enumerate(records) if record.cells[0].lstrip().startswith(_COMMENT)}


def _find_header(records: Sequence[Record]) -> int:
    """Return the place of the header: the first record that is as wide as the rows, or nearly."""
    widths = Counter(_width(record) for record in records if len(record.cells) > 1)
    if not widths:
        return min(set(range(len(records))) - _commented(records), default=0)
    width = max(widths.items(), key=lambda item: (item[1], item[0]))[0]
    comments = _commented(records)
    first_full = next(
        (
            place
            for place, record in enumerate(records[:_MAX_HEADER_ROWS])
            if _width(record) >= width and _filled(record) > width // 2 and place not in comments
        ),
        None,
    )
    if first_full is None:
        return next((p for p, record in enumerate(records) if len(record.cells) > 1 and p not in comments), 0)
    before_comments = first_full - 1
    if (
        before_comments in comments
        and _filled(records[before_comments]) == _filled(records[first_full]) > 1
        and _is_data(records[first_full], records[first_full + 1 :])
    ):
        return before_comments  # "# Name,City": a header written as a comment
    for place in range(first_full):
        if place not in comments and not _is_title(records, place, first_full, width):
            return place
    return first_full


def _is_title(records: Sequence[Record], place: int, first_full: int, width: int) -> bool:
    """Whether a record above the first full row is a title or a property of the table, not the header."""
    record = records[place]
    return (
        _filled(record) == 1
        or _filled(record) * 2 <= width
        or records[place + 1].line > record.line + 1  # a blank line below it
        or (_has_value(record) and not _has_value(records[first_full]))
    )


def _has_value(record: Record) -> bool:
    return any(_kind(cell) in ("number", "year", "date", "address") for cell in record.cells)


def _kind(cell: str) -> str:
    cell = cell.strip()
    if cell.casefold() in _MISSING:
        return ""
    if _YEAR.fullmatch(cell):
        return "year"
    if _DATE.fullmatch(cell):
        return "date"
    if _NUMBER.fullmatch(cell):
        return "number"
    return "address" if _ADDRESS.fullmatch(cell) else "text"


def _column_kinds(rows: Sequence[Record], column: int) -> Counter[str]:
    kinds = Counter(_kind(row.cells[column]) for row in rows if column < len(row.cells))
    kinds.pop("", None)
    return kinds


def _is_data(first: Record, rows: Sequence[Record]) -> bool:
    """Whether the first record is a row like those below it, so that the table has no header."""
    for column, cell in enumerate(first.cells):
        kind = _kind(cell)
        kinds = _column_kinds(rows, column)
        if kind not in ("", "text") and kinds[kind] >= max(1, _MIN_SHARE * kinds.total()):
            return True
    return False


def _are_units(record: Record, rows: Sequence[Record]) -> bool:
    """Whether a record has the units of the numbers below it: short words in columns of numbers only."""
    unit_columns = [column for column, cell in enumerate(record.cells) if cell.strip().casefold() not in _MISSING]
    return bool(unit_columns) and all(
        _kind(record.cells[column]) == "text"
        and len(record.cells[column].strip()) <= _MAX_UNIT_CHARS
        and (kinds := _column_kinds(rows, column)).total() > 0
        and kinds["number"] + kinds["year"] >= _MIN_SHARE * kinds.total()
        for column in unit_columns
    )
