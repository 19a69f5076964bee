"""Ingest files into a store: read, extract in worker processes, embed, and commit in small transactions.

A run can be stopped at any moment and started again: committed documents are unchanged the second time and cost
nothing. A file is recorded as read only after its last document is committed.
"""

from __future__ import annotations

import gzip
import os
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from ingest.extraction_config import DEFAULT, ExtractionConfig
from ingest.readers.converters import ReadProblem
from ingest.readers.discovery import Source
from ingest.readers.readers import read_source
from ingest.relations.llm_extractor import LLMExtractionStats, LLMExtractor
from ingest.workers import ExtractedBatch, ExtractionPool
from kgrag.embedders import provides_token_states
from kgrag.protocols import Embedder, GraphStore, Matrix
from kgrag.storage.checksums import file_sha256
from kgrag.types import Document, Extraction

DOCUMENTS_PER_BATCH = 32
"""Documents extracted and embedded together."""
ESTIMATE_AFTER = 3
"""Documents after which the run reports how long the language model will take."""
STREAMED_EXTENSIONS = (".jsonl", ".csv", ".tsv")


class IngestProgress(Protocol):
    """Callback for progress, for example a terminal bar."""

    def __call__(self, done: int, total: int, passages: int, /) -> None:
        """Report that ``done`` of about ``total`` documents are checked and ``passages`` are embedded."""


@dataclass
class IngestReport:
    """Result of an ingest run.

    Attributes:
        added: new documents.
        replaced: changed documents.
        unchanged: documents that were already in the store.
        removed: documents deleted since their source no longer has them.
        passages: passages embedded.
        problems: files and rows that could not be read.
        notes: sentences about other encodings and cleaned characters.
        vanished: sources of documents in the store whose file no longer exists.
        skipped: number of files left out, by reason.
        llm_stats: statistics of the language model, if one was used.
    """

    added: int = 0
    replaced: int = 0
    unchanged: int = 0
    removed: int = 0
    passages: int = 0
    problems: list[ReadProblem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    vanished: list[str] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)
    llm_stats: LLMExtractionStats | None = None


@dataclass
class _SourceDone:
    """Marker that ends the documents of a source; recorded once the documents before it are committed."""

    source: Source
    digest: str
    document_ids: set[str]
    problems: list[ReadProblem]


@dataclass
class _PendingCommit:
    """Documents for one transaction, and the sources that end with them."""

    documents: list[tuple[Extraction, Matrix]] = field(default_factory=list)
    finished_sources: list[_SourceDone] = field(default_factory=list)

    @property
    def passage_count(self) -> int:
        return sum(len(vectors) for _, vectors in self.documents)


class IngestPipeline:
    """Run of an ingest over some sources.

    Args:
        graph: the store, open for writing.
        embedder: the embedder that the store was created with.
        passage_size: maximum passage length in characters.
        workers: extraction processes; 0 chooses by the machine and the number of documents.
        progress: called after each document.
        config: user settings for extraction.
        reread_all: extract unchanged documents, too.
        llm_extractor: extracts facts with a language model, in addition to the rules or instead of them.
        required_extractor: extract documents again that another extractor has read (``rules``, ``llm``, ``both``);
            None leaves them.
        notify: called with a sentence about the time that the language model will take.
    """

    def __init__(
        self,
        graph: GraphStore,
        embedder: Embedder,
        *,
        passage_size: int,
        workers: int,
        progress: IngestProgress,
        config: ExtractionConfig = DEFAULT,
        reread_all: bool = False,
        llm_extractor: LLMExtractor | None = None,
        required_extractor: str | None = None,
        notify: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._graph, self._embedder, self._progress = graph, embedder, progress
        self._passage_size, self._worker_count, self._config, self._reread_all = (
            passage_size,
            workers,
            config,
            reread_all,
        )
        self._llm_extractor, self._notify = llm_extractor, notify
        # documents of another extractor count as changed, although their text is the same
        extractor_by_document = graph.extractors() if required_extractor is not None else {}
        self._other_extractor_ids = {
            document for document, extractor in extractor_by_document.items() if extractor != required_extractor
        }
        self._stored_hashes = dict(graph.document_hashes())
        self._source_by_document: dict[str, str] = {}
        self._documents_by_source: dict[str, list[str]] = {}
        self.report = IngestReport(llm_stats=llm_extractor.stats if llm_extractor else None)
        self._done_count = self._total_count = self._llm_document_count = 0
        self._pending = _PendingCommit()
        # commit every document that a language model has read, since it took long
        self._commit_passages = 1 if llm_extractor else graph.passages_per_transaction

    def run(self, sources: Sequence[Source]) -> IngestReport:
        """Bring the store up to date with ``sources``.

        Raises:
            StoreError: a commit failed; earlier commits are kept.
        """
        stored_digests = {} if self._reread_all else self._graph.sources()
        due_sources: list[tuple[Source, str]] = []
        self._documents_by_source = self._graph.document_ids_by_source(source.id for source in sources)
        for source in sources:
            digest = _source_digest(source)
            document_ids = self._documents_by_source[source.id]
            if (
                digest
                and stored_digests.get(source.id) == digest
                and self._other_extractor_ids.isdisjoint(document_ids)
            ):
                self._source_by_document.update(dict.fromkeys(document_ids, source.id))
                self.report.unchanged += len(document_ids)
            else:
                due_sources.append((source, digest))
        self._total_count = sum(_estimate_document_count(source) for source, _ in due_sources)
        if due_sources:
            workers = self._worker_count or (min(4, os.cpu_count() or 1) if self._total_count >= 200 else 0)
            with ExtractionPool(
                workers, self._passage_size, self._config, with_vectors=provides_token_states(self._embedder)
            ) as pool:
                self._process_batches(pool, self._iter_batches(due_sources))
        return self.report

    def _process_batches(self, pool: ExtractionPool, batches: Iterable[list[Document | _SourceDone]]) -> None:
        """Extract in the workers while this process embeds and commits; batches are committed in order."""
        waiting: deque[tuple[list[Document | _SourceDone], Future[ExtractedBatch]]] = deque()
        for batch in batches:
            waiting.append((batch, pool.submit([item for item in batch if isinstance(item, Document)])))
            if len(waiting) > 2 * pool.count:
                self._collect_batch(*waiting.popleft())
        while waiting:
            self._collect_batch(*waiting.popleft())
        self._commit_pending()

    def _iter_batches(self, due_sources: Sequence[tuple[Source, str]]) -> Iterator[list[Document | _SourceDone]]:
        batch: list[Document | _SourceDone] = []
        documents = 0
        for source, digest in due_sources:
            for item in self._changed_documents(source, digest):
                batch.append(item)
                documents += isinstance(item, Document)
                if documents >= DOCUMENTS_PER_BATCH:
                    yield batch
                    batch, documents = [], 0
        if batch:
            yield batch

    def _changed_documents(self, source: Source, digest: str) -> Iterator[Document | _SourceDone]:
        """Yield the new and changed documents of a source, then its `_SourceDone`."""
        source_done = _SourceDone(source, digest, set(), [])
        previous_ids = set(self._documents_by_source[source.id])
        for item in read_source(source, self.report.notes.append):
            if isinstance(item, ReadProblem):
                source_done.problems.append(item)
                self.report.problems.append(item)
                continue
            owner_id = self._source_by_document.setdefault(item.id, source.id)
            if owner_id != source.id:
                problem = ReadProblem(
                    source.id, None, f"expected an id of its own, found {item.id!r} as in {owner_id}; skipped"
                )
                source_done.problems.append(problem)
                self.report.problems.append(problem)
                continue
            source_done.document_ids.add(item.id)
            if (
                self._stored_hashes.get(item.id) == item.sha256
                and item.id in previous_ids
                and not self._reread_all
                and item.id not in self._other_extractor_ids
            ):
                self.report.unchanged += 1
                self._advance(1)
            else:
                yield item
        yield source_done

    def _collect_batch(self, batch: Sequence[Document | _SourceDone], extracted: Future[ExtractedBatch]) -> None:
        extractions, vectors = extracted.result()
        if vectors is None:
            vectors = self._embedder.embed([f"{e.document.title}. {p.text}" for e in extractions for p in e.passages])
        start = 0
        pending_extractions = iter(extractions)
        for item in batch:
            if isinstance(item, _SourceDone):
                self._pending.finished_sources.append(item)
            else:
                extraction = next(pending_extractions)
                if self._llm_extractor:
                    extraction = self._llm_extractor.extract(extraction)
                    self._estimate_llm_time()
                stop = start + len(extraction.passages)
                self._pending.documents.append((extraction, vectors[start:stop]))
                start = stop
            if self._pending.passage_count >= self._commit_passages or not self._pending.documents:
                self._commit_pending()

    def _commit_pending(self) -> None:
        """Commit the pending documents, update the report, and finish the sources that end with them."""
        pending, self._pending = self._pending, _PendingCommit()
        if pending.documents:
            self._graph.put_many(pending.documents)
        for extraction, vectors in pending.documents:
            document = extraction.document
            self.report.passages += len(vectors)
            if document.id in self._stored_hashes:
                self.report.replaced += 1
            else:
                self.report.added += 1
            self._stored_hashes[document.id] = document.sha256
            self._advance(1)
        self._finish_sources(pending.finished_sources)

    def _estimate_llm_time(self) -> None:
        """Report once, after `ESTIMATE_AFTER` documents, how long the language model will take."""
        assert self._llm_extractor is not None
        self._llm_document_count += 1
        remaining = self._total_count - self._done_count - 1
        if self._llm_document_count == ESTIMATE_AFTER and remaining > 0:
            seconds_per_document = self._llm_extractor.stats.seconds / ESTIMATE_AFTER
            self._notify(
                f"The language model takes {seconds_per_document:.0f} s a document, about {format_duration(remaining * seconds_per_document)} for the {remaining:,} that are "
                "left. Ctrl-C stops; finished documents are kept."
            )

    def _finish_sources(self, finished_sources: Sequence[_SourceDone]) -> None:
        """Forget documents that sources no longer have, then record the sources as read.

        A file that could not be opened tells nothing about its documents: like a missing file, it is only reported.
        """
        if not finished_sources:
            return
        ids_by_source = {e.source.id: e.document_ids for e in finished_sources if e.digest or e.source.id == "-"}
        for source, documents in self._graph.document_ids_by_source(ids_by_source).items():
            for document_id in documents:
                if document_id not in ids_by_source[source]:
                    self._graph.forget(document_id)
                    self.report.removed += 1
        self._graph.mark_sources_read(
            (e.source.id, e.digest, [(p.line, p.message) for p in e.problems]) for e in finished_sources
        )

    def _advance(self, documents: int) -> None:
        self._done_count += documents
        self._total_count = max(self._total_count, self._done_count)
        self._progress(self._done_count, self._total_count, self.report.passages)


def format_duration(seconds: float) -> str:
    """Format seconds for display: "40 s", "12 min", "3.5 h"."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def missing_sources(graph: GraphStore, folders: Sequence[Path], base: Path) -> list[str]:
    """Return the files of stored documents that were in one of ``folders`` and no longer exist.

    Missing files without documents are removed from the store's records and not returned.
    """
    missing = []
    roots = {Path(os.path.abspath(f)) for f in folders if f.is_dir()} | {f.resolve() for f in folders if f.is_dir()}
    document_sources = set(graph.sources_by_document().values())
    for source in sorted(document_sources.union(graph.sources())):
        path = Path(os.path.abspath(base / source))
        # names that are not UTF-8 are stored with backslashes and cannot be checked
        if source == "-" or "\\" in source or os.path.exists(path) or roots.isdisjoint(path.parents):
            continue
        if source in document_sources:
            missing.append(source)
        else:
            graph.forget_source(source)
    return missing


def _source_digest(source: Source) -> str:
    try:
        return "" if source.id == "-" else file_sha256(source.path)
    except OSError:
        return ""  # reading the file reports the reason


def _estimate_document_count(source: Source) -> int:
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
