"""Cost of scale: fills, builds and queries stores of any size, and plots the growth of each measure."""

from __future__ import annotations

import json
import math
import resource
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from ingest.pipeline import IngestPipeline
from ingest.readers.files.discovery import discover_sources
from kgrag.dev.benchmarks.synthetic_corpus import SyntheticCorpus
from kgrag.metrics.ranking import recall_at
from kgrag.protocols import Embedder, GraphStore, Matrix, Retriever
from kgrag.types import Question

BLOCK_SIZE = 5000
"""Documents of one transaction in a folder store; a server store has its own limit."""
TOPIC_COUNT = 2000
RECALL_DEPTH = 5
Tick = Callable[[int], None]


def topical_vectors(dimensions: int, seed: int = 0) -> Iterator[Matrix]:
    """Yield blocks of `BLOCK_SIZE` unit vectors without end: mixtures of two of `TOPIC_COUNT` directions, and noise."""
    rng = np.random.default_rng(seed)
    topics = rng.standard_normal((TOPIC_COUNT, dimensions)).astype(np.float32)
    topics /= np.linalg.norm(topics, axis=1, keepdims=True)
    while True:
        first_topic, second_topic = rng.integers(0, TOPIC_COUNT, (2, BLOCK_SIZE))
        share = rng.uniform(0.5, 1, (BLOCK_SIZE, 1)).astype(np.float32)
        noise = rng.standard_normal((BLOCK_SIZE, dimensions)).astype(np.float32) * (0.6 / dimensions**0.5)
        vectors = share * topics[first_topic] + (1 - share) * topics[second_topic] + noise
        yield np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def fill_store(
    graph: GraphStore, corpus: SyntheticCorpus, count: int, dimensions: int, tick: Tick = lambda _: None
) -> float:
    """Put the next ``count`` articles into a store, with their gold extraction; return the seconds.

    Their vectors are `topical_vectors`.
    """
    start, done = time.perf_counter(), 0
    articles = corpus.generate_articles(count)
    for vectors in topical_vectors(dimensions):
        block = [article.gold_extraction() for article in islice(articles, BLOCK_SIZE)]
        if not block:
            break
        pairs = iter(zip(block, (vectors[n : n + 1] for n in range(len(block))), strict=True))
        while batch := list(
            islice(pairs, BLOCK_SIZE if graph.passages_per_transaction == 1 else graph.passages_per_transaction)
        ):
            graph.put_many(batch)
        done += len(block)
        tick(done)
    return time.perf_counter() - start


def ingest_articles(
    graph: GraphStore, embedder: Embedder, corpus: SyntheticCorpus, count: int, folder: Path, size: int
) -> float:
    """Ingest the next ``count`` articles from a file in ``folder``, as a user does; return documents a second."""
    path = folder / "more.jsonl"
    rows = (
        {"_id": a.document.id, "title": a.document.title, "text": a.document.text}
        for a in corpus.generate_articles(count)
    )
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    start = time.perf_counter()
    run = IngestPipeline(graph, embedder, passage_size=size, workers=0, progress=lambda *_: None)
    report = run.run(discover_sources([str(path)], folder))
    return report.added / (time.perf_counter() - start)


def measure_queries(retriever: Retriever, questions: Sequence[Question]) -> dict[str, float]:
    """Return latency in milliseconds, without one warm-up question, and recall@5 of the gold documents."""
    retriever.retrieve(questions[-1].text, RECALL_DEPTH)
    seconds, recalls = [], []
    for question in questions:
        start = time.perf_counter()
        hits = retriever.retrieve(question.text, RECALL_DEPTH)
        seconds.append(time.perf_counter() - start)
        recalls.append(recall_at([hit.passage.document_id for hit in hits], question.gold, RECALL_DEPTH))
    low, high = np.percentile(1000 * np.array(seconds), (50, 95))
    return {"p50 ms": float(low), "p95 ms": float(high), "recall@5": float(np.mean(recalls))}


def measure_forgetting(graph: GraphStore, documents: Sequence[str]) -> dict[str, float]:
    """Return the median and the greatest milliseconds of forgetting each of some documents."""
    milliseconds = []
    for document_id in documents:
        start = time.perf_counter()
        graph.forget(document_id)
        milliseconds.append(1000 * (time.perf_counter() - start))
    return {"forget ms": float(np.median(milliseconds)), "forget ms at most": max(milliseconds)}


def memory_use() -> dict[str, float]:
    """Return gigabytes of this process: ``peak``, and on Linux ``anonymous`` and ``files`` now.

    ``files`` is memory mapped from files, which the system reclaims for other processes.
    """
    gigabytes = {"peak GB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9}
    status = Path("/proc/self/status")
    for line in status.read_text().splitlines() if status.exists() else ():
        name, _, rest = line.partition(":")
        if name in ("RssAnon", "RssFile"):
            gigabytes["anonymous GB" if name == "RssAnon" else "files GB"] = int(rest.split()[0]) * 1024 / 1e9
    return gigabytes


def disk_use(folder: Path) -> float:
    """Return gigabytes of all files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e9


GROWTH_MEASURES = ("p50 ms", "anonymous GB", "resident GB", "disk GB", "build s")


def growth_exponents(reports: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Return measure -> the exponent of its growth with the size: the least-squares slope on logarithms.

    Args:
        reports: two or more, each with ``passages`` and the measures.
    """
    sizes = [math.log(report["passages"]) for report in reports]
    return {
        name: float(np.polyfit(sizes, [math.log(max(report[name], 1e-9)) for report in reports], 1)[0])
        for name in GROWTH_MEASURES
    }


def plot_growth(reports: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Plot the growth of each measure with logarithmic axes."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(
        1, len(GROWTH_MEASURES), figsize=(4 * len(GROWTH_MEASURES), 3.5), constrained_layout=True
    )
    sizes = [report["passages"] for report in reports]
    for name, axis in zip(GROWTH_MEASURES, axes, strict=True):
        axis.loglog(sizes, [report[name] for report in reports], "o-")
        axis.set_xlabel("passages")
        axis.set_title(f"{name}: exponent {growth_exponents(reports)[name]:.2f}")
    figure.savefig(path, dpi=150)
    pyplot.close(figure)
