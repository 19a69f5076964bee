"""Notes and seen ids of one source while it is read."""

from __future__ import annotations

import hashlib
from array import array

from ingest.readers.encodings.decoding import clean_text, decode_bytes

MAX_NAMED_LINES = 5
"""Lines that a note names."""


class ReadLog:
    """Notes about one source: its encodings and the number of cleaned characters."""

    def __init__(self) -> None:
        self.encodings: dict[str, None] = {}
        self.cleaned_count = 0
        self.undecodable_count = 0
        self.lone_quote_lines: list[int] = []
        self.lone_quote_count = 0

    def clean(self, text: str) -> str:
        """Clean a text and count the cleaned characters.

        Raises:
            ReadError: the data is not text.
        """
        text, count = clean_text(text)
        self.cleaned_count += count
        return text

    def decode(self, data: bytes) -> str:
        """Decode bytes and record their encoding.

        Raises:
            ReadError: the data is not text.
        """
        return self.record_encoding(*decode_bytes(data))

    def record_encoding(self, text: str, encoding: str) -> str:
        """Record that ``text`` was decoded from ``encoding``, and return ``text``."""
        if encoding != "utf-8":
            self.encodings[encoding] = None
        self.undecodable_count += text.count("\ufffd")
        return text

    def record_lone_quote(self, line: int) -> None:
        """Record the line of a quote that opens a table cell and is not closed."""
        self.lone_quote_count += 1
        if self.lone_quote_lines[-1:] != [line] and len(self.lone_quote_lines) < MAX_NAMED_LINES:
            self.lone_quote_lines.append(line)

    def notes(self) -> list[str]:
        """Return the notes, one sentence each."""
        note_texts = [f"read as {name}, not UTF-8" for name in self.encodings]
        if self.undecodable_count:
            note_texts.append(f"{self.undecodable_count} places that could not be decoded are marked with \ufffd")
        if self.cleaned_count:
            note_texts.append(f"{self.cleaned_count} control characters or broken surrogates were cleaned")
        if self.lone_quote_count:
            lines = ", ".join(map(str, self.lone_quote_lines))
            more = " and others" if self.lone_quote_count > len(self.lone_quote_lines) else ""
            note_texts.append(f"quotes that are not closed are read as plain characters, in lines {lines}{more}")
        return note_texts


class SeenIds:
    """Set of strings at about 20 bytes each: an open-addressing hash table of 64-bit digests."""

    def __init__(self) -> None:
        self._table = array("Q", bytes(8 * 1024))
        self._count = 0

    def add(self, text: str) -> bool:
        """Add a text; return whether it was new."""
        digest = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") or 1
        if not self._insert(digest):
            return False
        self._count += 1
        if self._count * 10 > len(self._table) * 7:
            old_table = self._table
            self._table = array("Q", bytes(8 * 2 * len(old_table)))
            for value in old_table:
                if value:
                    self._insert(value)
        return True

    def _insert(self, digest: int) -> bool:
        mask = len(self._table) - 1
        slot = digest & mask
        while self._table[slot]:
            if self._table[slot] == digest:
                return False
            slot = (slot + 1) & mask
        self._table[slot] = digest
        return True
