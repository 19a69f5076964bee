"""Read lines from byte streams of any size and encoding; line feed, carriage return or both end a line."""

from __future__ import annotations

import codecs
import gzip
import zlib
from collections.abc import Iterator
from typing import Protocol

from ingest.readers.content import ReadProblem
from ingest.readers.encodings.decoding import decode_bytes, unmarked_utf16
from ingest.readers.read_log import ReadLog
from kgrag.errors import ReadError
from kgrag.storage.text_files import encoding_from_bom

MAX_LINE_BYTES = 20_000_000
"""Maximum length of a line in bytes; longer lines are skipped without being held in memory."""
_CHUNK_BYTES = 1 << 16
_MIN_HEAD_BYTES = 4096
_LOOKAHEAD_BYTES = 1 << 14


class ByteStream(Protocol):
    """A buffered stream of bytes, such as a file or a ``gzip.GzipFile``."""

    def read(self, size: int = -1, /) -> bytes:
        """Return up to ``size`` bytes; fewer only at the end."""

    def read1(self, size: int = -1, /) -> bytes:
        """Return up to ``size`` bytes, those of one read; b"" at the end."""


def numbered_lines(stream: ByteStream, source: str, log: ReadLog) -> Iterator[tuple[int, str | ReadProblem]]:
    """Yield lines with their numbers (from 1), without line ends; an unreadable line becomes a `ReadProblem`."""
    number, fallback_encoding = 0, ""
    try:
        for line, following in _raw_lines(_utf8_chunks(stream, log)):
            number += 1
            if line is None:
                size = f"more than {MAX_LINE_BYTES // 10**6} MB"
                problem = f"expected a shorter line, found {size}: split it into rows"
                yield number, ReadProblem(source, number, problem)
                continue
            try:
                yield number, line.decode()
                continue
            except UnicodeDecodeError:
                pass
            try:
                fallback_encoding = fallback_encoding or decode_bytes(line + b"\n" + following)[1]
            except ReadError as error:
                yield number, ReadProblem(source, number, str(error))
                if number == 1:  # the file is of another kind, not damaged
                    return
                continue
            yield number, log.record_encoding(line.decode(fallback_encoding, "replace"), fallback_encoding)
    except (EOFError, zlib.error, OSError) as error:
        is_damaged = isinstance(error, (zlib.error, gzip.BadGzipFile))
        reason = "a file that ends early" if isinstance(error, EOFError) else "damage" if is_damaged else str(error)
        yield number + 1, ReadProblem(source, number + 1, f"expected more lines, found {reason}: copy the file again")


def _utf8_chunks(stream: ByteStream, log: ReadLog) -> Iterator[bytes]:
    """Yield the bytes of a stream, recoded if they are in an encoding of wider units, without a byte order mark."""
    head = stream.read1(_CHUNK_BYTES)
    while len(head) < _MIN_HEAD_BYTES and (more := stream.read1(_CHUNK_BYTES)):
        head += more
    encoding = encoding_from_bom(head[:4]) or unmarked_utf16(head)
    if encoding is None or encoding == "utf-8-sig":
        yield head.removeprefix(codecs.BOM_UTF8)
        while chunk := stream.read1(_CHUNK_BYTES):
            yield chunk
        return
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    chunk = head
    while chunk:
        yield log.record_encoding(decoder.decode(chunk), encoding).encode()
        chunk = stream.read1(_CHUNK_BYTES)
    yield decoder.decode(b"", final=True).encode()


def _raw_lines(chunks: Iterator[bytes]) -> Iterator[tuple[bytes | None, bytes]]:
    """Yield lines, None for one that is too long, each with whole lines that follow it."""
    parts: list[bytes] = []
    size = 0
    held = b""  # a line end at the end of a chunk may go on in the next one

    def take() -> bytes | None:
        nonlocal size
        line = None if size > MAX_LINE_BYTES else b"".join(parts)
        parts.clear()
        size = 0
        return line

    for chunk in chunks:
        chunk = held + chunk
        held = b"\r" if chunk.endswith(b"\r") else b""
        chunk = chunk.removesuffix(held) if held else chunk
        position = 0
        for piece in chunk.splitlines(keepends=True):
            position += len(piece)
            text = piece.rstrip(b"\r\n")
            size += len(text)
            if size <= MAX_LINE_BYTES:
                parts.append(text)
            else:
                parts.clear()
            if len(text) < len(piece):
                yield take(), _whole_lines(chunk, position)
    if size or held:
        yield take(), b""


def _whole_lines(chunk: bytes, position: int) -> bytes:
    following = chunk[position : position + _LOOKAHEAD_BYTES]
    return following[: max(following.rfind(b"\n"), following.rfind(b"\r")) + 1]
