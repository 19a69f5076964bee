"""Open formats that are zip archives of XML, with limits on what they unpack to."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from ingest.readers.office.xml_elements import Element, parse_xml
from kgrag.errors import ReadError

MAX_UNPACKED_BYTES = 1 << 30
"""Maximum size in bytes of all entries of an archive; larger ones are not needed for text."""
MAX_RATIO = 200
"""Maximum ratio of unpacked to packed bytes above `MIN_SUSPECT_BYTES`; sheets of numbers reach 30, bombs 1,000."""
MIN_SUSPECT_BYTES = 32 << 20
MAX_PART_BYTES = 128 << 20
"""Maximum size in bytes of an entry that is read whole, about 4,000 pages of a Word document."""
OLE_MAGIC = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_OLD_FORMATS = (
    ("WordDocument", "an old Word document (.doc)"),
    ("Workbook", "an old Excel workbook (.xls)"),
    ("PowerPoint Document", "an old PowerPoint presentation (.ppt)"),
)
_SIGNATURES = (
    (b"%PDF", "a PDF"),
    (b"{\\rtf", "an RTF document"),
    (b"<!doctype html", "an HTML page"),
    (b"<html", "an HTML page"),
    (b"<?xml", "an XML file"),
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"\x1f\x8b", "a gzip archive"),
)
_PACKAGES = (
    ("word/document.xml", "a Word document (.docx)"),
    ("xl/workbook.xml", "an Excel workbook (.xlsx)"),
    ("xl/workbook.bin", "a binary Excel workbook (.xlsb)"),
    ("ppt/presentation.xml", "a PowerPoint presentation (.pptx)"),
    ("meta-inf/container.xml", "an EPUB book"),
    ("content.xml", "an OpenDocument file"),
)
_ZIP_ERRORS = (zipfile.BadZipFile, zlib.error, EOFError, ValueError, NotImplementedError, RuntimeError, OSError)


@contextmanager
def refuse_damage(kind: str) -> Iterator[None]:
    """Turn the errors of a damaged file, such as a number of a thousand digits or endless nesting, into a ReadError."""
    try:
        yield
    except (*_ZIP_ERRORS, OverflowError, RecursionError) as error:
        if isinstance(error, ReadError):
            raise
        raise ReadError(f"expected {kind}, found a damaged file: open it in its program and save it again") from error


class ZipPackage:
    """A zip archive that is one document; names of entries are compared without case.

    Args:
        data: the file.
        kind: the expected format with its article and extension, for messages.

    Raises:
        ReadError: the data is another or a damaged file, protected by a password, or larger than the limits.
    """

    def __init__(self, data: bytes, kind: str) -> None:
        self.kind = kind
        try:
            self._archive = zipfile.ZipFile(io.BytesIO(data))
        except _ZIP_ERRORS as error:
            raise ReadError(_explain_content(data, kind)) from error
        self._entries: dict[str, zipfile.ZipInfo] = {}
        self._ambiguous: set[str] = set()
        unpacked = 0
        for entry in self._archive.infolist():
            name = entry.filename.replace("\\", "/").lstrip("/").lower()
            other = self._entries.setdefault(name, entry)
            if (other.CRC, other.file_size) != (entry.CRC, entry.file_size):
                self._ambiguous.add(name)
            unpacked += entry.file_size
        if unpacked > MAX_UNPACKED_BYTES:
            raise ReadError(
                f"expected at most {MAX_UNPACKED_BYTES >> 20} MB unpacked, found {unpacked >> 20} MB: split it"
            )
        if unpacked > MIN_SUSPECT_BYTES and unpacked > MAX_RATIO * len(data):
            raise ReadError(
                f"expected content that packs up to {MAX_RATIO} times, found {unpacked >> 20} MB packed into "
                f"{len(data) >> 10} KB: save it again from its program"
            )

    def __contains__(self, name: str) -> bool:
        return name.lower() in self._entries

    def names(self) -> list[str]:
        """Return the names of the entries, in the order of the archive."""
        return [entry.filename.replace("\\", "/").lstrip("/") for entry in self._entries.values()]

    def describe(self) -> str:
        """Return the format that the entries belong to, for messages."""
        return next((kind for name, kind in _PACKAGES if name in self), "a zip archive of other files")

    def require(self, name: str) -> None:
        """Check that an entry exists.

        Raises:
            ReadError: it does not, so the archive is another or a damaged file.
        """
        if name not in self:
            found = self.describe()
            found = "a damaged one" if found == self.kind else found
            raise ReadError(f"expected {self.kind}, found {found}: save it again in that format, or rename it")

    def open(self, name: str) -> IO[bytes]:
        """Open an entry as a stream of bytes, which ends at its declared size.

        Raises:
            ReadError: there is no such entry, two different ones, or it is encrypted.
        """
        self.require(name)
        entry = self._entries[name.lower()]
        if name.lower() in self._ambiguous:
            raise ReadError(f"expected one entry {name!r}, found several: save it again from its program")
        if entry.flag_bits & 1:
            raise ReadError("it is protected by a password: save a copy without one")
        try:
            return self._archive.open(entry)
        except _ZIP_ERRORS as error:
            raise self.damaged() from error

    def read(self, name: str) -> bytes:
        """Return the bytes of an entry.

        Raises:
            ReadError: there is no such entry, or it is damaged, encrypted, or larger than `MAX_PART_BYTES`.
        """
        try:
            with self.open(name) as stream:
                data = stream.read(MAX_PART_BYTES + 1)
        except _ZIP_ERRORS as error:
            raise self.damaged() from error
        if len(data) > MAX_PART_BYTES:
            raise ReadError(f"expected at most {MAX_PART_BYTES >> 20} MB in {name!r}, found more: split the document")
        return data

    def read_xml(self, name: str) -> Element:
        """Return the root element of an entry.

        Raises:
            ReadError: as in `read`, or the entry is no XML, or has entities.
        """
        try:
            return parse_xml(self.read(name))
        except ReadError as error:
            raise ReadError(f"{error} (in {name!r})") from error

    def damaged(self) -> ReadError:
        """Return the error for a damaged archive."""
        return ReadError(f"expected {self.kind}, found a damaged file: open it in its program and save it again")


def _explain_content(data: bytes, kind: str) -> str:
    """Return the reason why data is no zip archive."""
    if data.startswith(OLE_MAGIC):
        return explain_ole(data, kind)
    head = data[:512].lstrip().lower()
    found = next((name for magic, name in _SIGNATURES if head.startswith(magic.lower())), "")
    if found:
        return f"expected {kind}, found {found}: rename it to its own extension"
    return f"expected {kind}, found a damaged file: open it in its program and save it again"


def explain_ole(data: bytes, kind: str) -> str:
    """Return the reason why an OLE file, as of Office 97, cannot be read."""
    if "EncryptedPackage".encode("utf-16-le") in data:
        return "it is protected by a password: save a copy without one"
    old = next((text for name, text in _OLD_FORMATS if name.encode("utf-16-le") in data), "")
    if old:
        return f"expected {kind}, found {old}: open it in its program and save it in the newer format"
    return f"expected {kind}, found a file protected by a password or of an old format: save a copy as {kind}"
