"""Files to documents: what the arguments name, and what is in it.

Nothing that is wrong with one file stops the others: it comes out as a :class:`Problem` among the documents.
"""

from __future__ import annotations

import difflib
import glob
import gzip
import hashlib
import io
import os
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from ingest.convert import Problem, clean, docx_text, html_text, pdf_text
from ingest.rows import Log, Stream, make_document, read_json, read_jsonl, read_table
from kgrag.errors import ReadError, UsageError
from kgrag.types import Document

__all__ = ["KINDS", "Problem", "Source", "file_digest", "find_sources", "read"]

KINDS: tuple[str, ...] = (".txt", ".text", ".md", ".markdown", ".rst", ".html", ".htm", ".pdf", ".docx", ".csv", ".tsv")
KINDS += (".jsonl", ".jsonl.gz", ".json")
"""The endings of the files that are read; a file without an ending is read if it is text."""
LARGEST_FILE = 256 << 20
"""Bytes of a file that is read whole; tables and jsonl are streams and have no limit."""
_SHORT_LINE = 100


@dataclass(frozen=True, slots=True)
class Source:
    """A file to read, and its name in the store; ``-`` is standard input."""

    path: Path
    id: str


def find_sources(arguments: Sequence[str], base: Path, skipped: Counter[str] | None = None) -> list[Source]:
    """The files that ``arguments`` name (files, folders, globs, ``-``), sorted by id, each once.

    An id is the posix path relative to ``base``, or the absolute one of a file outside it. A file named outright is
    taken whatever its ending; in folders and globs, what is hidden or of an unknown kind is left out, and counted
    by reason in ``skipped``.

    Raises:
        UsageError: a path does not exist, or a glob matches nothing.
    """
    skipped = Counter() if skipped is None else skipped
    found: dict[str, Source] = {}
    for argument in arguments:
        for path in _expand(argument, skipped):
            source = Source(path, "-" if path == Path("-") and argument == "-" else _name(path, base))
            real = "-" if source.id == "-" else os.path.realpath(path)
            other = found.get(real)
            if other is None or (path.is_symlink(), source.id) < (other.path.is_symlink(), other.id):
                found[real] = source
    return sorted(found.values(), key=lambda source: source.id)


def _expand(argument: str, skipped: Counter[str]) -> Iterator[Path]:
    path = Path(argument)
    if argument == "-":
        yield path
    elif not argument.strip():
        raise UsageError("Expected a file, a folder or a glob, found an empty argument: name what to read.")
    elif path.is_dir():
        yield from _walk(path, skipped)
    elif os.path.lexists(path):
        yield path
    elif glob.has_magic(argument):
        matches = sorted(glob.glob(argument, recursive=True))
        if not matches:
            raise UsageError(f"Expected files, found nothing that matches {argument!r}{_closest(path)}")
        for match in map(Path, matches):
            if match.is_dir():
                if path.name != "**":  # which names the files itself
                    yield from _walk(match, skipped)
            elif _wanted(match, skipped):
                yield match
    else:
        raise UsageError(f"Expected a file or a folder, found nothing called {argument!r}{_closest(path)}")


def _closest(path: Path) -> str:
    """A hint at the existing name that is most like the first part of ``path`` that does not exist."""
    missing = path
    while not missing.parent.is_dir() and missing.parent != missing:
        missing = missing.parent
    try:
        names = difflib.get_close_matches(missing.name, os.listdir(missing.parent), 1, 0.6)
    except OSError:
        names = []
    return f": did you mean {str(missing.parent / names[0])!r}?" if names else ": check the spelling."


def _walk(folder: Path, skipped: Counter[str]) -> Iterator[Path]:
    """Files below ``folder``. Links are followed; a folder that was seen already is not entered again."""

    def failed(error: OSError) -> None:
        skipped["folder that cannot be opened"] += 1

    visited: set[str] = set()
    for here, folders, files in os.walk(folder, onerror=failed, followlinks=True):
        real = os.path.realpath(here)
        if real in visited:
            folders.clear()
            continue
        visited.add(real)
        skipped["hidden"] += sum(name.startswith(".") for name in folders)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            path = Path(here, name)
            if _wanted(path, skipped):
                yield path


def _wanted(path: Path, skipped: Counter[str]) -> bool:
    if path.name.startswith("."):
        reason = "hidden"
    elif not path.is_file():
        reason = "not a file"
    elif _kind(path) or (not path.suffix and _looks_like_text(path)):
        return True
    else:
        reason = f"unknown kind {path.suffix.lower()}" if path.suffix else "no ending, and not text"
    skipped[reason] += 1
    return False


def _looks_like_text(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            head = file.read(4096)
    except OSError:
        return True  # so that reading it says why it cannot be read
    return b"\0" not in head or head[:2] in (b"\xff\xfe", b"\xfe\xff")


def _name(path: Path, base: Path) -> str:
    for full, root in (
        (os.path.abspath(path), os.path.abspath(base)),
        (os.path.realpath(path), os.path.realpath(base)),
    ):
        if Path(full).is_relative_to(root):
            name = Path(full).relative_to(root).as_posix()
            break
    else:
        name = Path(os.path.abspath(path)).as_posix()
    return os.fsencode(name).decode("utf-8", "backslashreplace")


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


def _kind(path: Path) -> str:
    name = path.name.lower()
    return next((kind for kind in sorted(KINDS, key=len, reverse=True) if name.endswith(kind)), "")


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
    kind = _kind(source.path)
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
    stem = source.path.name[: -len(kind)] if kind and kind == _kind(source.path) else source.path.stem
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
