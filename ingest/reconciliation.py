"""Bring a store in step with files that have moved or are copies, without reading them."""

from __future__ import annotations

from collections.abc import Container, Sequence
from pathlib import Path

from ingest.ledger import RecordedSources, SourceGroup, moved_document_ids
from ingest.readers.encodings.decoding import clean_text
from ingest.readers.files.discovery import Source
from ingest.readers.formats import file_extension, format_of
from ingest.readers.readers import title_from_name
from ingest.report import IngestReport
from kgrag.errors import ReadError
from kgrag.protocols import GraphStore
from kgrag.text import normalize_name
from kgrag.types import Document


class SourceReconciler:
    """The changes of a store that follow from the digests of files alone.

    Attributes:
        document_ids: Ids of the stored documents of each source; those of the given files and of their copies.
        hashes: The sha256 of each stored document by id.

    Args:
        graph: the store, open for writing.
        report: gets the changes.
        base: folder that ids are relative to; None looks at no files but the given ones.
        reread_all: read files again although they have not changed.
        outdated_ids: ids of documents that have to be read again.
    """

    def __init__(
        self,
        graph: GraphStore,
        report: IngestReport,
        base: Path | None,
        *,
        reread_all: bool,
        outdated_ids: Container[str],
    ) -> None:
        self._graph, self._report, self._base = graph, report, base
        self._reread_all, self._outdated_ids = reread_all, outdated_ids
        self._digests: dict[str, str] = {}
        self.document_ids: dict[str, list[str]] = {}
        self.hashes = dict(graph.document_hashes())

    def reconcile(self, sources: Sequence[Source]) -> tuple[list[Source], list[SourceGroup]]:
        """Rename sources that have moved, and forget documents that are there twice.

        Returns:
            The sources whose documents are complete, and the groups whose owner has to be read.
        """
        recorded = RecordedSources(self._graph, self._base)
        self._digests = recorded.digests
        groups = recorded.group(sources)
        self.document_ids = self._graph.document_ids_by_source(
            i for g in groups for i in (*(m.id for m in g.members), *g.gone, *g.overwritten)
        )
        sources_with_problems = {source for source, _, _ in self._graph.problems()}
        complete: list[SourceGroup] = []
        moves: dict[str, tuple[SourceGroup, str]] = {}
        due: list[SourceGroup] = []
        for group in groups:
            owner = group.owner.id
            holders = [
                i for i in (*group.gone, *group.overwritten, *(m.id for m in group.members)) if self._holds(i, group)
            ]
            if owner in holders and self._is_current(owner):
                complete.append(group)
            elif movable := [i for i in holders if self._is_current(i) and self._can_move(i, group.owner)]:
                moves[owner] = group, movable[0]
            elif not holders and owner in sources_with_problems and self._is_recorded(owner, group):
                complete.append(group)  # nothing in it can be read, as was found before
            else:
                due.append(group)
        due += self._apply_moves(moves)
        moved_groups = [group for group, _ in moves.values() if group not in due]
        for group in (*complete, *moved_groups):
            self._report.unchanged += len(self.document_ids[group.owner.id])
            self.finish_group(group)
        positions = {id(group): n for n, group in enumerate(groups)}
        due.sort(key=lambda group: positions[id(group)])
        return [group.owner for group in (*complete, *moved_groups)], due

    def is_unchanged(self, document: Document) -> bool:
        """Whether a document is in the store with the same text and source, and need not be read again."""
        return (
            self.hashes.get(document.id) == document.sha256
            and document.id in self.document_ids.get(document.source, ())
            and not self._reread_all
            and document.id not in self._outdated_ids
        )

    def _is_recorded(self, source: str, group: SourceGroup) -> bool:
        return not self._reread_all and group.digest != "" and self._digests.get(source) == group.digest

    def _holds(self, source: str, group: SourceGroup) -> bool:
        """Whether a source is recorded with the digest of a group, and has documents."""
        return self._digests.get(source) == group.digest != "" and bool(self.document_ids[source])

    def _is_current(self, source: str) -> bool:
        return not self._reread_all and not any(i in self._outdated_ids for i in self.document_ids[source])

    def _can_move(self, old: str, new: Source) -> bool:
        """Whether a file would be read the same under its new name, and its documents' new ids are free."""
        if "\\" in old + new.id:  # the id does not say how a name is spelt that is not UTF-8
            return False
        document_ids = self.document_ids[old]
        old_name = old.rpartition("/")[2]
        same_reader = format_of(old_name) == format_of(new.path.name) and (
            format_of(old_name).reader != "" or file_extension(old_name) == file_extension(new.path.name)
        )
        old_title = _clean_title(old_name)
        titles = [header.title for header in self._graph.document_headers(document_ids).values()]
        names_matter = old_title != _clean_title(new.path.name) and old_title in titles
        # a document without a title is named by its id
        if not same_reader or names_matter or not all(map(normalize_name, titles)):
            return False
        taken = set(self.hashes).intersection(moved_document_ids(document_ids, old, new.id).values())
        return taken <= {*document_ids, *self.document_ids.get(new.id, ())}

    def _apply_moves(self, moves: dict[str, tuple[SourceGroup, str]]) -> list[SourceGroup]:
        """Rename sources, each after the source in its place was renamed; return the groups that wait in a circle."""
        waiting = dict(moves)
        while waiting:
            old_ids = {old for _, old in waiting.values()}
            ready = [new for new in waiting if new not in old_ids]
            if not ready:
                break
            for new in ready:
                self._move(*waiting.pop(new))
        return [group for group, _ in waiting.values()]

    def _move(self, group: SourceGroup, old: str) -> None:
        new = group.owner.id
        self._forget_documents(new)  # the file in this place before
        renamed = moved_document_ids(self.document_ids[old], old, new)
        self._graph.rename_source(old, new, renamed)
        for old_id, new_id in renamed.items():
            self.hashes[new_id] = self.hashes.pop(old_id)
        self.document_ids[old], self.document_ids[new] = [], sorted(renamed.values())
        self._digests[new] = self._digests.pop(old)
        if old not in [copy.id for copy in group.copies]:
            self._report.moved.append((old, new))

    def finish_group(self, group: SourceGroup, *, was_read: bool = False) -> None:
        """Forget the documents of copies and of sources that are gone, and record the copies.

        Args:
            group: a group whose owner is complete in the store.
            was_read: whether its owner was read now; what was gone has then moved.
        """
        for source in group.gone:
            count = self._forget_documents(source)
            if was_read and count:
                self._report.moved.append((source, group.owner.id))
            else:
                self._report.removed += count
            if source in self._digests or count:
                self._graph.forget_source(source)
        unrecorded = []
        for copy in group.copies:
            count = self._forget_documents(copy.id)
            self._report.removed += count
            self._report.copies.append((copy.id, group.owner.id))
            if count or self._digests.get(copy.id) != group.digest:
                unrecorded.append(copy.id)
        if unrecorded:
            self._graph.mark_sources_read((source, group.digest, []) for source in unrecorded)

    def _forget_documents(self, source: str) -> int:
        """Forget the documents of a source; return their number."""
        document_ids = self._graph.document_ids_by_source([source])[source] if self.document_ids.get(source) else []
        for document_id in document_ids:
            self._graph.forget(document_id)
            self.hashes.pop(document_id, None)
        self.document_ids[source] = []
        return len(document_ids)


def _clean_title(name: str) -> str:
    """Return the title that a document without one gets from the name of its file."""
    try:
        return clean_text(title_from_name(name))[0]
    except ReadError:
        return name
