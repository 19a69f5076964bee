"""Read archives (zip, tar and compressed files) as containers of the documents inside, within limits."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from typing import BinaryIO, cast

from ingest.readers.archives.archive_members import MemberNames, decode_zip_name
from ingest.readers.archives.unpacking import LimitedStream, UnpackBudget
from ingest.readers.content import Content, Part
from ingest.readers.formats import file_extension, format_of_bytes
from ingest.readers.read_log import ReadLog
from kgrag.errors import ReadError

MAX_MEMBERS = 200_000
"""Maximum number of members of a zip; the list of more would need gigabytes."""
_DAMAGES = (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, OSError, ValueError)


def read_zip(data: bytes, log: ReadLog) -> Iterator[Part]:
    """Yield the files of a zip archive.

    Raises:
        ReadError: it is damaged, or beyond a limit; the files before the damage are yielded first.
    """
    if data.count(b"PK\x01\x02") > MAX_MEMBERS:
        raise ReadError(f"expected at most {MAX_MEMBERS:,} files in an archive, found more: split it")
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
    except (*_DAMAGES, NotImplementedError) as error:
        raise ReadError("expected a zip archive, found a damaged or other file: download or pack it again") from error
    budget, names = UnpackBudget.of(log), MemberNames()
    with archive:
        for info in archive.infolist():
            is_link = (info.external_attr >> 16) & 0o170000 == 0o120000
            name = "" if info.is_dir() or is_link else names.choose(decode_zip_name(info))
            if not name:
                continue
            if info.flag_bits & 0x1:
                yield _problem(name, "it is protected by a password: unpack it")
                continue
            try:
                with archive.open(info) as file:
                    stream = LimitedStream(cast(BinaryIO, file), budget, lambda size=info.compress_size: size)  # type: ignore[misc]
                    content = stream.read_member()
            except (*_DAMAGES, NotImplementedError, RuntimeError) as error:
                reason = "it is packed by a method that is not supported" if _is_method(error) else "it is damaged"
                yield _problem(name, f"{reason}: pack it again")
                continue
            except ReadError as error:
                if budget.is_spent:
                    raise
                yield _problem(name, str(error))
                continue
            yield from _member(name, content, names)
    yield from _skipped(names)


def read_tar(data: bytes, log: ReadLog) -> Iterator[Part]:
    """Yield the files of a tar archive, also of one compressed by gzip, bzip2 or xz.

    Raises:
        ReadError: it is damaged, or beyond a limit; the files before the damage are yielded first.
    """
    budget, names = UnpackBudget.of(log), MemberNames()
    raw = io.BytesIO(data)
    stream = LimitedStream(_decompress(raw, data), budget, raw.tell)
    is_empty = True
    try:
        # as a stream: nothing is read twice, and links are not followed
        with tarfile.open(fileobj=cast(BinaryIO, stream), mode="r|", errorlevel=1) as archive:
            for info in archive:
                is_empty = False
                archive.members.clear()  # type: ignore[attr-defined]
                file = archive.extractfile(info) if info.isreg() else None
                name = names.choose(info.name) if file else ""
                if not file or not name:
                    continue
                if info.size > UnpackBudget.MAX_MEMBER_BYTES:
                    yield _problem(name, UnpackBudget.SIZE_MESSAGE)
                    continue
                yield from _member(name, file.read(), names)
    except _DAMAGES as error:
        if is_empty:
            raise ReadError("expected a tar archive, found a damaged or other file: pack it again") from error
        yield from _skipped(names)
        raise ReadError(
            "expected a whole archive, found a damaged one: the files before the damage are read"
        ) from error
    yield from _skipped(names)


def read_compressed(data: bytes, log: ReadLog) -> Iterator[Part]:
    """Yield the file that is compressed by gzip, bzip2 or xz, under its stored name if it has one.

    Raises:
        ReadError: it is damaged, or beyond a limit.
    """
    raw = io.BytesIO(data)
    stream = LimitedStream(_decompress(raw, data), UnpackBudget.of(log), raw.tell)
    try:
        content = stream.read_member()
    except _DAMAGES as error:
        raise ReadError("expected a compressed file, found a damaged or other one: compress it again") from error
    name = MemberNames().choose(_gzip_name(data))
    if not file_extension(name):
        name = "content" + format_of_bytes(content[:64]).extensions[0]
    yield Part(name, content)


def _decompress(raw: io.BytesIO, data: bytes) -> BinaryIO:
    if data.startswith(b"\x1f\x8b"):
        return cast(BinaryIO, gzip.GzipFile(fileobj=raw))
    if data.startswith(b"BZh"):
        return cast(BinaryIO, bz2.BZ2File(raw))
    if data.startswith(b"\xfd7zXZ\x00") or data.startswith(b"\x5d\x00\x00"):
        return cast(BinaryIO, lzma.LZMAFile(raw))
    return raw


def _gzip_name(data: bytes) -> str:
    """Return the name in the header of a gzip file (RFC 1952), or ""."""
    if not data.startswith(b"\x1f\x8b") or len(data) < 12 or not data[3] & 0x08:
        return ""
    start = 12 + int.from_bytes(data[10:12], "little") if data[3] & 0x04 else 10
    return data[start : start + 512].partition(b"\0")[0].decode("latin-1")


def _member(name: str, content: bytes, names: MemberNames) -> Iterator[Part]:
    if not content.strip():
        return
    if not file_extension(name) and b"\0" in content[:4096]:
        names.skip(name)
    else:
        yield Part(name, content)


def _problem(name: str, sentence: str) -> Part:
    return Part(name, Content("", problems=(sentence,)))


def _skipped(names: MemberNames) -> Iterator[Part]:
    sentence = names.skipped_sentence()
    if sentence:
        yield _problem("skipped", sentence)


def _is_method(error: Exception) -> bool:
    return isinstance(error, NotImplementedError)
