"""A folder of files and a store beside it, for tests of repeated ingests."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from graphs.sqlite.store import SQLiteGraph
from ingest.ledger import forget_sources, missing_sources
from ingest.pipeline import IngestPipeline, IngestProgress, IngestReport
from ingest.readers.files.discovery import discover_sources
from ingest.readers.files.search_scope import SearchScope
from kgrag.protocols import Matrix
from tests.support.documents import FakeEmbedder

PASSAGE_SIZE = 200


class CountingEmbedder(FakeEmbedder):
    """An embedder that counts its texts."""

    def __init__(self) -> None:
        self.texts = 0

    def embed(self, texts: Sequence[str]) -> Matrix:
        """Return vectors (texts, 16)."""
        self.texts += len(texts)
        return super().embed(texts)


class Project:
    """A folder of files, and a store beside it."""

    def __init__(self, folder: Path) -> None:
        self.files = folder / "files"
        self.files.mkdir(parents=True)
        self.base = folder
        self.path = folder / "store" / "graph.db"
        self.embedder = CountingEmbedder()

    def ingest(
        self,
        *names: str,
        workers: int = 0,
        progress: IngestProgress = lambda *_: None,
        prune: bool = False,
        reread_all: bool = False,
    ) -> IngestReport:
        """Ingest files by name, or the whole folder; report what has vanished, or forget it with ``prune``."""
        arguments = [str(self.files / name) for name in names] or [str(self.files)]
        graph = SQLiteGraph(self.path)
        try:
            run = IngestPipeline(
                graph,
                self.embedder,
                passage_size=PASSAGE_SIZE,
                workers=workers,
                progress=progress,
                reread_all=reread_all,
                base=self.base,
            )
            report = run.run(discover_sources(arguments, self.base))
            report.vanished = missing_sources(graph, SearchScope(arguments, self.base))
            if prune:
                report.removed += forget_sources(graph, report.vanished)
            return report
        finally:
            graph.close()

    def write(self, name: str, text: str) -> Path:
        """Write a file with a text."""
        (self.files / name).parent.mkdir(parents=True, exist_ok=True)
        (self.files / name).write_text(text, "utf-8")
        return self.files / name

    def jsonl(self, name: str, rows: Iterable[tuple[str, str]]) -> Path:
        """Write a file of rows (_id, text), each with its id as its title."""
        return self.write(name, "".join(json.dumps({"_id": i, "title": i, "text": t}) + "\n" for i, t in rows))

    @property
    def texts(self) -> dict[str, str]:
        """Return document id -> text."""
        graph = SQLiteGraph(self.path)
        try:
            return {document.id: document.text for document in graph.documents()}
        finally:
            graph.close()

    @property
    def problems(self) -> list[tuple[str, int | None, str]]:
        """Return the problems recorded in the store."""
        graph = SQLiteGraph(self.path)
        try:
            return graph.problems()
        finally:
            graph.close()
