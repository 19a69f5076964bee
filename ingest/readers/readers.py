"""Read files of all formats into documents; the format comes from the extension or the first bytes.

An error in one file does not stop the others: it becomes a `ReadProblem` among the documents.
"""

from __future__ import annotations

import gzip
import io
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import BinaryIO, cast

from ingest.readers.content import Content, Part, ReadProblem, make_document
from ingest.readers.encodings.decoding import remove_control_chars
from ingest.readers.files.discovery import Source
from ingest.readers.files.sidecar import read_sidecar
from ingest.readers.formats import Format, file_extension, format_of, format_of_bytes
from ingest.readers.read_log import ReadLog
from ingest.readers.tables.csv_reader import ByteStream, read_json, read_jsonl, read_table
from ingest.readers.titles import choose_title
from kgrag.errors import ReadError
from kgrag.types import Document

MAX_FILE_BYTES = 256 << 20
"""Maximum size in bytes of a file that is read whole; tables and JSONL are streamed and have no limit."""
MAX_NESTED_CONTAINERS = 4
"""Maximum depth of archives and messages inside each other."""
UNNAMED_CONTENT = "content."
"""Beginning of the name that a compressed file's part has if the file does not store one."""
Items = Iterator[Document | ReadProblem]


def read_source(source: Source, on_note: Callable[[str], None] | None = None, stdin: BinaryIO | None = None) -> Items:
    """Yield the documents of a source, and the problems with it.

    Args:
        source: the file.
        on_note: called after the last document with a sentence about each encoding other than UTF-8 and about cleaned
            characters.
        stdin: replaces standard input.
    """
    log = ReadLog()
    sidecar = None
    if source.id != "-":
        try:
            sidecar = read_sidecar(source.path)
        except ReadError as error:
            yield ReadProblem(source.id, None, str(error))
    try:
        for item in _read_items(source, log, stdin):
            # the documents of a container have their own ids, and its file as their source
            if isinstance(item, Document) and item.source != source.id:
                item = replace(item, source=source.id)
            elif isinstance(item, ReadProblem) and item.source_id != source.id:
                part = item.source_id.removeprefix(f"{source.id}/")
                item = replace(item, source_id=source.id, message=f"{part}: {item.message}")
            if sidecar and isinstance(item, Document):
                item = sidecar.apply(item, source.id)
            yield item
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


def _read_items(source: Source, log: ReadLog, stdin: BinaryIO | None) -> Items:
    if source.id == "-":
        yield from _read_stream(_as_buffered(stdin or sys.stdin.buffer), source, log)
    else:
        with source.path.open("rb") as file:
            yield from _read_file(file, source, log)


def _as_buffered(stream: BinaryIO) -> io.BufferedReader:
    return stream if isinstance(stream, io.BufferedReader) else io.BufferedReader(cast(io.RawIOBase, stream))


def _read_stream(stream: io.BufferedReader, source: Source, log: ReadLog) -> Items:
    """Read standard input, whose format is detected from its first bytes."""
    head = stream.peek(4096)[:4096]
    if re.match(rb"\{\s*\"", head.removeprefix(b"\xef\xbb\xbf").lstrip()):
        yield from read_jsonl(stream, source.id, log)
    elif head.startswith(b"\x1f\x8b"):
        yield from read_jsonl(gzip.GzipFile(fileobj=stream), source.id, log)
    else:
        yield from _read_bytes(_read_all(stream), format_of_bytes(head), source.id, "standard input", log)


def _read_file(file: io.BufferedReader, source: Source, log: ReadLog) -> Items:
    extension = file_extension(source.path.name)
    if extension == ".jsonl.gz":
        yield from _require_rows(read_jsonl(gzip.GzipFile(fileobj=file), source.id, log), source.id)
    elif extension == ".jsonl":
        yield from _require_rows(read_jsonl(file, source.id, log), source.id)
    elif extension in (".csv", ".tsv"):
        yield from read_table(file, source.id, log, "\t" if extension == ".tsv" else "")
    else:
        yield from _read_bytes(_read_all(file), format_of(source.path), source.id, source.path.name, log)


def _read_bytes(data: bytes, form: Format, document_id: str, name: str, log: ReadLog, depth: int = 0) -> Items:
    """Read a whole file or a part of a container.

    Raises:
        ReadError: the data is empty or not of its format.
    """
    if not data.strip():
        raise ReadError("expected text, found an empty file: add text or leave it out")
    if not form.reader:
        yield from _read_rows(data, file_extension(name), document_id, log)
    elif form.is_container:
        if depth == MAX_NESTED_CONTAINERS:
            raise ReadError(f"expected at most {depth} containers inside each other, found more: unpack it")
        for part in form.read_parts(data, log):
            if part.name.startswith(UNNAMED_CONTENT):  # a compressed file that does not store its name
                part = replace(part, name=name[: -len(file_extension(name))] or part.name)
            yield from _read_part(part, document_id, log, depth + 1)
    else:
        yield from _content_items(form.read(data, log), document_id, document_id if form.is_code else name)


def _read_rows(data: bytes, extension: str, source_id: str, log: ReadLog) -> Items:
    stream = io.BufferedReader(cast(io.RawIOBase, io.BytesIO(data)))
    if extension == ".json":
        yield from _require_rows(read_json(log.decode(data), source_id, log), source_id)
    elif extension in (".csv", ".tsv"):
        yield from read_table(stream, source_id, log, "\t" if extension == ".tsv" else "")
    else:
        rows = gzip.GzipFile(fileobj=stream) if extension == ".jsonl.gz" else stream
        yield from _require_rows(read_jsonl(rows, source_id, log), source_id)


def _read_part(part: Part, container_id: str, log: ReadLog, depth: int) -> Items:
    """Read a part of a container; a problem concerns this part alone."""
    part_id, name = f"{container_id}/{part.name}", part.name.rpartition("/")[2]
    try:
        if isinstance(part.content, Content):
            yield from _content_items(part.content, part_id, name)
        else:
            yield from _read_bytes(part.content, format_of(name), part_id, name, log, depth)
    except ReadError as error:
        yield ReadProblem(part_id, None, str(error))


def _content_items(content: Content, document_id: str, name: str) -> Items:
    if not content.text.strip():
        reason = "; ".join(content.problems) or "expected text, found only white space: add text or leave it out"
        raise ReadError(reason)
    title = choose_title(content) or remove_control_chars(name if "/" in name else title_from_name(name))[0]
    yield make_document(document_id, title, content.text, document_id, content.tree, content.metadata)
    for problem in content.problems:
        yield ReadProblem(document_id, None, problem)


def _require_rows(items: Items, source_id: str) -> Items:
    is_empty = True
    for item in items:
        is_empty = False
        yield item
    if is_empty:
        yield ReadProblem(source_id, None, "expected rows, found none: add some, or leave the file out")


def _read_all(file: ByteStream) -> bytes:
    data = file.read(MAX_FILE_BYTES + 1)
    if len(data) > MAX_FILE_BYTES:
        raise ReadError(f"expected at most {MAX_FILE_BYTES >> 20} MB, found more: split it or convert it to .jsonl")
    return data


def title_from_name(name: str) -> str:
    """Return a title made of a file's name: without its extension, with spaces for hyphens and underscores."""
    stem = name[: -len(file_extension(name)) or None]
    return re.sub(r"[-_\s]+", " ", stem).strip() or name
