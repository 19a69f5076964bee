"""Bytes to clean text: encodings told apart, control characters removed, html, docx and pdf made plain.

The libraries that know these formats are slow to import and talk on stderr, so they load in the function that
needs them and are kept quiet there.
"""

from __future__ import annotations

import codecs
import io
import logging
import re
import warnings
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from kgrag.errors import ReadError


@dataclass(frozen=True, slots=True)
class Problem:
    """What could not be read, and why, in one sentence; ``line`` (from 1) is None when it is the whole file."""

    source_id: str
    line: int | None
    message: str

    def __str__(self) -> str:
        where = self.source_id if self.line is None else f"{self.source_id}:{self.line}"
        return f"{where}: {self.message}"


_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CANDIDATES = ["gb18030", "big5", "shift_jis", "euc_jp", "euc_kr", "cp1252", "cp1251", "koi8_r"]
_HIGH = re.compile(rb"[\x80-\xff]+")
_CONTROL = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f]")
_EVERYDAY = re.compile("[\t\n\r -~\u00a0-\u024f\u2010-\u2027\u3000-\u303f\u4e00-\u9fff\uff00-\uff5e]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_NEWLINE = re.compile("\r\n|[\r\x0b\x0c\x85\u2028\u2029]")
_SAMPLE = 65536
_UNPACKED = 1 << 30


def marked_encoding(head: bytes) -> str | None:
    """The encoding that a byte order mark at the beginning of ``head`` names, if there is one."""
    return next((name for bom, name in _BOMS if head.startswith(bom)), None)


def decode(data: bytes, hint: str | None = None) -> tuple[str, str]:
    """The text of ``data`` and the encoding it was read as; bytes that do not fit become U+FFFD.

    ``hint`` is an encoding that the file itself declares; it is believed only if all of ``data`` fits it.

    Raises:
        ReadError: ``data`` is not text in any encoding that is known here.
    """
    marked = marked_encoding(data[:4])
    if marked:
        return data.decode(marked, "replace"), marked.removesuffix("-sig")
    try:
        return data.decode("utf-8"), "utf-8"
    except UnicodeDecodeError:
        pass
    if b"\0" in data:
        wide = _unmarked_utf16(data)
        if wide is None:
            raise ReadError("expected text, found binary data: convert it to text, html, pdf or docx")
        return data.decode(wide, "replace"), wide
    if hint:
        try:
            return data.decode(hint), hint
        except (LookupError, UnicodeDecodeError):
            pass
    loose = data.decode("utf-8", "replace")
    bad = loose.count("\ufffd")
    if bad * 10 <= len(loose) - bad - sum(map(str.isascii, loose)):
        return loose, "utf-8"  # a damaged byte or two must not turn a whole file into another encoding
    name = _detect(_sample(data))
    if name is None:
        raise ReadError("expected text, found bytes in no known encoding: save it as UTF-8")
    return data.decode(name, "replace"), name


def _unmarked_utf16(data: bytes) -> str | None:
    """UTF-16 without a mark: nine in ten of its characters are then Latin or Chinese, which no other reading gives."""
    for name in ("utf-16-le", "utf-16-be"):
        try:
            text = data[:_SAMPLE].decode(name)
        except UnicodeDecodeError:
            continue
        if len(_EVERYDAY.findall(text)) * 10 >= len(text) * 9:
            return name
    return None


def _sample(data: bytes) -> bytes:
    """A stretch around the first bytes that are not ASCII, cut where no encoding has the middle of a character."""
    first = _HIGH.search(data)
    begin = data.rfind(b"\n", 0, first.start()) + 1 if first else 0
    piece = data[begin : begin + _SAMPLE]
    if begin + _SAMPLE >= len(data):
        return piece
    cut = max(piece.rfind(b"\n"), piece.rfind(b" "))
    return piece[:cut] if cut > _SAMPLE // 2 else data[begin:]


def _detect(data: bytes) -> str | None:
    runs = [len(run) for run in _HIGH.findall(data)]
    if sum(n == 1 for n in runs) * 10 >= len(runs) * 9:  # lone high bytes: accents among Latin letters
        try:
            data.decode("cp1252")
            return "cp1252"
        except UnicodeDecodeError:
            return "latin-1"
    if sum(runs) < 64:  # too few bytes for statistics: the 3,755 everyday characters come first in GB 2312
        try:
            characters = [c.encode("gb2312") for c in data.decode("gb2312") if not c.isascii()]
            everyday = [c for c in characters if 0xB0 <= c[0] <= 0xD7]
            if len(everyday) * 10 >= len(characters) * 7:
                return "gb18030"
        except UnicodeDecodeError:
            pass
    from charset_normalizer import from_bytes

    best = from_bytes(data, cp_isolation=_CANDIDATES).best()
    return best.encoding if best else None


def clean(text: str) -> tuple[str, int]:
    r"""``text`` with ``\n`` alone ending lines and without what cannot be kept, and how many characters that was.

    Control characters are removed, lone surrogates become U+FFFD; zero-width and right-to-left marks stay.

    Raises:
        ReadError: so many control characters that it is not text.
    """
    text, removed = _CONTROL.subn("", _NEWLINE.sub("\n", text.removeprefix("\ufeff")))
    if removed * 10 > len(text) + removed:
        raise ReadError("expected text, found mostly control characters: convert it to text, html, pdf or docx")
    text, replaced = _SURROGATE.subn("\ufffd", text)
    return text, removed + replaced


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps what libraries warn of from stderr: what matters of it becomes a Problem."""
    for name in ("pdfminer", "bs4"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def html_text(data: bytes) -> tuple[str, str, str]:
    """Markdown without links and pictures, the ``<title>`` (may be empty) and the encoding.

    Raises:
        ReadError: it is not text, or cannot be made sense of.
    """
    declared = re.search(rb"<meta[^>]{0,200}charset=[\"']?\s*([\w-]{2,20})", data[:4096], re.IGNORECASE)
    hint = declared.group(1).decode("ascii").lower() if declared else None
    text, encoding = decode(data, {"gb2312": "gb18030", "gbk": "gb18030"}.get(hint or "", hint))
    markdown, title = _markdown(_SURROGATE.sub("\ufffd", text).encode(), "html")
    return markdown, title, encoding


def _markdown(data: bytes, kind: str) -> tuple[str, str]:
    """Markdown and title of utf-8 html, or of a docx; whatever a library raises, the user gets a sentence."""
    with _quiet():
        from markitdown import StreamInfo
        from markitdown.converters import DocxConverter, HtmlConverter

        make: Callable[[], Any] = HtmlConverter if kind == "html" else DocxConverter
        info = StreamInfo(extension=f".{kind}", charset="utf-8")
        plain = {"escape_asterisks": False, "escape_underscores": False, "escape_misc": False}
        try:
            result = make().convert(io.BytesIO(data), info, strip=["a", "img"], **plain)
        except Exception as error:
            raise ReadError(f"expected {kind}, found a damaged file: open it and save it again") from error
    return result.markdown, " ".join((result.title or "").split())


def docx_text(data: bytes) -> str:
    """A Word document as markdown.

    Raises:
        ReadError: it is damaged, protected by a password, or not a .docx.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            unpacked = sum(item.file_size for item in archive.infolist())
            archive.getinfo("word/document.xml")
    except (zipfile.BadZipFile, KeyError, ValueError, NotImplementedError, EOFError) as error:
        if data.startswith(b"\xd0\xcf\x11\xe0"):
            raise ReadError("it is protected by a password or an old .doc: save it as .docx without one") from error
        raise ReadError("expected a Word document, found a damaged or other file: save it again as .docx") from error
    if unpacked > _UNPACKED:
        raise ReadError(f"it unpacks to {unpacked >> 20} MB, and the limit is {_UNPACKED >> 20} MB: split it")
    return _markdown(data, "docx")[0]


def pdf_text(data: bytes) -> str:
    """The text layer of a pdf, one line a paragraph.

    Raises:
        ReadError: it is damaged or protected by a password, or has no text layer.
    """
    with _quiet():
        from pdfminer.high_level import extract_text
        from pdfminer.pdfdocument import PDFEncryptionError, PDFPasswordIncorrect

        try:
            text = extract_text(io.BytesIO(data))
        except (PDFPasswordIncorrect, PDFEncryptionError) as error:
            raise ReadError("it is protected by a password: save a copy without one") from error
        except Exception as error:
            raise ReadError("expected a pdf, found a damaged one: open it and save or print it again") from error
    if not text.strip():
        raise ReadError("there is no text in it, it may be a scan: run text recognition (OCR) on it first")
    return "\n\n".join(_unwrapped(block) for block in re.split(r"\n\s*\n|\f", text) if block.strip())


def _unwrapped(block: str) -> str:
    """The lines of a paragraph joined; a line that ends well before the margin, or is short, keeps its end."""
    lines = [line.strip() for line in block.splitlines() if line.strip()]
    widths = [sum(2 if ord(c) > 0x2E7F else 1 for c in line) for line in lines]
    margin = max(30, max(widths) * 2 // 3)
    joined = lines[0]
    for width, line in zip(widths, lines[1:], strict=False):
        if width < margin:
            joined += "\n" + line
        elif joined[-1] == "-" and joined[-2:-1].islower() and line[0].islower():
            joined = joined[:-1] + line
        else:
            joined += ("" if ord(joined[-1]) > 0x2E7F and ord(line[0]) > 0x2E7F else " ") + line
    return joined
