"""Read tables and JSONL as streams, one document per row, with constant memory for files of any size.

A line or row that cannot be read becomes a `ReadProblem`, and reading continues with the next one.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import itertools
import json
import re
import zlib
from collections.abc import Callable, Iterator

from ingest.readers.converters import ReadProblem, clean_text, decode_bytes, encoding_from_bom
from ingest.readers.read_log import ReadLog, SeenIds
from kgrag.errors import ReadError
from kgrag.text import detect_language
from kgrag.types import Document

MAX_LINE_BYTES = 20_000_000
"""Maximum length of a line in bytes; longer lines are skipped without being held in memory."""
ByteStream = io.BufferedReader | gzip.GzipFile
_TITLE_COLUMNS = frozenset(("title", "name", "标题", "名称", "题目"))
_CONTROL_CHARS = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def make_document(document_id: str, title: str, text: str, source: str) -> Document:
    """Build a document: detect its language and compute its sha256 (hex) of title, NUL and text."""
    digest = hashlib.sha256(f"{title}\0{text}".encode()).hexdigest()
    return Document(document_id, title, text, source, detect_language(text), digest)


def read_jsonl(stream: ByteStream, source: str, log: ReadLog) -> Iterator[Document | ReadProblem]:
    """Yield the documents of lines like ``{"_id": ..., "title": ..., "text": ...}``."""
    seen_ids = SeenIds()
    for number, line in _numbered_lines(stream, source, log):
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
                yield _parse_row(row, source, number, f"{source}:{number}", seen_ids, log)


def read_json(text: str, source: str, log: ReadLog) -> Iterator[Document | ReadProblem]:
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
            f"expected a JSON list of rows, found {_json_type_name(rows)}: give a list of objects with a text"
        )
    seen_ids = SeenIds()
    for number, row in enumerate(rows, 1):
        parsed_row = _parse_row(row, source, None, f"{source}:{number}", seen_ids, log)
        yield (
            ReadProblem(source, None, f"row {number}: {parsed_row.message}")
            if isinstance(parsed_row, ReadProblem)
            else parsed_row
        )


def read_table(stream: ByteStream, source: str, log: ReadLog, delimiter: str = "") -> Iterator[Document | ReadProblem]:
    """Yield the documents of the rows of a table with a header.

    The title is the column called title or name, or the first. The text is the column called text, or one line
    ``column: value`` per value. The id is the column ``_id``, or ``SOURCE:LINE``.

    Args:
        stream: the bytes.
        source: id of the file.
        log: notes about the file.
        delimiter: column separator; if empty, comma, semicolon or tab, detected from the header.
    """
    problems: list[ReadProblem] = []
    at = 0

    def text_lines() -> Iterator[str]:
        nonlocal at
        for number, line in _numbered_lines(stream, source, log):
            at = number
            if isinstance(line, ReadProblem):
                problems.append(line)
            else:
                yield line

    lines = text_lines()
    header_line = next((line for line in lines if line.strip()), "")
    delimiter = delimiter or max(",;\t", key=header_line.count)
    csv.field_size_limit(MAX_LINE_BYTES)
    reader = csv.reader(itertools.chain([header_line], lines), delimiter=delimiter)
    columns = [clean_text(cell)[0].strip() for cell in next(reader, [])]
    column_keys = [column.casefold() for column in columns]
    index_by_column = {wanted: column_keys.index(wanted) for wanted in ("_id", "text") if wanted in column_keys}
    title_index = next((i for i, name in enumerate(column_keys) if name in _TITLE_COLUMNS), 0)
    seen_ids, row_count = SeenIds(), 0
    while True:
        line = at + 1
        try:
            cells = next(reader, None)
        except csv.Error as error:
            yield ReadProblem(
                source, line, f"expected a row of a table, found an error ({error}): look for a lone quote"
            )
            continue
        yield from problems
        problems.clear()
        if cells is None:
            break
        if not any(cell.strip() for cell in cells):
            continue
        row_count += 1
        row: dict[str, object] = {"title": cells[title_index] if title_index < len(cells) else ""}
        for wanted, i in index_by_column.items():
            row[wanted] = cells[i] if i < len(cells) else ""
        if "text" not in index_by_column:
            labelled_cells = zip([*columns, *[""] * len(cells)], cells, strict=False)
            nonempty_cells = [
                (column, cell.strip()) for column, cell in labelled_cells if cell.strip() and column != "_id"
            ]
            row["text"] = "\n".join(f"{column}: {cell}" if column else cell for column, cell in nonempty_cells)
        yield _parse_row(row, source, line, f"{source}:{line}", seen_ids, log)
    if not row_count:
        yield ReadProblem(source, None, "expected a header and rows below it, found no rows: add some, or leave it out")


def _parse_row(
    row: object, source: str, line: int | None, default_id: str, seen_ids: SeenIds, log: ReadLog
) -> Document | ReadProblem:
    if not isinstance(row, dict):
        return ReadProblem(source, line, f"expected an object with a text, found {_json_type_name(row)}: fix the row")
    row_id, title, text = row.get("_id"), row.get("title"), row.get("text")
    if isinstance(row_id, (bool, list, dict)):
        return ReadProblem(
            source, line, f"expected _id to be a string or a number, found {_json_type_name(row_id)}: fix the row"
        )
    if not isinstance(text, str) or not text.strip():
        found_type = "none" if text is None or isinstance(text, str) else _json_type_name(text)
        return ReadProblem(source, line, f"expected a text, found {found_type}: add one, or leave the row out")
    document_id = default_id if row_id is None or row_id == "" else str(row_id)
    if _CONTROL_CHARS.search(document_id):
        return ReadProblem(
            source, line, f"expected a plain _id, found control characters in {document_id!r}: choose another"
        )
    if not seen_ids.add(document_id):
        return ReadProblem(source, line, f"expected each _id once, found {document_id!r} again: the first one is kept")
    title = title if isinstance(title, str) else "" if title is None else str(title)
    try:
        text, title = log.clean(text), log.clean(title)
    except ReadError as error:
        return ReadProblem(source, line, str(error))
    return make_document(document_id, " ".join(title.split()), text, source)


def _json_type_name(value: object) -> str:
    names = {dict: "an object", list: "a list", str: "a string", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")


def _numbered_lines(stream: ByteStream, source: str, log: ReadLog) -> Iterator[tuple[int, str | ReadProblem]]:
    """Yield lines with their numbers (from 1) and line ends; an unreadable line becomes a `ReadProblem`."""
    number, fallback_encoding = 0, ""
    try:
        readline = _utf8_readline(stream, log)
        while line := readline(MAX_LINE_BYTES + 1):
            number += 1
            if len(line) > MAX_LINE_BYTES:
                while line and not line.endswith(b"\n"):
                    line = readline(1 << 16)
                line_size = f"more than {MAX_LINE_BYTES // 10**6} MB"
                yield (
                    number,
                    ReadProblem(source, number, f"expected a shorter line, found {line_size}: split it into rows"),
                )
                continue
            text = _decode_utf8(line)
            if text is None:
                try:
                    lookahead = stream.peek(8192)[:8192]
                    fallback_encoding = (
                        fallback_encoding or decode_bytes(line + lookahead[: lookahead.rfind(b"\n") + 1])[1]
                    )
                except ReadError as error:
                    yield number, ReadProblem(source, number, str(error))
                    if number == 1:  # the file is of another kind, not damaged
                        return
                    continue
                text = log.record_encoding(line.decode(fallback_encoding, "replace"), fallback_encoding)
            yield number, text.removeprefix("\ufeff") if number == 1 else text
    except (EOFError, zlib.error, OSError) as error:
        reason = (
            "a file that ends early"
            if isinstance(error, EOFError)
            else "damage"
            if _is_corruption(error)
            else str(error)
        )
        yield number + 1, ReadProblem(source, number + 1, f"expected more lines, found {reason}: copy the file again")


def _decode_utf8(line: bytes) -> str | None:
    try:
        return line.decode()
    except UnicodeDecodeError:
        return None


def _is_corruption(error: Exception) -> bool:
    return isinstance(error, (zlib.error, gzip.BadGzipFile))


def _utf8_readline(stream: ByteStream, log: ReadLog) -> Callable[[int], bytes]:
    """Return ``stream.readline``, recoded if a byte order mark declares an encoding of wider units."""
    bom_encoding = encoding_from_bom(stream.peek(4)[:4])
    if bom_encoding is None or bom_encoding == "utf-8-sig":
        return stream.readline
    log.record_encoding("", bom_encoding)
    recoded = io.TextIOWrapper(stream, bom_encoding, "replace", newline="\n")
    return lambda size: recoded.readline(size).encode()
