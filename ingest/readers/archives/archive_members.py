"""Names of the files in archives: decoded, without dangerous components, unique, and of known kinds."""

from __future__ import annotations

import re
import zipfile
from collections import Counter

from ingest.readers.encodings.decoding import decode_bytes
from ingest.readers.formats import file_extension
from kgrag.errors import ReadError

_UTF8_FLAG = 0x800
_MULTIBYTE_ENCODINGS = ("utf-8", "gb18030", "big5", "shift_jis", "euc_jp", "euc_kr")


class MemberNames:
    """Names of the files of one archive, and a count of the files that are left out by their kind."""

    def __init__(self) -> None:
        self._used: set[str] = set()
        self._skipped: Counter[str] = Counter()

    def choose(self, raw_name: str) -> str:
        """Return a clean and unique name; "" for hidden files and unknown kinds, of which the latter are counted."""
        name = clean_member_name(raw_name)
        if not name:
            return ""
        last = name.rpartition("/")[2]
        if "." in last and not file_extension(last):
            self.skip(name)
            return ""
        stem, dot, extension = name.rpartition(".") if "." in last else (name, "", "")
        unique, count = name, 1
        while unique in self._used:
            count += 1
            unique = f"{stem} ({count}){dot}{extension}"
        self._used.add(unique)
        return unique

    def skip(self, name: str) -> None:
        """Count a file of an unknown kind."""
        last = name.rpartition("/")[2]
        self._skipped[f".{last.rpartition('.')[2].lower()[:12]}" if "." in last else "binary"] += 1

    def skipped_sentence(self) -> str:
        """Return a sentence about the files left out, or ""."""
        total = self._skipped.total()
        if not total:
            return ""
        kinds = ", ".join(f"{kind} ({count})" for kind, count in self._skipped.most_common(6))
        more = ", …" if len(self._skipped) > 6 else ""
        noun = "file" if total == 1 else "files"
        return f"expected files of known kinds, found {total} other {noun}: {kinds}{more}; convert or leave them out"


def clean_member_name(name: str) -> str:
    """Return a relative path with ``/``, without "..", drive and control characters; "" for a hidden file."""
    name = re.sub(r"[\x00-\x1f\x7f\ud800-\udfff]", "", name).replace("\\", "/")
    parts = [part.strip() for part in re.sub(r"^[A-Za-z]:", "", name).split("/")]
    parts = [part for part in parts if part not in ("", ".", "..")]
    if any(part.startswith(".") or part == "__MACOSX" for part in parts):
        return ""
    return "/".join(parts)[-500:]


def decode_zip_name(info: zipfile.ZipInfo) -> str:
    """Return the name of a zip's file; old programs wrote the system's encoding without a mark, not cp437."""
    if info.flag_bits & _UTF8_FLAG or info.filename.isascii():
        return info.filename
    try:
        raw = info.filename.encode("cp437")
        text, encoding = decode_bytes(raw)
    except (UnicodeEncodeError, ReadError):
        return info.filename
    return text if encoding in _MULTIBYTE_ENCODINGS else info.filename
