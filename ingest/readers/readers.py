"""Read files of all kinds into documents; the kind comes from the extension or the first bytes.

An error in one file does not stop the others: it becomes a `ReadProblem` among the documents.
"""

from __future__ import annotations

import gzip
import io
import re
import sys
from collections.abc import Callable, Iterator
from typing import BinaryIO, cast

from ingest.readers.converters import ReadProblem, clean_text, docx_to_markdown, extract_pdf_text, html_to_markdown
from ingest.readers.discovery import Source, file_kind
from ingest.readers.read_log import ReadLog
from ingest.readers.tabular import ByteStream, make_document, read_json, read_jsonl, read_table
from kgrag.errors import ReadError
from kgrag.types import Document

MAX_FILE_BYTES = 256 << 20
"""Maximum size in bytes of a file that is read whole; tables and JSONL are streamed and have no limit."""
_MAX_TITLE_CHARS = 100


def read_source(
    source: Source, on_note: Callable[[str], None] | None = None, stdin: BinaryIO | None = None
) -> Iterator[Document | ReadProblem]:
    """Yield the documents of a source, and the problems with it.

    Args:
        source: the file.
        on_note: called after the last document with a sentence about each encoding other than UTF-8 and about cleaned
            characters.
        stdin: replaces standard input.
    """
    log = ReadLog()
    try:
        if source.id == "-":
            yield from _read_stream(_as_buffered(stdin or sys.stdin.buffer), source, log)
        else:
            yield from _read_file(source, log)
    except ReadError as error:
        yield ReadProblem(source.id, None, str(error))
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        yield ReadProblem(
            source.id, None, f"expected a file that can be read, found: {reason}; check it and its permissions"
        )
    if on_note:
        for sentence in log.notes():
            on_note(f"{source.id}: {sentence}")


def _as_buffered(stream: BinaryIO) -> io.BufferedReader:
    return stream if isinstance(stream, io.BufferedReader) else io.BufferedReader(cast(io.RawIOBase, stream))


def _read_stream(stream: io.BufferedReader, source: Source, log: ReadLog) -> Iterator[Document | ReadProblem]:
    """Read standard input, whose kind is detected from its first bytes."""
    head = stream.peek(4096)[:4096].removeprefix(b"\xef\xbb\xbf").lstrip()
    if re.match(rb"\{\s*\"", head):
        yield from read_jsonl(stream, source.id, log)
    elif head.startswith(b"\x1f\x8b"):
        yield from read_jsonl(gzip.GzipFile(fileobj=stream), source.id, log)
    else:
        kind_by_magic = ((b"%PDF", ".pdf"), (b"PK\x03\x04", ".docx"), (b"<!doctype html", ".html"), (b"<html", ".html"))
        kind = next((kind for start, kind in kind_by_magic if head.lower().startswith(start.lower())), ".txt")
        yield _make_file_document(_read_all(stream), kind, source, log)


def _read_file(source: Source, log: ReadLog) -> Iterator[Document | ReadProblem]:
    kind = file_kind(source.path)
    if kind == ".jsonl.gz":
        with gzip.open(source.path, "rb") as stream:
            yield from _require_rows(read_jsonl(stream, source.id, log), source)
        return
    with source.path.open("rb") as file:
        if kind == ".jsonl":
            yield from _require_rows(read_jsonl(file, source.id, log), source)
        elif kind in (".csv", ".tsv"):
            yield from read_table(file, source.id, log, "\t" if kind == ".tsv" else "")
        elif kind == ".json":
            yield from _require_rows(read_json(log.decode(_read_all(file)), source.id, log), source)
        else:
            yield _make_file_document(_read_all(file), kind, source, log)


def _require_rows(items: Iterator[Document | ReadProblem], source: Source) -> Iterator[Document | ReadProblem]:
    is_empty = True
    for item in items:
        is_empty = False
        yield item
    if is_empty:
        yield ReadProblem(source.id, None, "expected rows, found none: add some, or leave the file out")


def _read_all(file: ByteStream) -> bytes:
    data = file.read(MAX_FILE_BYTES + 1)
    if len(data) > MAX_FILE_BYTES:
        raise ReadError(f"expected at most {MAX_FILE_BYTES >> 20} MB, found more: split it or convert it to .jsonl")
    return data


def _make_file_document(data: bytes, kind: str, source: Source, log: ReadLog) -> Document:
    """Build one document from a whole file.

    Raises:
        ReadError: the file is empty or cannot be read as text.
    """
    html_title = ""
    if not data.strip():
        raise ReadError("expected text, found an empty file: add text or leave it out")
    if kind == ".pdf":
        text = log.clean(extract_pdf_text(data))
    elif kind == ".docx":
        text = log.clean(docx_to_markdown(data))
    elif kind in (".html", ".htm"):
        text, html_title, encoding = html_to_markdown(data)
        text = log.clean(log.record_encoding(text, encoding))
    else:
        text = log.clean(log.decode(data))
    if not text.strip():
        raise ReadError("expected text, found only white space: add text or leave it out")
    title = (_find_heading(text) if kind != ".pdf" else "") or html_title  # a pdf has no heading markup
    title = title or (_first_line(text) if kind in (".pdf", ".docx") else "")
    stem = source.path.name[: -len(kind)] if kind and kind == file_kind(source.path) else source.path.stem
    file_title = "standard input" if source.id == "-" else re.sub(r"[-_\s]+", " ", stem).strip() or source.path.name
    return make_document(source.id, title or clean_text(file_title)[0], text, source.id)


def _find_heading(text: str) -> str:
    """Return the first top-level heading outside code blocks, without markup, or ""."""
    is_in_code = False
    for line in text.split("\n"):
        if line.lstrip().startswith(("```", "~~~")):
            is_in_code = not is_in_code
        elif not is_in_code and (match := re.match(r"# +(.*\w.*?)[ #]*$", line)):
            return re.sub(r"[*`]+|\b__|__\b", "", match.group(1)).strip()
    match = re.match(r"\s*(?:={3,}\n)?[ ]?(\S[^\n]*)\n={3,}[ ]*\n", text)  # underlined, as in .rst
    return match.group(1).strip() if match else ""


def _first_line(text: str) -> str:
    line = text.strip().split("\n", 1)[0].strip("#*_ \t")
    return line if len(line) <= _MAX_TITLE_CHARS else ""
