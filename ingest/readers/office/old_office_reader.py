"""Read RTF, and files with the extensions of Office 97 (.doc, .xls, .ppt).

Only files of a newer format under an old extension can be read; the binary formats are refused with what to do.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from ingest.readers.content import Content
from ingest.readers.html.reader import read_html
from ingest.readers.office.docx_reader import read_docx
from ingest.readers.office.ooxml_package import sensible_title
from ingest.readers.office.pptx_reader import read_pptx
from ingest.readers.office.xlsx_reader import read_xlsx
from ingest.readers.office.zip_package import OLE_MAGIC, explain_ole
from ingest.readers.read_log import ReadLog
from ingest.readers.tree_builder import TreeBuilder
from kgrag.errors import ReadError

_NEWER = {"doc": "a .docx", "xls": "an .xlsx", "ppt": "a .pptx"}
_RTF_TITLE = re.compile(r"\{\\title\s([^{}]*)\}")
_RTF_AUTHOR = re.compile(r"\{\\author\s([^{}]*)\}")
_RTF_SUPERSCRIPT = re.compile(
    r"((?<=[^\s{\\])\{?(?:\\super(?![a-z\d])|\\up[1-9]\d*+)(?:\\(?!nosupersub)[a-z]++-?\d*+)*[ \n])(?=[-+]?\d)"
)
"""Raised digits; ``^`` before them keeps ten to the sixth from one hundred and six."""
_RTF_HIDDEN = re.compile(r"\\v(?![a-z\d])(?:(?!\\v0|\\plain)(?:\\'[\da-f]{2}|\\[a-z]+-?\d*+ ?|[^\\{}]))*")
"""Hidden text, to its end or that of its group."""
MAX_RTF_BYTES = 64 << 20
"""Maximum size in bytes of an RTF document without its pictures."""


def read_doc(data: bytes, log: ReadLog) -> Content:
    """Read a file with the extension .doc.

    Raises:
        ReadError: it is a binary Word document.
    """
    return read_docx(data, log) if data.startswith(b"PK") else _read_renamed(data, log, "doc")


def read_xls(data: bytes, log: ReadLog) -> Content:
    """Read a file with the extension .xls.

    Raises:
        ReadError: it is a binary Excel workbook.
    """
    return read_xlsx(data, log) if data.startswith(b"PK") else _read_renamed(data, log, "xls")


def read_ppt(data: bytes, log: ReadLog) -> Content:
    """Read a file with the extension .ppt.

    Raises:
        ReadError: it is a binary PowerPoint presentation.
    """
    return read_pptx(data, log) if data.startswith(b"PK") else _read_renamed(data, log, "ppt")


def _read_renamed(data: bytes, log: ReadLog, extension: str) -> Content:
    newer = _NEWER[extension]
    if data.startswith(OLE_MAGIC):
        raise ReadError(explain_ole(data, newer))
    head = data[:512].lstrip().lower()
    if head.startswith(b"{\\rtf"):
        return read_rtf(data, log)
    if b"<html" in head or head.startswith(b"<!doctype html"):
        return read_html(data, log)
    raise ReadError(f"expected {newer} file, found another file named .{extension}: save it as {newer}")


def read_rtf(data: bytes, log: ReadLog) -> Content:
    """Read an RTF document.

    Raises:
        ReadError: it is no RTF document, or too large.
    """
    from striprtf import striprtf

    if not data.lstrip().startswith(b"{\\rtf"):
        raise ReadError("expected an RTF document (.rtf), found another file: rename it to its own extension")
    convert: Callable[..., str] = striprtf.rtf_to_text
    # the digits of a picture are no text, and most of the size
    source = re.sub(rb"[0-9a-fA-F\s]{1000,}", b" ", data).decode("latin-1")
    if len(source) > MAX_RTF_BYTES:
        raise ReadError(f"expected at most {MAX_RTF_BYTES >> 20} MB, found more: save it as .docx")
    try:
        shown = _RTF_HIDDEN.sub("", _RTF_SUPERSCRIPT.sub(r"\1^", source))
        text = log.clean(str(convert(shown, errors="replace")))
    except (ValueError, LookupError, IndexError, UnicodeError, RecursionError) as error:
        raise ReadError("expected an RTF document, found a damaged one: open it and save it again") from error
    builder = TreeBuilder()
    for line in text.split("\n"):
        cells = [cell.strip() for cell in line.split("|")]
        if line.rstrip().endswith("|") and len(cells) > 2:
            builder.add_row(cells[:-1])
        else:
            builder.add_paragraph(line.strip())
    author = _RTF_AUTHOR.search(source)
    metadata = {"author": author.group(1).strip()} if author and author.group(1).isascii() else {}
    title = _RTF_TITLE.search(source)
    is_plain = title is not None and title.group(1).isascii() and "\\" not in title.group(1)
    return Content(*builder.build(), sensible_title(title.group(1)) if title and is_plain else "", metadata)
