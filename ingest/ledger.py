"""Compare files with the ledger of a store: which to read, which have moved, and which are copies of others.

The ledger holds the sha256 of every file that was read. Files with the same bytes are kept once: the first of them by
id owns the documents, and the others only have a row in the ledger. If the owner is gone, its documents move to the
file that is now the first. So the store depends on the files that exist, and not on the order of changes.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ingest.readers.files.discovery import Source
from ingest.readers.files.search_scope import SearchScope
from ingest.readers.files.sidecar import sidecar_path
from ingest.readers.files.source_ids import existing_path
from kgrag.protocols import GraphStore
from kgrag.storage.checksums import file_sha256

UNSHARED_DIGESTS = frozenset(["", hashlib.sha256(b"").hexdigest()])
"""Digests of files that are not copies of each other: those that cannot be opened, and empty ones."""


@dataclass
class SourceGroup:
    """Existing files with the same bytes, and recorded sources that had these bytes.

    Attributes:
        digest: Their `source_digest`; "" for a single file that could not be opened.
        owner: The file that owns, or will own, the documents.
        copies: The other files, ordered by id.
        gone: Ids of recorded sources with these bytes whose file is gone.
        overwritten: Ids of recorded sources with these bytes whose file has other bytes now.
    """

    digest: str
    owner: Source
    copies: list[Source] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    overwritten: list[str] = field(default_factory=list)

    @property
    def members(self) -> list[Source]:
        """Return the existing files, the owner first."""
        return [self.owner, *self.copies]


class RecordedSources:
    """The recorded sources of a store, beside the files that exist.

    Args:
        graph: the store.
        base: folder that ids are relative to; None looks at no files but the given ones.
    """

    def __init__(self, graph: GraphStore, base: Path | None) -> None:
        self._base = base
        self.digests = dict(graph.sources())
        self._ids_by_digest: defaultdict[str, list[str]] = defaultdict(list)
        for source, digest in self.digests.items():
            if digest not in UNSHARED_DIGESTS:
                self._ids_by_digest[digest].append(source)

    def group(self, sources: Sequence[Source]) -> list[SourceGroup]:
        """Return the given files in groups with the same bytes, in the order of the first given one.

        A group also has the files of earlier runs with these bytes. Copies of earlier runs whose owner is gone
        or has changed form groups, too, so that their documents are not lost with it.
        """
        given = {source.id: source for source in sources}
        digest_by_id = {source.id: source_digest(source) for source in sources}
        for source in list(self._orphaned_copies(digest_by_id)):
            given[source.id], digest_by_id[source.id] = source, source_digest(source)
        members: dict[tuple[str, str], list[Source]] = {}
        for source in given.values():
            digest = digest_by_id[source.id]
            members.setdefault((digest, source.id if digest in UNSHARED_DIGESTS else ""), []).append(source)
        groups = []
        for (digest, _), group_members in members.items():
            gone, overwritten = [], []
            for source_id in sorted(self._ids_by_digest.get(digest, ())):
                if source_id in given:
                    if digest_by_id[source_id] not in ("", digest):
                        overwritten.append(source_id)
                elif self._base and (path := existing_path(source_id, self._base)):
                    group_members.append(Source(path, source_id))
                elif self._base:
                    gone.append(source_id)
            owner, *copies = sorted(group_members, key=lambda source: source.id)
            groups.append(SourceGroup(digest, owner, copies, gone, overwritten))
        return groups

    def _orphaned_copies(self, digest_by_id: Mapping[str, str]) -> Iterable[Source]:
        """Yield recorded files whose bytes another recorded file had that is gone or has other bytes now."""
        for digest, ids in self._ids_by_digest.items():
            if len(ids) > 1 and self._base:
                paths = {i: existing_path(i, self._base) for i in ids}
                if None in paths.values() or any(digest_by_id.get(i, digest) not in ("", digest) for i in ids):
                    yield from (Source(path, i) for i, path in paths.items() if path and i not in digest_by_id)


def source_digest(source: Source) -> str:
    """Return the sha256 (hex) of all bytes that decide what a source is read as, or "" if it cannot be opened."""
    try:
        if source.id == "-":
            return ""
        digest, sidecar = file_sha256(source.path), sidecar_path(source.path)
        return hashlib.sha256(f"{digest}\0{file_sha256(sidecar)}".encode()).hexdigest() if sidecar.is_file() else digest
    except OSError:
        return ""  # reading the file reports the reason


def moved_document_ids(document_ids: Iterable[str], old: str, new: str) -> dict[str, str]:
    """Map the ids of a source's documents to their ids under another source id.

    A file's id is the source's, a part's and a row's begin with it; a row with its own ``_id`` keeps it.
    """
    return {i: new + i[len(old) :] if i == old or i.startswith((f"{old}/", f"{old}:")) else i for i in document_ids}


def copies_by_source(graph: GraphStore) -> dict[str, list[str]]:
    """Map each source that owns documents and has copies to the ids of its copies, ordered."""
    ids_by_digest: defaultdict[str, list[str]] = defaultdict(list)
    for source, digest in graph.sources().items():
        if digest not in UNSHARED_DIGESTS:
            ids_by_digest[digest].append(source)
    shared = [sorted(ids) for ids in ids_by_digest.values() if len(ids) > 1]
    documents = graph.document_ids_by_source(i for ids in shared for i in ids)
    owned = {next((i for i in ids if documents[i]), ""): ids for ids in shared}
    return {owner: [i for i in ids if i != owner] for owner, ids in sorted(owned.items()) if owner}


def forget_sources(graph: GraphStore, sources: Iterable[str]) -> int:
    """Forget sources and their documents; return the number of documents."""
    forgotten = 0
    for source, document_ids in graph.document_ids_by_source(sources).items():
        for document_id in document_ids:
            forgotten += graph.forget(document_id)
        graph.forget_source(source)
    return forgotten


def missing_sources(graph: GraphStore, scope: SearchScope, found: Container[str] = ()) -> list[str]:
    """Return the sources of stored documents whose file no longer exists, or is left out by an ignore file.

    Missing files without documents are removed from the store's records and not returned.

    Args:
        graph: the store.
        scope: where files should be.
        found: ids of the files that were found there.
    """
    missing = []
    document_sources = set(graph.sources_by_document().values())
    for source in sorted(document_sources.union(graph.sources())):
        if source in found or not scope.lacks(source):
            continue
        if source in document_sources:
            missing.append(source)
        else:
            graph.forget_source(source)
    return missing
