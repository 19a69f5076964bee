"""Convert bytes to clean text: detect encodings, remove control characters, extract html, docx and pdf.

The libraries for these formats are slow to import and print warnings to stderr. They are imported in the functions
that need them, with their warnings suppressed.
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
class ReadProblem:
    """A file or row that could not be read, and the reason in one sentence.

    ``line`` counts from 1; it is None if the problem concerns the whole file.
    """

    source_id: str
    line: int | None
    message: str

    def __str__(self) -> str:
        location = self.source_id if self.line is None else f"{self.source_id}:{self.line}"
        return f"{location}: {self.message}"


_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CANDIDATE_ENCODINGS = ["gb18030", "big5", "shift_jis", "euc_jp", "euc_kr", "cp1252", "cp1251", "koi8_r"]
_NON_ASCII_BYTES = re.compile(rb"[\x80-\xff]+")
_CONTROL_CHARS = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f]")
_COMMON_CHARS = re.compile("[\t\n\r -~\u00a0-\u024f\u2010-\u2027\u3000-\u303f\u4e00-\u9fff\uff00-\uff5e]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_NEWLINE = re.compile("\r\n|[\r\x0b\x0c\x85\u2028\u2029]")
_SAMPLE_BYTES = 65536
_MAX_UNPACKED_BYTES = 1 << 30


def encoding_from_bom(head: bytes) -> str | None:
    """Return the encoding named by a byte order mark at the start of ``head``, or None."""
    return next((name for bom, name in _BOMS if head.startswith(bom)), None)


def decode_bytes(data: bytes, declared_encoding: str | None = None) -> tuple[str, str]:
    """Decode bytes; return the text and its encoding. Invalid bytes become U+FFFD.

    Args:
        data: the bytes.
        declared_encoding: encoding that the file declares; used only if all of ``data`` is valid in it.

    Raises:
        ReadError: ``data`` is not text in any supported encoding.
    """
    bom_encoding = encoding_from_bom(data[:4])
    if bom_encoding:
        return data.decode(bom_encoding, "replace"), bom_encoding.removesuffix("-sig")
    try:
        return data.decode("utf-8"), "utf-8"
    except UnicodeDecodeError:
        pass
    if b"\0" in data:
        utf16_encoding = _unmarked_utf16(data)
        if utf16_encoding is None:
            raise ReadError("expected text, found binary data: convert it to text, html, pdf or docx")
        return data.decode(utf16_encoding, "replace"), utf16_encoding
    if declared_encoding:
        try:
            return data.decode(declared_encoding), declared_encoding
        except (LookupError, UnicodeDecodeError):
            pass
    lossy_text = data.decode("utf-8", "replace")
    replacement_count = lossy_text.count("\ufffd")
    if replacement_count * 10 <= len(lossy_text) - replacement_count - sum(map(str.isascii, lossy_text)):
        return lossy_text, "utf-8"  # a few damaged bytes must not change the encoding of the whole file
    encoding = _detect_encoding(_non_ascii_sample(data))
    if encoding is None:
        raise ReadError("expected text, found bytes in no known encoding: save it as UTF-8")
    return data.decode(encoding, "replace"), encoding


def _unmarked_utf16(data: bytes) -> str | None:
    """Detect UTF-16 without a byte order mark: nine in ten characters are Latin or Chinese in no other encoding."""
    for encoding in ("utf-16-le", "utf-16-be"):
        try:
            text = data[:_SAMPLE_BYTES].decode(encoding)
        except UnicodeDecodeError:
            continue
        if len(_COMMON_CHARS.findall(text)) * 10 >= len(text) * 9:
            return encoding
    return None


def _non_ascii_sample(data: bytes) -> bytes:
    """Return a sample around the first non-ASCII bytes, cut where no encoding has the middle of a character."""
    first = _NON_ASCII_BYTES.search(data)
    begin = data.rfind(b"\n", 0, first.start()) + 1 if first else 0
    piece = data[begin : begin + _SAMPLE_BYTES]
    if begin + _SAMPLE_BYTES >= len(data):
        return piece
    cut = max(piece.rfind(b"\n"), piece.rfind(b" "))
    return piece[:cut] if cut > _SAMPLE_BYTES // 2 else data[begin:]


def _detect_encoding(data: bytes) -> str | None:
    runs = [len(run) for run in _NON_ASCII_BYTES.findall(data)]
    if sum(n == 1 for n in runs) * 10 >= len(runs) * 9:  # lone high bytes: accents among Latin letters
        try:
            data.decode("cp1252")
            return "cp1252"
        except UnicodeDecodeError:
            return "latin-1"
    if sum(runs) < 64:  # too few bytes for statistics: the 3,755 everyday characters come first in GB 2312
        try:
            characters = [c.encode("gb2312") for c in data.decode("gb2312") if not c.isascii()]
            common_characters = [c for c in characters if 0xB0 <= c[0] <= 0xD7]
            if len(common_characters) * 10 >= len(characters) * 7:
                return "gb18030"
        except UnicodeDecodeError:
            pass
    from charset_normalizer import from_bytes

    best = from_bytes(data, cp_isolation=_CANDIDATE_ENCODINGS).best()
    return best.encoding if best else None


def clean_text(text: str) -> tuple[str, int]:
    r"""Normalise line ends to ``\n``, remove control characters, and return the text and the number removed.

    Lone surrogates become U+FFFD; zero-width and right-to-left marks stay.

    Raises:
        ReadError: the text consists mostly of control characters.
    """
    text, removed_count = _CONTROL_CHARS.subn("", _NEWLINE.sub("\n", text.removeprefix("\ufeff")))
    if removed_count * 10 > len(text) + removed_count:
        raise ReadError("expected text, found mostly control characters: convert it to text, html, pdf or docx")
    text, replaced_count = _SURROGATE.subn("\ufffd", text)
    return text, removed_count + replaced_count


@contextmanager
def _suppress_library_warnings() -> Iterator[None]:
    """Suppress the libraries' warnings on stderr; serious problems become a `ReadProblem`."""
    for name in ("pdfminer", "bs4"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def html_to_markdown(data: bytes) -> tuple[str, str, str]:
    """Convert html to Markdown without links and pictures; return it with its ``<title>`` and its encoding.

    The title may be empty.

    Raises:
        ReadError: the data is not text or cannot be parsed.
    """
    charset_match = re.search(rb"<meta[^>]{0,200}charset=[\"']?\s*([\w-]{2,20})", data[:4096], re.IGNORECASE)
    declared_charset = charset_match.group(1).decode("ascii").lower() if charset_match else None
    text, encoding = decode_bytes(
        data, {"gb2312": "gb18030", "gbk": "gb18030"}.get(declared_charset or "", declared_charset)
    )
    markdown, title = _convert_to_markdown(_SURROGATE.sub("\ufffd", text).encode(), "html")
    return markdown, title, encoding


def _convert_to_markdown(data: bytes, extension: str) -> tuple[str, str]:
    """Convert UTF-8 html or a docx to Markdown and a title; library errors become a `ReadError`."""
    with _suppress_library_warnings():
        from markitdown import StreamInfo
        from markitdown.converters import DocxConverter, HtmlConverter

        converter_class: Callable[[], Any] = HtmlConverter if extension == "html" else DocxConverter
        info = StreamInfo(extension=f".{extension}", charset="utf-8")
        markdown_options = {"escape_asterisks": False, "escape_underscores": False, "escape_misc": False}
        try:
            result = converter_class().convert(io.BytesIO(data), info, strip=["a", "img"], **markdown_options)
        except Exception as error:
            raise ReadError(f"expected {extension}, found a damaged file: open it and save it again") from error
    return result.markdown, " ".join((result.title or "").split())


def docx_to_markdown(data: bytes) -> str:
    """Convert a Word document to Markdown.

    Raises:
        ReadError: the file is damaged, protected by a password, or not a .docx.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            unpacked = sum(item.file_size for item in archive.infolist())
            archive.getinfo("word/document.xml")
    except (zipfile.BadZipFile, KeyError, ValueError, NotImplementedError, EOFError) as error:
        if data.startswith(b"\xd0\xcf\x11\xe0"):
            raise ReadError("it is protected by a password or an old .doc: save it as .docx without one") from error
        raise ReadError("expected a Word document, found a damaged or other file: save it again as .docx") from error
    if unpacked > _MAX_UNPACKED_BYTES:
        raise ReadError(f"it unpacks to {unpacked >> 20} MB, and the limit is {_MAX_UNPACKED_BYTES >> 20} MB: split it")
    return _convert_to_markdown(data, "docx")[0]


def extract_pdf_text(data: bytes) -> str:
    """Return the text layer of a pdf, one line per paragraph.

    Raises:
        ReadError: the file is damaged or protected by a password, or has no text layer.
    """
    with _suppress_library_warnings():
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
    return "\n\n".join(_unwrap_lines(block) for block in re.split(r"\n\s*\n|\f", text) if block.strip())


def _unwrap_lines(block: str) -> str:
    """Join the lines of a paragraph, except after a line that is short or ends well before the margin."""
    lines = [line.strip() for line in block.splitlines() if line.strip()]
    widths = [sum(2 if ord(c) > 0x2E7F else 1 for c in line) for line in lines]
    margin = max(30, max(widths) * 2 // 3)
    paragraph = lines[0]
    for width, line in zip(widths, lines[1:], strict=False):
        if width < margin:
            paragraph += "\n" + line
        elif paragraph[-1] == "-" and paragraph[-2:-1].islower() and line[0].islower():
            paragraph = paragraph[:-1] + line
        else:
            paragraph += ("" if ord(paragraph[-1]) > 0x2E7F and ord(line[0]) > 0x2E7F else " ") + line
    return paragraph
