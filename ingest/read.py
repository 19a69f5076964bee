"""Files to documents: what is in each, told by its ending or its first bytes.

Nothing that is wrong with one file stops the others: it comes out as a :class:`Problem` among the documents.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, cast

from ingest.convert import Problem, clean, docx_text, html_text, pdf_text
from ingest.find import Source, kind_of
from ingest.log import Log
from ingest.rows import Stream, make_document, read_json, read_jsonl, read_table
from kgrag.errors import ReadError
from kgrag.types import Document

LARGEST_FILE = 256 << 20
"""Bytes of a file that is read whole; tables and jsonl are streams and have no limit."""
_SHORT_LINE = 100


def file_digest(path: Path) -> str:
    """The sha256 (hex) of a file's bytes: equal means that it need not be read again. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read(
    source: Source, note: Callable[[str], None] | None = None, stdin: BinaryIO | None = None
) -> Iterator[Document | Problem]:
    """The documents of a source, and what could not be read of it.

    ``note`` is given a sentence, after the last document, about each thing that was not an error but should be
    known: another encoding than UTF-8, characters that were cleaned. ``stdin`` stands in for standard input.
    """
    log = Log()
    try:
        if source.id == "-":
            yield from _read_stream(_peekable(stdin or sys.stdin.buffer), source, log)
        else:
            yield from _read_file(source, log)
    except ReadError as error:
        yield Problem(source.id, None, str(error))
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        yield Problem(
            source.id, None, f"expected a file that can be read, found: {reason}; check it and its permissions"
        )
    if note:
        for sentence in log.notes():
            note(f"{source.id}: {sentence}")


def _peekable(stream: BinaryIO) -> io.BufferedReader:
    return stream if isinstance(stream, io.BufferedReader) else io.BufferedReader(cast(io.RawIOBase, stream))


def _read_stream(stream: io.BufferedReader, source: Source, log: Log) -> Iterator[Document | Problem]:
    """Standard input has no ending: its first bytes say what it is."""
    head = stream.peek(4096)[:4096].removeprefix(b"\xef\xbb\xbf").lstrip()
    if re.match(rb"\{\s*\"", head):
        yield from read_jsonl(stream, source.id, log)
    elif head.startswith(b"\x1f\x8b"):
        yield from read_jsonl(gzip.GzipFile(fileobj=stream), source.id, log)
    else:
        starts = ((b"%PDF", ".pdf"), (b"PK\x03\x04", ".docx"), (b"<!doctype html", ".html"), (b"<html", ".html"))
        kind = next((kind for start, kind in starts if head.lower().startswith(start.lower())), ".txt")
        yield _whole(_all_of(stream), kind, source, log)


def _read_file(source: Source, log: Log) -> Iterator[Document | Problem]:
    kind = kind_of(source.path)
    if kind == ".jsonl.gz":
        with gzip.open(source.path, "rb") as stream:
            yield from _some(read_jsonl(stream, source.id, log), source)
        return
    with source.path.open("rb") as file:
        if kind == ".jsonl":
            yield from _some(read_jsonl(file, source.id, log), source)
        elif kind in (".csv", ".tsv"):
            yield from read_table(file, source.id, log, "\t" if kind == ".tsv" else "")
        elif kind == ".json":
            yield from _some(read_json(log.decode(_all_of(file)), source.id, log), source)
        else:
            yield _whole(_all_of(file), kind, source, log)


def _some(found: Iterator[Document | Problem], source: Source) -> Iterator[Document | Problem]:
    empty = True
    for one in found:
        empty = False
        yield one
    if empty:
        yield Problem(source.id, None, "expected rows, found none: add some, or leave the file out")


def _all_of(file: Stream) -> bytes:
    data = file.read(LARGEST_FILE + 1)
    if len(data) > LARGEST_FILE:
        raise ReadError(f"expected at most {LARGEST_FILE >> 20} MB, found more: split it, or make it .jsonl")
    return data


def _whole(data: bytes, kind: str, source: Source, log: Log) -> Document:
    """One document of a whole file. Raises ReadError."""
    given = ""
    if not data.strip():
        raise ReadError("expected text, found an empty file: write something in it, or leave it out")
    if kind == ".pdf":
        text = log.clean(pdf_text(data))
    elif kind == ".docx":
        text = log.clean(docx_text(data))
    elif kind in (".html", ".htm"):
        text, given, encoding = html_text(data)
        text = log.clean(log.decoded(text, encoding))
    else:
        text = log.clean(log.decode(data))
    if not text.strip():
        raise ReadError("expected text, found only white space: write something in it, or leave it out")
    title = (_heading(text) if kind != ".pdf" else "") or given  # a pdf has no marks for headings
    title = title or (_first_line(text) if kind in (".pdf", ".docx") else "")
    stem = source.path.name[: -len(kind)] if kind and kind == kind_of(source.path) else source.path.stem
    named = "standard input" if source.id == "-" else re.sub(r"[-_\s]+", " ", stem).strip() or source.path.name
    return make_document(source.id, title or clean(named)[0], text, source.id)


def _heading(text: str) -> str:
    """The first heading of the first level outside of code, without its marks."""
    code = False
    for line in text.split("\n"):
        if line.lstrip().startswith(("```", "~~~")):
            code = not code
        elif not code and (match := re.match(r"# +(.*\w.*?)[ #]*$", line)):
            return re.sub(r"[*`]+|\b__|__\b", "", match.group(1)).strip()
    match = re.match(r"\s*(?:={3,}\n)?[ ]?(\S[^\n]*)\n={3,}[ ]*\n", text)  # underlined, as in .rst
    return match.group(1).strip() if match else ""


def _first_line(text: str) -> str:
    line = text.strip().split("\n", 1)[0].strip("#*_ \t")
    return line if len(line) <= _SHORT_LINE else ""
