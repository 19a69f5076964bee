"""Speed benchmarks: retrieval latency, ingest, and the embedder compared with plain sentence-transformers."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any, TypedDict

import numpy as np

from kgrag.dev.benchmarks.runner import time_retrieval
from kgrag.errors import ReadError
from kgrag.metrics.intervals import IntervalJson, bootstrap_interval, interval_json, percentile
from kgrag.protocols import Embedder, Retriever
from kgrag.types import Question

Tick = Callable[[], None]
MAX_TIMED_QUESTIONS = 200
"""Questions timed at most."""
MAX_BASELINE_PASSAGES = 500
"""Passages that sentence-transformers encodes at most: it takes several times as long."""

LatencyReport = TypedDict("LatencyReport", {"p50 ms": IntervalJson, "p95 ms": IntervalJson, "questions": int})
"""Median and 95th percentile of the retrieval time, and the number of timed questions."""
EncoderComparison = TypedDict(
    "EncoderComparison",
    {
        "passages/s": float,
        "passages/s of the first": float,
        "passages/s of sentence-transformers": float,
        "ratio": float,
        "compared": int,
        "least cosine": float,
    },
)
"""Speed of our embedder on all texts, then of both encoders on the first texts.

"ratio" is between the latter two, "compared" the number of those texts, and "least cosine" the lowest similarity of the
two encoders' vectors of a text.
"""


def measure_latency(retriever: Retriever, questions: Sequence[Question], tick: Tick = lambda: None) -> LatencyReport:
    """Measure the milliseconds of `Retriever.retrieve` for ten passages, once warm.

    They include the embedding of the question.

    Args:
        retriever: of the store.
        questions: one or more; the first `MAX_TIMED_QUESTIONS` are timed.
        tick: called once a question.
    """
    _, milliseconds = time_retrieval(retriever, questions[:MAX_TIMED_QUESTIONS], tick)
    return {
        "p50 ms": interval_json(bootstrap_interval(milliseconds, percentile(50))),
        "p95 ms": interval_json(bootstrap_interval(milliseconds, percentile(95))),
        "questions": len(milliseconds),
    }


def measure_peak_memory(work: Callable[[], Any], interval_seconds: float = 0.1) -> tuple[float, int]:
    """Return the seconds of ``work``, and the peak memory of this process and its children together, in bytes.

    Resident sets are summed every ``interval_seconds``. Pages shared by processes count in each of them, and a peak
    between two samples is missed.
    """
    import psutil

    own_process = psutil.Process()
    peak = 0
    done = threading.Event()

    def watch_memory() -> None:
        nonlocal peak
        while True:
            resident_bytes = 0
            for process in (own_process, *own_process.children(recursive=True)):
                with suppress(psutil.Error):  # it ended meanwhile
                    resident_bytes += process.memory_info().rss
            peak = max(peak, resident_bytes)
            if done.wait(interval_seconds):
                return

    watcher = threading.Thread(target=watch_memory, daemon=True)
    watcher.start()
    start = time.perf_counter()
    try:
        work()
    finally:
        seconds = time.perf_counter() - start
        done.set()
        watcher.join()
    return seconds, peak


def copy_first_documents(path: Path, limit: int, target: Path) -> int:
    """Copy the first ``limit`` documents of a file or a folder into a jsonl file; return how many there were.

    Raises:
        UsageError: there is no such path.
        ReadError: it contains no document.
    """
    from ingest.readers.content import ReadProblem
    from ingest.readers.files.discovery import discover_sources
    from ingest.readers.readers import read_source

    all_items = (
        item for source in discover_sources([str(path)], path.resolve().parent) for item in read_source(source)
    )
    documents = islice((item for item in all_items if not isinstance(item, ReadProblem)), limit)
    copied = 0
    with target.open("w", encoding="utf-8") as file:
        for document in documents:
            row = {"_id": document.id, "title": document.title, "text": document.text}
            file.write(json.dumps(row, ensure_ascii=True) + "\n")
            copied += 1
    if not copied:
        raise ReadError(
            f"Expected documents in {path}, found none that can be read: pass a corpus such as corpus.jsonl.gz."
        )
    return copied


def compare_encoders(embedder: Embedder, folder: Path, texts: Sequence[str], prefix: str = "") -> EncoderComparison:
    """Compare our embedder with plain sentence-transformers on the same texts.

    sentence-transformers runs on the processor, in batches of 32, on the first `MAX_BASELINE_PASSAGES` texts.

    Args:
        embedder: ours; it encodes one text first, to warm up, as does the other.
        folder: the same model for sentence-transformers.
        texts: one or more.
        prefix: text that the model reads before each passage; ours adds it by itself.
    """
    from sentence_transformers import SentenceTransformer

    logging: Any = import_module("transformers.utils.logging")  # untyped; its messages on a known model do not help
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    sample = list(texts[:MAX_BASELINE_PASSAGES])
    embedder.embed(sample[:1])
    rate, _ = _measure_rate(lambda: embedder.embed(texts), len(texts))
    ours_rate, our_vectors = _measure_rate(lambda: embedder.embed(sample), len(sample))
    baseline_model = SentenceTransformer(str(folder), device="cpu")
    baseline_model.encode(sample[:1], show_progress_bar=False)
    plain_rate, baseline_vectors = _measure_rate(
        lambda: baseline_model.encode(
            [prefix + text for text in sample], batch_size=32, normalize_embeddings=True, show_progress_bar=False
        ),
        len(sample),
    )
    return {
        "passages/s": rate,
        "passages/s of the first": ours_rate,
        "passages/s of sentence-transformers": plain_rate,
        "ratio": ours_rate / plain_rate,
        "compared": len(sample),
        "least cosine": float(np.min(np.sum(our_vectors * baseline_vectors, axis=1))),
    }


def _measure_rate(work: Callable[[], Any], number: int) -> tuple[float, Any]:
    start = time.perf_counter()
    result = work()
    return number / (time.perf_counter() - start), result
