"""Estimate how many characters of text the files of an ingest have, before they are read."""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Iterable, Mapping

from ingest.readers.files.discovery import Source
from ingest.readers.formats import file_extension
from ingest.report import IngestProgress

TYPICAL_CHARS_PER_BYTE: Mapping[str, float] = {
    ".html": 0.4,
    ".htm": 0.4,
    ".pdf": 0.05,
    ".docx": 0.1,
    ".jsonl.gz": 2.5,
}
"""Characters of text per byte by extension, until files of the extension were read; 0.8 for the others."""
STREAMED_EXTENSIONS = (".jsonl", ".csv", ".tsv")
TYPICAL_PASSAGE_SHARE = 0.7
"""Length of a passage as a share of the maximum, until passages were counted."""
PRIOR_BYTES = 20_000
"""Weight of the typical value, in bytes read: the text of some small files counts more."""


class WorkEstimate:
    """Estimate of the text in some files, which are read one after the other; it improves as they are read.

    Args:
        sources: files that may be read; the size of one that cannot be examined counts as 0.
    """

    def __init__(self, sources: Iterable[Source]) -> None:
        self._waiting_bytes: Counter[str] = Counter()
        self._read_bytes: Counter[str] = Counter()
        self._read_chars: Counter[str] = Counter()
        self._current_chars = self._finished_chars = 0
        self._current: tuple[str, int] = "", 0
        self._bytes_by_source: dict[str, int] = {}
        for source in sources:
            size = _file_size(source)
            self._bytes_by_source[source.id] = size
            self._waiting_bytes[file_extension(source.path.name)] += size

    def start(self, source: Source) -> None:
        """Begin a file."""
        extension, size = file_extension(source.path.name), self._bytes_by_source.pop(source.id, 0)
        self._waiting_bytes[extension] -= size
        self._current, self._current_chars = (extension, size), 0

    def add_text(self, chars: int) -> None:
        """Count text of the present file."""
        self._current_chars += chars

    def finish(self) -> None:
        """Count the present file as read."""
        extension, size = self._current
        self._read_bytes[extension] += size
        self._read_chars[extension] += self._current_chars
        self._finished_chars += self._current_chars
        self._current, self._current_chars = ("", 0), 0

    def total_chars(self) -> int:
        """Return the characters read so far and an estimate of those that are left to read."""
        extension, size = self._current
        current = max(self._current_chars, self._chars_per_byte(extension) * size)
        waiting = sum(self._chars_per_byte(e) * waiting for e, waiting in self._waiting_bytes.items())
        return round(self._finished_chars + current + waiting)

    def _chars_per_byte(self, extension: str) -> float:
        typical = TYPICAL_CHARS_PER_BYTE.get(extension, 0.8)
        return (typical * PRIOR_BYTES + self._read_chars[extension]) / (PRIOR_BYTES + self._read_bytes[extension])


class WorkProgress:
    """Progress of an ingest in passages, of which the text that is left to read is an estimate.

    Attributes:
        estimate: Characters read and left to read.
        documents: Documents that are in the store or found unchanged.

    Args:
        sources: files that may be read.
        passage_size: maximum passage length in characters.
        progress: called after each document.
    """

    def __init__(self, sources: Iterable[Source], passage_size: int, progress: IngestProgress) -> None:
        self.estimate = WorkEstimate(sources)
        self.documents = 0
        self._progress, self._passage_size = progress, passage_size
        self._done_chars = self._embedded_chars = self._passages = self._last = 0

    def add_document(self, chars: int, passages: int) -> None:
        """Count a document, and its passages if they were embedded now."""
        self.documents += 1
        self._done_chars += chars
        if passages:
            self._embedded_chars += chars
            self._passages += passages
        self.report()

    def report(self) -> None:
        """Call the progress callback."""
        passage_chars = TYPICAL_PASSAGE_SHARE * self._passage_size
        if self._passages:
            passage_chars = self._embedded_chars / self._passages
        done = max(self._last, round(self._done_chars / passage_chars))  # never back, whatever the estimate
        total = max(done, round(self.estimate.total_chars() / passage_chars))
        self._last = done
        self._progress(done, total, self.documents)


def estimate_document_count(source: Source) -> int:
    """Estimate the number of documents in a source: the lines of a table, or 1."""
    name = source.path.name.lower()
    try:
        if name.endswith(STREAMED_EXTENSIONS):
            with source.path.open("rb") as file:
                return sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b"")) or 1
        if name.endswith(".jsonl.gz"):
            with gzip.open(source.path) as stream:
                return sum(block.count(b"\n") for block in iter(lambda: stream.read(1 << 20), b"")) or 1
    except (OSError, EOFError):
        pass
    return 1


def _file_size(source: Source) -> int:
    try:
        return 0 if source.id == "-" else source.path.stat().st_size
    except OSError:
        return 0
