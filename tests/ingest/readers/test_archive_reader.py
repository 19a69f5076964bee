"""Archives are containers of their files; bombs, passwords, links and bad names do no harm."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
from collections.abc import Iterator

import pytest

from ingest.readers.archives.archive_members import clean_member_name
from ingest.readers.archives.archive_reader import read_compressed, read_tar, read_zip
from ingest.readers.archives.unpacking import UnpackBudget
from ingest.readers.content import Content, Part
from ingest.readers.read_log import ReadLog
from kgrag.errors import ReadError


def build_zip(*members: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return buffer.getvalue()


def build_tar(*members: tuple[str, bytes], mode: str = "w") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:  # type: ignore[call-overload]
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE):
            info = tarfile.TarInfo("link.txt")
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
    return buffer.getvalue()


def contents(parts: Iterator[Part]) -> dict[str, bytes | tuple[str, ...]]:
    """Return bytes or problems by name."""
    return {p.name: p.content.problems if isinstance(p.content, Content) else p.content for p in parts}


def test_zip_files_are_parts_with_clean_unique_names() -> None:
    data = build_zip(
        ("docs/a.txt", b"one"),
        ("../docs/a.txt", b"two"),
        ("/etc\\b.md", b"three"),
        ("C:/c.md", b"four"),
        ("README", b"five"),
        ("empty.txt", b""),
        (".git/config.txt", b"hidden"),
        ("__MACOSX/a.txt", b"hidden"),
    )
    assert contents(read_zip(data, ReadLog())) == {
        "docs/a.txt": b"one",
        "docs/a (2).txt": b"two",
        "etc/b.md": b"three",
        "c.md": b"four",
        "README": b"five",
    }


def test_zip_unknown_kinds_are_counted() -> None:
    data = build_zip(("a.txt", b"one"), ("b.exe", b"MZ"), ("c.exe", b"MZ"), ("d.unknown", b"x"), ("tool", b"\x7fELF\0"))
    assert contents(read_zip(data, ReadLog()))["skipped"] == (
        "expected files of known kinds, found 4 other files: .exe (2), .unknown (1), binary (1); convert or leave them out",
    )


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("仓库.txt".encode("gb18030"), "仓库.txt"),
        ("仓库.txt".encode(), "仓库.txt"),
        ("M\u00fchle.txt".encode("cp437"), "Mühle.txt"),
    ],
)
def test_zip_name_in_old_encoding_is_decoded(raw: bytes, expected: str) -> None:
    data = build_zip(("x" * len(raw), b"one")).replace(b"x" * len(raw), raw)
    assert list(contents(read_zip(data, ReadLog()))) == [expected]


def test_zip_encrypted_file_is_a_problem() -> None:
    data = bytearray(build_zip(("a.txt", b"one"), ("b.txt", b"two")))
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    assert contents(read_zip(bytes(data), ReadLog())) == {
        "a.txt": ("it is protected by a password: unpack it",),
        "b.txt": b"two",
    }


def test_zip_damaged_file_is_a_problem() -> None:
    data = build_zip(("a.txt", b"one and more"), ("b.txt", b"two"), method=zipfile.ZIP_STORED)
    assert contents(read_zip(data.replace(b"one and", b"one bad"), ReadLog())) == {
        "a.txt": ("it is damaged: pack it again",),
        "b.txt": b"two",
    }


def test_zip_bomb_is_refused_by_its_real_size() -> None:
    data = build_zip(("bomb.txt", bytes(40 << 20)), ("b.txt", b"two"))
    size = (40 << 20).to_bytes(4, "little")
    data = data.replace(size, (100).to_bytes(4, "little"))  # a declared size of 100 bytes
    parts = contents(read_zip(data, ReadLog()))
    assert parts["b.txt"] == b"two" and isinstance(parts["bomb.txt"], tuple)
    honest = contents(read_zip(build_zip(("bomb.txt", bytes(40 << 20)), ("b.txt", b"two")), ReadLog()))
    assert isinstance(honest["bomb.txt"], tuple) and "zip bomb" in honest["bomb.txt"][0]
    assert honest["b.txt"] == b"two"


def test_zip_budget_is_shared_by_nested_archives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(UnpackBudget, "MAX_BYTES", 10_000)
    log, data = ReadLog(), build_zip(("a.txt", bytes(range(250)) * 20))
    assert len(contents(read_zip(data, log))) == 1
    with pytest.raises(ReadError, match="found more: unpack and split it"):
        contents(read_zip(data, log))
    assert len(contents(read_zip(data, ReadLog()))) == 1


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_tar_files_are_parts_and_links_are_not(mode: str) -> None:
    data = build_tar(("docs/a.txt", b"one"), ("../../b.md", b"two"), ("c.exe", b"MZ"), mode=mode)
    assert contents(read_tar(data, ReadLog())) == {
        "docs/a.txt": b"one",
        "b.md": b"two",
        "skipped": ("expected files of known kinds, found 1 other file: .exe (1); convert or leave them out",),
    }


@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_tar_cut_off_keeps_the_files_before(mode: str) -> None:
    noise = b"".join(i.to_bytes(4, "big") for i in range(10_000)).hex().encode()
    data = build_tar(("a.txt", b"one"), ("b.txt", noise), mode=mode)
    names = []
    with pytest.raises(ReadError, match="expected a whole archive, found a damaged one"):
        for part in read_tar(data[: len(data) // 2], ReadLog()):
            names.append(part.name)
    assert names == ["a.txt"]


def test_tar_bomb_is_refused() -> None:
    with pytest.raises(ReadError, match="zip bomb"):
        contents(read_tar(gzip.compress(build_tar(("a.txt", bytes(40 << 20)))), ReadLog()))


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_compressed_file_is_one_part(pack: object) -> None:
    assert callable(pack)
    assert contents(read_compressed(pack(b"Hello there"), ReadLog())) == {"content.txt": b"Hello there"}
    assert contents(read_compressed(pack(b"<html><p>Hello"), ReadLog())) == {"content.html": b"<html><p>Hello"}


def test_gzip_stored_name_is_used() -> None:
    buffer = io.BytesIO()
    with gzip.GzipFile("list.csv", "wb", fileobj=buffer) as file:
        file.write(b"a,b\n1,2\n")
    assert contents(read_compressed(buffer.getvalue(), ReadLog())) == {"list.csv": b"a,b\n1,2\n"}


@pytest.mark.parametrize("read", [read_zip, read_tar, read_compressed])
@pytest.mark.parametrize("data", [b"PK\x03\x04 no zip", b"\x1f\x8b\x08 no gzip", b"BZh no bzip", b"\xfd7zXZ\x00 no xz"])
def test_damaged_archive_raises(read: object, data: bytes) -> None:
    assert callable(read)
    if read is read_compressed and data.startswith(b"PK"):
        pytest.skip("a file that is not compressed is passed on")
    with pytest.raises(ReadError, match=r"^expected .* archive|^expected a compressed file"):
        contents(read(data, ReadLog()))


def test_member_name_is_relative() -> None:
    assert clean_member_name("..\\..\\a/./b\0.txt") == "a/b.txt"
    assert clean_member_name("docs/.hidden/a.txt") == clean_member_name("..") == clean_member_name("") == ""
