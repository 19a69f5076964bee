"""Files into a store: read, extract in worker processes, embed, commit a document, or a few, at a time.

It can be stopped at any moment and run again: what was committed is unchanged the second time and costs nothing.
A file is noted as read only after its last document is in.
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

from ingest.convert import Problem
from ingest.find import Source
from ingest.llm_reader import LLMReader, Tally
from ingest.read import file_digest, read
from ingest.rules import PLAIN, Rules
from ingest.workers import Done, Workers
from kgrag.embed import reads
from kgrag.protocols import Embedder, Graph, Matrix
from kgrag.types import Document, Extraction

BATCH = 32
"""Documents extracted and embedded together."""
TOLD = 3
"""Documents after which it is told how long a language model will take."""
STREAMS = (".jsonl", ".csv", ".tsv")


class Progress(Protocol):
    """Told how far the work is; a terminal bar, or nothing."""

    def __call__(self, done: int, total: int, passages: int, /) -> None:
        """``done`` of about ``total`` documents looked at; ``passages`` embedded so far."""


@dataclass
class Report:
    """What an ingest did. ``vanished``: documents in the store whose file is gone. ``skipped``: files, by reason.
    ``tally``: what a language model did, if one was asked."""

    added: int = 0
    replaced: int = 0
    unchanged: int = 0
    removed: int = 0
    passages: int = 0
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    vanished: list[str] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)
    tally: Tally | None = None


@dataclass
class _Ending:
    """A source that has been read to its end, once the documents before it are committed."""

    source: Source
    digest: str
    seen: set[str]
    problems: list[Problem]


@dataclass
class _Held:
    """Documents to be put in one transaction, and the sources that end with them."""

    documents: list[tuple[Extraction, Matrix]] = field(default_factory=list)
    endings: list[_Ending] = field(default_factory=list)

    @property
    def passages(self) -> int:
        return sum(len(vectors) for _, vectors in self.documents)


class Ingest:
    """One run over some sources.

    Args:
        graph: the store, held for writing.
        embedder: the one the store was made with.
        size: longest passage, in characters.
        workers: processes that extract; 0 chooses by the machine and the amount.
        rules: what reading depends on besides.
        again: read what has not changed, too.
        reader: a language model that looks for facts, too or alone.
        read_by: read again what was not read so (``rules``, ``llm``, ``both``); None leaves it as it was read.
        notice: told in a sentence how long a language model will take.
    """

    def __init__(
        self,
        graph: Graph,
        embedder: Embedder,
        *,
        size: int,
        workers: int,
        progress: Progress,
        rules: Rules = PLAIN,
        again: bool = False,
        reader: LLMReader | None = None,
        read_by: str | None = None,
        notice: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._graph, self._embedder, self._progress = graph, embedder, progress
        self._size, self._workers, self._rules, self._again = size, workers, rules, again
        self._reader, self._notice = reader, notice
        # what was read in another way has changed, for all that the text is the same
        was = graph.read_by() if read_by is not None else {}
        self._other = {document for document, how in was.items() if how != read_by}
        self._known = dict(graph.fingerprints())
        self._owner: dict[str, str] = {}
        self._before: dict[str, list[str]] = {}
        self.report = Report(tally=reader.tally if reader else None)
        self._done = self._total = self._told = 0
        self._held = _Held()
        # what a language model has read is not held back: it took long
        self._group = 1 if reader else graph.group

    def run(self, sources: Sequence[Source]) -> Report:
        """Bring the store in step with ``sources``.

        Raises:
            StoreError: a commit failed; what was committed before it is kept.
        """
        read_before = {} if self._again else self._graph.sources()
        due: list[tuple[Source, str]] = []
        self._before = self._graph.documents_of(source.id for source in sources)
        for source in sources:
            digest = _digest(source)
            held = self._before[source.id]
            if digest and read_before.get(source.id) == digest and self._other.isdisjoint(held):
                self._owner.update(dict.fromkeys(held, source.id))
                self.report.unchanged += len(held)
            else:
                due.append((source, digest))
        self._total = sum(_count(source) for source, _ in due)
        if due:
            workers = self._workers or (min(4, os.cpu_count() or 1) if self._total >= 200 else 0)
            with Workers(workers, self._size, self._rules, vectors=reads(self._embedder)) as pool:
                self._overlapped(pool, self._batches(due))
        return self.report

    def _overlapped(self, pool: Workers, batches: Iterable[list[Document | _Ending]]) -> None:
        """Keep the workers busy while this process embeds and commits; batches end in the order they began."""
        waiting: deque[tuple[list[Document | _Ending], Future[Done]]] = deque()
        for batch in batches:
            waiting.append((batch, pool.submit([item for item in batch if isinstance(item, Document)])))
            if len(waiting) > 2 * pool.count:
                self._commit(*waiting.popleft())
        while waiting:
            self._commit(*waiting.popleft())
        self._put()

    def _batches(self, due: Sequence[tuple[Source, str]]) -> Iterator[list[Document | _Ending]]:
        batch: list[Document | _Ending] = []
        documents = 0
        for source, digest in due:
            for item in self._changed(source, digest):
                batch.append(item)
                documents += isinstance(item, Document)
                if documents >= BATCH:
                    yield batch
                    batch, documents = [], 0
        if batch:
            yield batch

    def _changed(self, source: Source, digest: str) -> Iterator[Document | _Ending]:
        """The documents of a source that the store does not have as they are, then its ending."""
        ending = _Ending(source, digest, set(), [])
        before = set(self._before[source.id])
        for item in read(source, self.report.notes.append):
            if isinstance(item, Problem):
                ending.problems.append(item)
                self.report.problems.append(item)
                continue
            other = self._owner.setdefault(item.id, source.id)
            if other != source.id:
                problem = Problem(
                    source.id, None, f"expected an id of its own, found {item.id!r} as in {other}; skipped"
                )
                ending.problems.append(problem)
                self.report.problems.append(problem)
                continue
            ending.seen.add(item.id)
            if (
                self._known.get(item.id) == item.sha256
                and item.id in before
                and not self._again
                and item.id not in self._other
            ):
                self.report.unchanged += 1
                self._advance(1)
            else:
                yield item
        yield ending

    def _commit(self, batch: Sequence[Document | _Ending], extracted: Future[Done]) -> None:
        extractions, vectors = extracted.result()
        if vectors is None:
            vectors = self._embedder.embed([f"{e.document.title}. {p.text}" for e in extractions for p in e.passages])
        start = 0
        ready = iter(extractions)
        for item in batch:
            if isinstance(item, _Ending):
                self._held.endings.append(item)
            else:
                extraction = next(ready)
                if self._reader:
                    extraction = self._reader.read(extraction)
                    self._tell()
                stop = start + len(extraction.passages)
                self._held.documents.append((extraction, vectors[start:stop]))
                start = stop
            if self._held.passages >= self._group or not self._held.documents:
                self._put()

    def _put(self) -> None:
        """Commit what is held, then count it: not before. Then end the files that it was the last of."""
        held, self._held = self._held, _Held()
        if held.documents:
            self._graph.put_all(held.documents)
        for extraction, vectors in held.documents:
            document = extraction.document
            self.report.passages += len(vectors)
            if document.id in self._known:
                self.report.replaced += 1
            else:
                self.report.added += 1
            self._known[document.id] = document.sha256
            self._advance(1)
        self._finish(held.endings)

    def _tell(self) -> None:
        """Say once what a language model will take, as soon as it is known."""
        assert self._reader is not None
        self._told += 1
        left = self._total - self._done - 1
        if self._told == TOLD and left > 0:
            each = self._reader.tally.seconds / TOLD
            self._notice(
                f"The language model takes {each:.0f} s a document, about {spoken(left * each)} for the {left:,} that are "
                "left. Ctrl-C stops; what is done is kept."
            )

    def _finish(self, endings: Sequence[_Ending]) -> None:
        """Forget what sources no longer have, then note that they were read.

        A file that could not be opened says nothing about what it has: like one that is gone, it is only reported.
        """
        if not endings:
            return
        read = {e.source.id: e.seen for e in endings if e.digest or e.source.id == "-"}
        for source, documents in self._graph.documents_of(read).items():
            for document_id in documents:
                if document_id not in read[source]:
                    self._graph.forget(document_id)
                    self.report.removed += 1
        self._graph.finish_sources((e.source.id, e.digest, [(p.line, p.message) for p in e.problems]) for e in endings)

    def _advance(self, documents: int) -> None:
        self._done += documents
        self._total = max(self._total, self._done)
        self._progress(self._done, self._total, self.report.passages)


def spoken(seconds: float) -> str:
    """A time as people say it: "40 s", "12 min", "3.5 h"."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def vanished(graph: Graph, folders: Sequence[Path], base: Path) -> list[str]:
    """Files of documents in the store that lie in one of ``folders`` and are no longer there.

    Of a file that is gone and gave no document nothing is kept, so it is not named.
    """
    gone = []
    roots = {Path(os.path.abspath(f)) for f in folders if f.is_dir()} | {f.resolve() for f in folders if f.is_dir()}
    held = set(graph.sources_by_document().values())
    for source in sorted(held.union(graph.sources())):
        path = Path(os.path.abspath(base / source))
        # a name that is not UTF-8 was written with backslashes and cannot be looked for
        if source == "-" or "\\" in source or os.path.exists(path) or roots.isdisjoint(path.parents):
            continue
        if source in held:
            gone.append(source)
        else:
            graph.drop_source(source)
    return gone


def _digest(source: Source) -> str:
    try:
        return "" if source.id == "-" else file_digest(source.path)
    except OSError:
        return ""  # reading it will say why


def _count(source: Source) -> int:
    """About how many documents a source holds: the lines of a table, else 1."""
    name = source.path.name.lower()
    try:
        if name.endswith(STREAMS):
            with source.path.open("rb") as file:
                return sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b"")) or 1
        if name.endswith(".jsonl.gz"):
            with gzip.open(source.path) as stream:
                return sum(block.count(b"\n") for block in iter(lambda: stream.read(1 << 20), b"")) or 1
    except (OSError, EOFError):
        pass
    return 1
