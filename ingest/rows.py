"""Tables and jsonl: one document a row, read as a stream, so that a file of any size needs little memory.

A line or row that cannot be read becomes a :class:`Problem`, and reading goes on with the next one.
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

from ingest.convert import Problem, clean, decode, marked_encoding
from ingest.log import Log, Seen
from kgrag.errors import ReadError
from kgrag.text import language
from kgrag.types import Document

LONGEST_LINE = 20_000_000
"""Bytes of a line; longer ones are skipped without being held in memory."""
Stream = io.BufferedReader | gzip.GzipFile
_TITLES = frozenset(("title", "name", "标题", "名称", "题目"))
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def make_document(id: str, title: str, text: str, source: str) -> Document:
    """A document with its language told and its sha256 (hex) taken over title, a NUL and text."""
    digest = hashlib.sha256(f"{title}\0{text}".encode()).hexdigest()
    return Document(id, title, text, source, language(text), digest)


def read_jsonl(stream: Stream, source: str, log: Log) -> Iterator[Document | Problem]:
    """Documents of lines like ``{"_id": ..., "title": ..., "text": ...}``."""
    seen = Seen()
    for number, line in _lines(stream, source, log):
        if isinstance(line, Problem):
            yield line
        elif line.strip():
            try:
                row = json.loads(line)
            except RecursionError:
                yield Problem(source, number, "expected a row, found JSON nested too deeply: flatten it")
            except ValueError as error:
                reason = error.msg if isinstance(error, json.JSONDecodeError) else "a number that is too long"
                yield Problem(source, number, f"expected a JSON object on one line, found {reason!r}: mend the line")
            else:
                yield _row(row, source, number, f"{source}:{number}", seen, log)


def read_json(text: str, source: str, log: Log) -> Iterator[Document | Problem]:
    """Documents of a JSON list of rows like those of jsonl (or of one such row).

    Raises:
        ReadError: it is not JSON, or not a list or a row.
    """
    try:
        rows = json.loads(text.removeprefix("\ufeff"))
    except RecursionError as error:
        raise ReadError("expected a list of rows, found JSON nested too deeply: flatten it") from error
    except ValueError as error:
        raise ReadError(f"expected JSON, found an error ({error}): mend it, or rename it if it is .jsonl") from error
    if isinstance(rows, dict):
        rows = [rows]
    if not isinstance(rows, list):
        raise ReadError(f"expected a JSON list of rows, found {_kind(rows)}: give a list of objects with a text")
    seen = Seen()
    for number, row in enumerate(rows, 1):
        found = _row(row, source, None, f"{source}:{number}", seen, log)
        yield Problem(source, None, f"row {number}: {found.message}") if isinstance(found, Problem) else found


def read_table(stream: Stream, source: str, log: Log, delimiter: str = "") -> Iterator[Document | Problem]:
    """Documents of the rows of a table with a header; a comma, semicolon or tab is told from the header if not given.

    The title is the column called title or name, else the first; the text is the column called text, else one
    line ``column: value`` for each value; the id is the column ``_id``, else ``SOURCE:LINE``.
    """
    problems: list[Problem] = []
    at = 0

    def texts() -> Iterator[str]:
        nonlocal at
        for number, line in _lines(stream, source, log):
            at = number
            if isinstance(line, Problem):
                problems.append(line)
            else:
                yield line

    lines = texts()
    first = next((line for line in lines if line.strip()), "")
    delimiter = delimiter or max(",;\t", key=first.count)
    csv.field_size_limit(LONGEST_LINE)
    reader = csv.reader(itertools.chain([first], lines), delimiter=delimiter)
    columns = [clean(cell)[0].strip() for cell in next(reader, [])]
    names = [column.casefold() for column in columns]
    place = {wanted: names.index(wanted) for wanted in ("_id", "text") if wanted in names}
    title_at = next((i for i, name in enumerate(names) if name in _TITLES), 0)
    seen, rows = Seen(), 0
    while True:
        line = at + 1
        try:
            cells = next(reader, None)
        except csv.Error as error:
            yield Problem(source, line, f"expected a row of a table, found an error ({error}): look for a lone quote")
            continue
        yield from problems
        problems.clear()
        if cells is None:
            break
        if not any(cell.strip() for cell in cells):
            continue
        rows += 1
        row: dict[str, object] = {"title": cells[title_at] if title_at < len(cells) else ""}
        for wanted, i in place.items():
            row[wanted] = cells[i] if i < len(cells) else ""
        if "text" not in place:
            pairs = zip([*columns, *[""] * len(cells)], cells, strict=False)
            used = [(column, cell.strip()) for column, cell in pairs if cell.strip() and column != "_id"]
            row["text"] = "\n".join(f"{column}: {cell}" if column else cell for column, cell in used)
        yield _row(row, source, line, f"{source}:{line}", seen, log)
    if not rows:
        yield Problem(source, None, "expected a header and rows below it, found no rows: add some, or leave it out")


def _row(row: object, source: str, line: int | None, default: str, seen: Seen, log: Log) -> Document | Problem:
    if not isinstance(row, dict):
        return Problem(source, line, f"expected an object with a text, found {_kind(row)}: mend the row")
    given, title, text = row.get("_id"), row.get("title"), row.get("text")
    if isinstance(given, (bool, list, dict)):
        return Problem(source, line, f"expected _id to be a string or a number, found {_kind(given)}: mend the row")
    if not isinstance(text, str) or not text.strip():
        found = "none" if text is None or isinstance(text, str) else _kind(text)
        return Problem(source, line, f"expected a text, found {found}: add one, or leave the row out")
    id = default if given is None or given == "" else str(given)
    if _UNSAFE.search(id):
        return Problem(source, line, f"expected a plain _id, found control characters in {id!r}: choose another")
    if not seen.add(id):
        return Problem(source, line, f"expected each _id once, found {id!r} again: the first one is kept")
    title = title if isinstance(title, str) else "" if title is None else str(title)
    try:
        text, title = log.clean(text), log.clean(title)
    except ReadError as error:
        return Problem(source, line, str(error))
    return make_document(id, " ".join(title.split()), text, source)


def _kind(value: object) -> str:
    names = {dict: "an object", list: "a list", str: "a string", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")


def _lines(stream: Stream, source: str, log: Log) -> Iterator[tuple[int, str | Problem]]:
    """Lines with their numbers (from 1) and their ends; one that cannot be read is a Problem in its place."""
    number, fallback = 0, ""
    try:
        readline = _utf8_lines(stream, log)
        while line := readline(LONGEST_LINE + 1):
            number += 1
            if len(line) > LONGEST_LINE:
                while line and not line.endswith(b"\n"):
                    line = readline(1 << 16)
                found = f"more than {LONGEST_LINE // 10**6} MB"
                yield number, Problem(source, number, f"expected a shorter line, found {found}: split it into rows")
                continue
            text = _utf8(line)
            if text is None:
                try:
                    more = stream.peek(8192)[:8192]
                    fallback = fallback or decode(line + more[: more.rfind(b"\n") + 1])[1]
                except ReadError as error:
                    yield number, Problem(source, number, str(error))
                    if number == 1:  # not a damaged line: not this kind of file at all
                        return
                    continue
                text = log.decoded(line.decode(fallback, "replace"), fallback)
            yield number, text.removeprefix("\ufeff") if number == 1 else text
    except (EOFError, zlib.error, OSError) as error:
        reason = "a file that ends early" if isinstance(error, EOFError) else "damage" if _damage(error) else str(error)
        yield number + 1, Problem(source, number + 1, f"expected more lines, found {reason}: copy the file again")


def _utf8(line: bytes) -> str | None:
    try:
        return line.decode()
    except UnicodeDecodeError:
        return None


def _damage(error: Exception) -> bool:
    return isinstance(error, (zlib.error, gzip.BadGzipFile))


def _utf8_lines(stream: Stream, log: Log) -> Callable[[int], bytes]:
    """``stream.readline``, recoded if a mark says that its lines are not made of single bytes."""
    marked = marked_encoding(stream.peek(4)[:4])
    if marked is None or marked == "utf-8-sig":
        return stream.readline
    log.decoded("", marked)
    wide = io.TextIOWrapper(stream, marked, "replace", newline="\n")
    return lambda size: wide.readline(size).encode()
