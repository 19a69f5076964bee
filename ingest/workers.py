"""Worker processes for extraction, which end with their parent process, even if it is killed."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from types import TracebackType

from threadpoolctl import threadpool_limits  # type: ignore[import-untyped, unused-ignore]

from ingest.extraction_config import DEFAULT, ExtractionConfig
from kgrag.errors import KgragError
from kgrag.protocols import Matrix
from kgrag.types import Document, Extraction

ExtractedBatch = tuple[list[Extraction], Matrix | None]


class ExtractionPool:
    """Pool of extraction processes.

    Args:
        count: number of processes; 0 extracts in this process.
        passage_size: maximum passage length in characters.
        config: user settings for extraction.
        with_vectors: return the passages' vectors, too (see `ingest.extraction.extract_with_vectors`).
    """

    def __init__(
        self, count: int, passage_size: int, config: ExtractionConfig = DEFAULT, *, with_vectors: bool = False
    ) -> None:
        self.count, self._passage_size, self._config, self._with_vectors = count, passage_size, config, with_vectors
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> ExtractionPool:
        if self.count:
            self._pool = ProcessPoolExecutor(
                self.count, multiprocessing.get_context("spawn"), initializer=_init_worker, initargs=(os.getpid(),)
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool:
            self._pool.shutdown(wait=kind is None, cancel_futures=True)
        if isinstance(value, BrokenProcessPool):
            raise KgragError(
                "An extraction process was killed (often for lack of memory): run the command again, "
                "it continues where it stopped; `workers = 1` in kgrag.toml needs the least memory."
            ) from value

    def submit(self, documents: Sequence[Document]) -> Future[ExtractedBatch]:
        """Return a future of the extractions of ``documents``, in order, and the vectors of their passages."""
        arguments = (documents, self._passage_size, self._config, self._with_vectors)
        if self._pool:
            return self._pool.submit(_extract_batch, *arguments)
        future: Future[ExtractedBatch] = Future()
        future.set_result(_extract_batch(*arguments))
        return future


def _extract_batch(
    documents: Sequence[Document], passage_size: int, config: ExtractionConfig, with_vectors: bool
) -> ExtractedBatch:
    from ingest.extraction import extract_with_vectors

    return extract_with_vectors(documents, passage_size, config, with_vectors=with_vectors)


def _init_worker(parent: int) -> None:
    """Set up a worker: ignore Ctrl-C, which the parent handles, and exit if the parent is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # one thread each, since there is a worker per core; libraries already loaded do not read the environment
    os.environ["OMP_NUM_THREADS"] = "1"
    threadpool_limits(1)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
