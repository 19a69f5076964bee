"""Read a source into documents, and notice if its file changes meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

from ingest.ledger import SourceGroup, source_digest
from ingest.readers.content import ReadProblem
from ingest.readers.files.discovery import Source
from ingest.readers.files.sidecar import sidecar_path
from ingest.readers.readers import read_source
from kgrag.types import Document

MAX_READINGS = 3
"""Times that a file is read which changes while it is read."""
FileStamp = tuple[int, ...]
"""What changes with a file's content: size, inode and times in nanoseconds; empty if it cannot be examined."""


@dataclass
class SourceDone:
    """Marker that ends the documents of a source; recorded once the documents before it are committed.

    Attributes:
        source: The file.
        digest: Its `source_digest`; "" if it could not be opened, or changed all the time.
        document_ids: Ids of its documents.
        problems: What could not be read in it.
        group: Its group, if it still has the digest of the group.
    """

    source: Source
    digest: str
    document_ids: set[str] = field(default_factory=set)
    problems: list[ReadProblem] = field(default_factory=list)
    group: SourceGroup | None = None


@dataclass
class Reread:
    """Marker that the documents of a source so far are void, since its file has changed."""


SourceItem = Document | ReadProblem | Reread | SourceDone


def read_steadily(source: Source, on_note: Callable[[str], None]) -> Iterator[SourceItem]:
    """Yield the documents and problems of a source, then its `SourceDone`.

    A file that changes while it is read is read again, up to `MAX_READINGS` times. Formats other than tables are read
    as a whole before their first document, so that no text of a file that is half written is ever yielded.
    """
    for _ in range(MAX_READINGS):
        stamp = _file_stamp(source)
        notes: list[str] = []
        items = read_source(source, notes.append)
        first = next(items, None)
        if _file_stamp(source) != stamp:
            continue
        if first is not None:
            yield first
        yield from items
        digest = source_digest(source)
        if _file_stamp(source) == stamp:
            for note in notes:
                on_note(note)
            yield SourceDone(source, digest)
            return
        yield Reread()
    message = "expected a file that stays as it is while it is read, found changes: ingest it when they are complete"
    yield ReadProblem(source.id, None, message)
    yield SourceDone(source, "")


def read_group(group: SourceGroup, on_note: Callable[[str], None]) -> Iterator[tuple[Source, SourceItem]]:
    """Yield the items of the owner of a group; if it has gone or changed meanwhile, those of the next file, too."""
    for number, source in enumerate(group.members, 1):
        for item in read_steadily(source, on_note):
            is_complete = isinstance(item, SourceDone) and item.digest == group.digest != ""
            if isinstance(item, SourceDone) and is_complete:
                item.group = SourceGroup(group.digest, source, group.members[number:], group.gone, group.overwritten)
            yield source, item
        if is_complete:
            return


def _file_stamp(source: Source) -> FileStamp:
    stamp: FileStamp = ()
    for path in (source.path, sidecar_path(source.path)):
        with suppress(OSError):
            status = path.stat()
            stamp += status.st_size, status.st_ino, status.st_dev, status.st_mtime_ns, status.st_ctime_ns
    return stamp
