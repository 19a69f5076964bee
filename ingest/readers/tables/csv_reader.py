"""Read tables and JSONL as streams, one document per row, with constant memory for files of any size.

A line or row that cannot be read becomes a `ReadProblem`, and reading continues with the next one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence

from ingest.readers.content import ReadProblem
from ingest.readers.read_log import ReadLog, SeenIds
from ingest.readers.tables.line_stream import ByteStream, numbered_lines
from ingest.readers.tables.row_records import json_type_name, parse_row
from ingest.readers.tables.table_layout import SAMPLE_CHARS, SAMPLE_LINES, TableLayout, find_layout, is_rule
from ingest.readers.tables.table_records import Line, LineBuffer, RecordParser
from kgrag.errors import ReadError
from kgrag.types import Document

__all__ = ["ByteStream", "read_json", "read_jsonl", "read_table"]

_TITLE_COLUMNS = frozenset(("title", "name", "标题", "名称", "题目"))
_PLAIN_NUMBER = re.compile(r"-?(?:0|[1-9]\d{0,14})(\.\d{1,15})?")
Rows = Iterator[Document | ReadProblem]


def read_jsonl(stream: ByteStream, source: str, log: ReadLog) -> Rows:
    """Yield the documents of lines like ``{"_id": ..., "title": ..., "text": ...}``; other keys become metadata."""
    seen_ids = SeenIds()
    for number, line in numbered_lines(stream, source, log):
        if isinstance(line, ReadProblem):
            yield line
        elif line.strip():
            try:
                row = json.loads(line)
            except RecursionError:
                yield ReadProblem(source, number, "expected a row, found JSON nested too deeply: flatten it")
            except ValueError as error:
                reason = error.msg if isinstance(error, json.JSONDecodeError) else "a number that is too long"
                yield ReadProblem(source, number, f"expected a JSON object on one line, found {reason!r}: fix the line")
            else:
                yield parse_row(row, source, number, f"{source}:{number}", seen_ids, log)


def read_json(text: str, source: str, log: ReadLog) -> Rows:
    """Yield the documents of a JSON list of rows like those of JSONL, or of one such row.

    Raises:
        ReadError: the text is not JSON, or not a list or a row.
    """
    try:
        rows = json.loads(text.removeprefix("\ufeff"))
    except RecursionError as error:
        raise ReadError("expected a list of rows, found JSON nested too deeply: flatten it") from error
    except ValueError as error:
        raise ReadError(
            f"expected JSON, found an error ({error}): fix it, or rename the file if it is .jsonl"
        ) from error
    if isinstance(rows, dict):
        rows = [rows]
    if not isinstance(rows, list):
        raise ReadError(
            f"expected a JSON list of rows, found {json_type_name(rows)}: give a list of objects with a text"
        )
    seen_ids = SeenIds()
    for number, row in enumerate(rows, 1):
        parsed_row = parse_row(row, source, None, f"{source}:{number}", seen_ids, log)
        yield (
            ReadProblem(source, None, f"row {number}: {parsed_row.message}")
            if isinstance(parsed_row, ReadProblem)
            else parsed_row
        )


def read_table(stream: ByteStream, source: str, log: ReadLog, delimiter: str = "") -> Rows:
    """Yield the documents of the rows of a table.

    The title is the column called title or name, or the first. The text is the column called text, and the other
    columns are metadata; or, without such a column, one line ``column: value`` per value. The id is the column ``_id``,
    or ``SOURCE:LINE``. Lines above the header, such as a title, are a document of their own. A table without a header
    has values alone.

    Args:
        stream: the bytes.
        source: id of the file.
        log: notes about the file.
        delimiter: column separator; if empty, comma, semicolon, tab or ``|``, detected from the first lines.
    """
    lines = LineBuffer(numbered_lines(stream, source, log))
    sample, is_whole = _sample(lines)
    layout = find_layout(sample, delimiter, is_whole=is_whole)
    lines.put_back(sample)
    seen_ids, is_empty = SeenIds(), True
    end = re.compile(rf"[{re.escape(layout.delimiter)}\"\s]+$")
    titles = list(filter(None, (end.sub("", text).lstrip('" \t') for _, text in layout.preamble)))
    if titles:
        number = layout.preamble[0][0]
        title_row: dict[str, object] = {"title": titles[0].lstrip("#/-% "), "text": "\n".join(titles)}
        yield parse_row(title_row, source, number, f"{source}:{number}", seen_ids, log)
    parser = RecordParser(lines, layout.delimiter, len(layout.columns), log.record_lone_quote)
    header = [cell.strip() for cell in layout.columns]
    for record in parser:
        yield from _take(lines.problems)
        cells = [cell.strip() for cell in record.cells]
        if record.line < layout.first_row_line or not any(cells) or is_rule(cells) or cells == header:
            continue
        is_empty = False
        yield parse_row(_row(cells, layout), source, record.line, f"{source}:{record.line}", seen_ids, log)
    is_empty = is_empty and not lines.problems
    yield from _take(lines.problems)
    if is_empty:
        yield ReadProblem(source, None, "expected a header and rows below it, found no rows: add some, or leave it out")


def _sample(lines: LineBuffer) -> tuple[list[Line], bool]:
    """Take the first lines, and return them and whether they are all."""
    sample: list[Line] = []
    size = 0
    while len(sample) < SAMPLE_LINES and size < SAMPLE_CHARS:
        line = lines.next()
        if line is None:
            return sample, True
        sample.append(line)
        size += len(line[1])
    return sample, False


def _take(problems: list[ReadProblem]) -> list[ReadProblem]:
    taken = problems.copy()
    problems.clear()
    return taken


def _row(cells: Sequence[str], layout: TableLayout) -> dict[str, object]:
    """Return the fields of a table row, as in JSONL."""
    keys = [column.casefold() for column in layout.columns]
    title_place = next((place for place, key in enumerate(keys) if key in _TITLE_COLUMNS), 0)
    row: dict[str, object] = {}
    if "text" in keys:
        for column, cell in zip(layout.columns, cells, strict=False):
            if column and cell and column not in row:
                row[column] = _number_or_text(cell)
    else:
        columns = [*layout.columns, *[""] * len(cells)]
        labelled = [(column, cell) for column, cell in zip(columns, cells, strict=False) if cell and column != "_id"]
        row["text"] = "\n".join(f"{column}: {cell}" if column else cell for column, cell in labelled)
    for wanted in ("_id", "text"):
        if wanted in keys:
            place = keys.index(wanted)
            row[wanted] = cells[place] if place < len(cells) else ""
    row["title"] = cells[title_place] if title_place < len(cells) else ""
    return row


def _number_or_text(cell: str) -> str | int | float:
    match = _PLAIN_NUMBER.fullmatch(cell)
    return cell if not match else float(cell) if match.group(1) else int(cell)
