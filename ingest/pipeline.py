"""Ingest files into a store: read, extract in worker processes, embed, and commit in small transactions.

A run can be stopped at any moment and started again: committed documents are unchanged the second time and cost
nothing. A file is recorded as read only after its last document is committed.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path

from ingest.extraction_config import DEFAULT, ExtractionConfig
from ingest.ledger import SourceGroup
from ingest.readers.content import ReadProblem
from ingest.readers.files.discovery import Source
from ingest.reconciliation import SourceReconciler
from ingest.relations.llm_extractor import LLMExtractor
from ingest.report import IngestProgress, IngestReport, format_duration
from ingest.steady_reader import Reread, SourceDone, read_group
from ingest.work_estimate import WorkProgress, estimate_document_count
from ingest.workers import ExtractedBatch, ExtractionPool
from kgrag.embedders import provides_token_states
from kgrag.protocols import Embedder, GraphStore, Matrix
from kgrag.types import Document, Extraction

DOCUMENTS_PER_BATCH = 32
"""Maximum number of documents extracted and embedded together."""
MAX_BATCH_CHARS = 32_000
"""Characters after which a batch ends: on a slow machine, a few seconds of work, after which progress is reported."""
ESTIMATE_AFTER = 3
"""Documents after which the run reports how long the language model will take."""
__all__ = ["DOCUMENTS_PER_BATCH", "IngestPipeline", "IngestProgress", "IngestReport"]
BatchItem = Document | SourceDone


@dataclass
class _PendingCommit:
    """Documents for one transaction, and the sources that end with them."""

    documents: list[tuple[Extraction, Matrix]] = field(default_factory=list)
    finished_sources: list[SourceDone] = field(default_factory=list)

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
        base: folder that ids of sources are relative to; None looks at no files but the given ones.
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
        base: Path | None = None,
    ) -> None:
        self._graph, self._embedder, self._progress = graph, embedder, progress
        self._passage_size, self._worker_count, self._config = passage_size, workers, config
        self._llm_extractor, self._notify = llm_extractor, notify
        # documents of another extractor count as changed, although their text is the same
        extractor_by_document = graph.extractors() if required_extractor is not None else {}
        self._other_extractor_ids = {
            document for document, extractor in extractor_by_document.items() if extractor != required_extractor
        }
        self._source_by_document: dict[str, str] = {}
        self.report = IngestReport(llm_stats=llm_extractor.stats if llm_extractor else None)
        self._reconciler = SourceReconciler(
            graph, self.report, base, reread_all=reread_all, outdated_ids=self._other_extractor_ids
        )
        self._work = WorkProgress((), passage_size, progress)
        self._total_count = self._llm_document_count = 0
        self._pending = _PendingCommit()
        # commit every document that a language model has read, since it took long
        self._commit_passages = 1 if llm_extractor else graph.passages_per_transaction

    def run(self, sources: Sequence[Source]) -> IngestReport:
        """Bring the store up to date with ``sources``.

        Raises:
            StoreError: a commit failed; earlier commits are kept.
        """
        complete, due = self._reconciler.reconcile(sources)
        for source in complete:
            self._source_by_document.update(dict.fromkeys(self._reconciler.document_ids[source.id], source.id))
        self._work = WorkProgress((group.owner for group in due), self._passage_size, self._progress)
        self._total_count = sum(estimate_document_count(group.owner) for group in due)
        if due:
            self._work.report()
            workers = self._worker_count or (min(4, os.cpu_count() or 1) if self._total_count >= 200 else 0)
            with ExtractionPool(
                workers, self._passage_size, self._config, with_vectors=provides_token_states(self._embedder)
            ) as pool:
                self._process_batches(pool, self._iter_batches(due))
        return self.report

    def _process_batches(self, pool: ExtractionPool, batches: Iterable[list[BatchItem]]) -> None:
        """Extract in the workers while this process embeds and commits; batches are committed in order."""
        waiting: deque[tuple[list[BatchItem], Future[ExtractedBatch]]] = deque()
        for batch in batches:
            waiting.append((batch, pool.submit([item for item in batch if isinstance(item, Document)])))
            if len(waiting) > 2 * pool.count:
                self._collect_batch(*waiting.popleft())
        while waiting:
            self._collect_batch(*waiting.popleft())
        self._commit_pending()

    def _iter_batches(self, groups: Iterable[SourceGroup]) -> Iterator[list[BatchItem]]:
        batch: list[BatchItem] = []
        documents = chars = 0
        for group in groups:
            for item in self._changed_documents(group):
                batch.append(item)
                if isinstance(item, Document):
                    documents, chars = documents + 1, chars + len(item.text)
                if documents >= DOCUMENTS_PER_BATCH or chars >= MAX_BATCH_CHARS:
                    yield batch
                    batch, documents, chars = [], 0, 0
        if batch:
            yield batch

    def _changed_documents(self, group: SourceGroup) -> Iterator[BatchItem]:
        """Yield the new and changed documents of a group's owner, then its `SourceDone`."""
        document_ids: set[str] = set()
        problems: list[ReadProblem] = []
        self._work.estimate.start(group.owner)
        for source, item in read_group(group, self.report.notes.append):
            if isinstance(item, Reread):
                document_ids, problems = set(), []
            elif isinstance(item, ReadProblem):
                problems.append(item)
            elif isinstance(item, SourceDone):
                if not document_ids and not problems:
                    message = "expected text, found none that can be read: add some, or leave the file out"
                    problems.append(ReadProblem(source.id, None, message))
                item.document_ids, item.problems = document_ids, problems
                self.report.problems += problems
                document_ids, problems = set(), []
                yield item
            elif (owner := self._source_by_document.setdefault(item.id, source.id)) != source.id:
                message = f"expected an id of its own, found {item.id!r} as in {owner}; skipped"
                problems.append(ReadProblem(source.id, None, message))
            else:
                document_ids.add(item.id)
                self._work.estimate.add_text(len(item.text))
                if self._reconciler.is_unchanged(item):
                    self.report.unchanged += 1
                    self._work.add_document(len(item.text), 0)
                else:
                    yield item
        self._work.estimate.finish()

    def _collect_batch(self, batch: Sequence[BatchItem], extracted: Future[ExtractedBatch]) -> None:
        extractions, vectors = extracted.result()
        if vectors is None:
            vectors = self._embedder.embed([p.indexed_text(e.document.title) for e in extractions for p in e.passages])
        start = 0
        pending_extractions = iter(extractions)
        for item in batch:
            if isinstance(item, SourceDone):
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
            if document.id in self._reconciler.hashes:
                self.report.replaced += 1
            else:
                self.report.added += 1
            self._reconciler.hashes[document.id] = document.sha256
            self._work.add_document(len(document.text), len(vectors))
        self._finish_sources(pending.finished_sources)

    def _estimate_llm_time(self) -> None:
        """Report once, after `ESTIMATE_AFTER` documents, how long the language model will take."""
        assert self._llm_extractor is not None
        self._llm_document_count += 1
        remaining = self._total_count - self._work.documents - 1
        if self._llm_document_count == ESTIMATE_AFTER and remaining > 0:
            seconds = self._llm_extractor.stats.seconds / ESTIMATE_AFTER
            self._notify(
                f"The language model takes {seconds:.0f} s a document, about {format_duration(remaining * seconds)} "
                f"for the {remaining:,} that are left. Ctrl-C stops; finished documents are kept."
            )

    def _finish_sources(self, finished_sources: Sequence[SourceDone]) -> None:
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
        for done in finished_sources:
            if done.group:
                self._reconciler.finish_group(done.group, was_read=True)
