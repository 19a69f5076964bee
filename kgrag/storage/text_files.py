"""Open text files of users (settings, aliases, questions) in UTF-8 or the encoding of a byte order mark."""

from __future__ import annotations

import codecs
import gzip
import io
from pathlib import Path
from typing import TextIO

BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
"""Byte order marks and the codecs that remove them; UTF-32 precedes UTF-16, whose mark begins the same."""


def encoding_from_bom(head: bytes) -> str | None:
    """Return the encoding named by a byte order mark at the start of ``head``, or None."""
    return next((name for mark, name in BYTE_ORDER_MARKS if head.startswith(mark)), None)


def open_text_file(path: Path) -> TextIO:
    """Open a text file, gzip or plain, in UTF-8 or the encoding of its byte order mark, which is removed.

    Windows PowerShell and Notepad write such marks.

    Raises:
        OSError: the file cannot be opened, or is no gzip file although its name ends in ``.gz``.
    """
    stream = io.BufferedReader(gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb", 0))  # noqa: SIM115 (the caller closes it)
    try:
        encoding = encoding_from_bom(stream.peek(4)[:4]) or "utf-8"
    except BaseException:
        stream.close()
        raise
    return io.TextIOWrapper(stream, encoding)


def read_text_file(path: Path) -> str:
    r"""Return the text of a file as `open_text_file` reads it, with line ends as ``\n``.

    Raises:
        OSError: the file cannot be read.
        UnicodeDecodeError: it is not in that encoding.
    """
    with open_text_file(path) as file:
        return file.read()
