"""Decode bytes of unknown encoding, and clean text of control characters."""

from __future__ import annotations

import re

from kgrag.errors import ReadError
from kgrag.storage.text_files import encoding_from_bom

_CANDIDATE_ENCODINGS = ["gb18030", "big5", "shift_jis", "euc_jp", "euc_kr", "cp1252", "cp1251", "koi8_r"]
_NON_ASCII_BYTES = re.compile(rb"[\x80-\xff]+")
_CONTROL_CHARS = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f]")
_COMMON_CHARS = re.compile("[\t\n\r -~\u00a0-\u024f\u2010-\u2027\u3000-\u303f\u4e00-\u9fff\uff00-\uff5e]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_NEWLINE = re.compile("\r\n|[\r\x0b\x0c\x85\u2028\u2029]")
_LIGATURE = re.compile("[\ufb00-\ufb06\u00ad]")
_LIGATURE_LETTERS = dict(
    zip(
        "\ufb00\ufb01\ufb02\ufb03\ufb04\ufb05\ufb06\u00ad",
        ["ff", "fi", "fl", "ffi", "ffl", "st", "st", ""],
        strict=True,
    )
)
_SAMPLE_BYTES = 65536


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
    utf16_encoding = unmarked_utf16(data[:_SAMPLE_BYTES])
    if utf16_encoding is not None:
        return data.decode(utf16_encoding, "replace"), utf16_encoding
    try:
        return data.decode("utf-8"), "utf-8"
    except UnicodeDecodeError:
        pass
    if b"\0" in data:
        raise ReadError("expected text, found binary data: convert it to text, html, pdf or docx")
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


def unmarked_utf16(head: bytes) -> str | None:
    """Detect UTF-16 without a byte order mark by its zero bytes, or by its characters where it has few of them."""
    if b"\0" not in head:
        return None
    head = head[: len(head) // 2 * 2]
    zero_counts = head[0::2].count(0), head[1::2].count(0)
    if max(zero_counts) * 5 >= len(head) and min(zero_counts) * 20 <= max(zero_counts):  # of len(head) / 2 pairs
        return "utf-16-be" if zero_counts[0] > zero_counts[1] else "utf-16-le"
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start + 4 > len(head):  # the sample ends within a character
            return None
    else:
        return None
    for encoding in ("utf-16-le", "utf-16-be"):
        text = head.decode(encoding, "replace")
        # nine in ten characters are Latin or Chinese in no other encoding
        if len(_COMMON_CHARS.findall(text)) * 10 >= len(text) * 9:
            return encoding
    return None


def _non_ascii_sample(data: bytes) -> bytes:
    """Return a sample around the first non-ASCII bytes, cut where no encoding has the middle of a character."""
    first = _NON_ASCII_BYTES.search(data)
    begin = data.rfind(b"\n", 0, first.start()) + 1 if first else 0
    begin = max(begin, (first.start() if first else 0) - _SAMPLE_BYTES // 2)
    piece = data[begin : begin + _SAMPLE_BYTES]
    if begin + _SAMPLE_BYTES >= len(data):
        return piece
    cut = max(piece.rfind(b"\n"), piece.rfind(b" "))
    return piece[:cut] if cut > _SAMPLE_BYTES // 2 else piece


def _detect_encoding(data: bytes) -> str | None:
    from ingest.readers.encodings.plausibility import most_plausible_encoding

    encoding = most_plausible_encoding(data)
    if encoding is not None:
        return encoding
    runs = [len(run) for run in _NON_ASCII_BYTES.findall(data)]
    if sum(n == 1 for n in runs) * 10 >= len(runs) * 9:  # lone high bytes: signs among Latin letters
        try:
            data.decode("cp1252")
        except UnicodeDecodeError:
            return "latin-1"
        return "cp1252"
    from charset_normalizer import from_bytes

    best = from_bytes(data, cp_isolation=_CANDIDATE_ENCODINGS).best()
    return best.encoding if best else None


def clean_text(text: str) -> tuple[str, int]:
    r"""Clean text as `remove_control_chars` does, and return it and the number of characters removed.

    Raises:
        ReadError: the text consists mostly of control characters.
    """
    cleaned, count = remove_control_chars(text)
    if len(_CONTROL_CHARS.findall(text)) * 10 > len(text):
        raise ReadError("expected text, found mostly control characters: convert it to text, html, pdf or docx")
    return cleaned, count


def remove_control_chars(text: str) -> tuple[str, int]:
    r"""Remove control characters, and return the text and their number.

    Line ends become ``\n``, lone surrogates U+FFFD, and Latin ligatures their letters (``ﬁ`` becomes ``fi``), which
    typesetters add, as soft hyphens, which go. Zero-width and right-to-left marks stay.
    """
    text, removed_count = _CONTROL_CHARS.subn("", _NEWLINE.sub("\n", text.removeprefix("\ufeff")))
    text, replaced_count = _SURROGATE.subn("\ufffd", text)
    text = _LIGATURE.sub(lambda match: _LIGATURE_LETTERS[match.group()], text)
    return text, removed_count + replaced_count
