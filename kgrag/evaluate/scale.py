"""What a size costs: stores of any size are filled, built and asked, and the growth from one to the next is drawn."""

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

from ingest.find import find_sources
from ingest.pipeline import Ingest
from kgrag.evaluate.corpus import Corpus
from kgrag.evaluate.metrics import recall_at
from kgrag.protocols import Embedder, Graph, Matrix, Retriever
from kgrag.types import Question

BLOCK = 5000
"""Documents that a store in a folder is given in one transaction; a server's is given as many as it says."""
TOPICS = 2000
DEPTH = 5
Tick = Callable[[int], None]


def topical(dimensions: int, seed: int = 0) -> Iterator[Matrix]:
    """Blocks of `BLOCK` unit vectors without end: mixtures of two of `TOPICS` directions, and noise."""
    chance = np.random.default_rng(seed)
    topics = chance.standard_normal((TOPICS, dimensions)).astype(np.float32)
    topics /= np.linalg.norm(topics, axis=1, keepdims=True)
    while True:
        one, other = chance.integers(0, TOPICS, (2, BLOCK))
        share = chance.uniform(0.5, 1, (BLOCK, 1)).astype(np.float32)
        noise = chance.standard_normal((BLOCK, dimensions)).astype(np.float32) * (0.6 / dimensions**0.5)
        vectors = share * topics[one] + (1 - share) * topics[other] + noise
        yield np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def fill(graph: Graph, corpus: Corpus, count: int, dimensions: int, tick: Tick = lambda _: None) -> float:
    """Put the next ``count`` articles into a store as they were made, with `topical` vectors; seconds it took."""
    start, done = time.perf_counter(), 0
    articles = corpus.articles(count)
    for vectors in topical(dimensions):
        block = [article.extraction() for article in islice(articles, BLOCK)]
        if not block:
            break
        each = iter(zip(block, (vectors[n : n + 1] for n in range(len(block))), strict=True))
        while some := list(islice(each, BLOCK if graph.group == 1 else graph.group)):
            graph.put_all(some)
        done += len(block)
        tick(done)
    return time.perf_counter() - start


def read(graph: Graph, embedder: Embedder, corpus: Corpus, count: int, folder: Path, size: int) -> float:
    """Ingest the next ``count`` articles as a user's would be, from a file in ``folder``; documents a second."""
    path = folder / "more.jsonl"
    rows = ({"_id": a.document.id, "title": a.document.title, "text": a.document.text} for a in corpus.articles(count))
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    start = time.perf_counter()
    run = Ingest(graph, embedder, size=size, workers=0, progress=lambda *_: None)
    report = run.run(find_sources([str(path)], folder))
    return report.added / (time.perf_counter() - start)


def asked(retriever: Retriever, questions: Sequence[Question]) -> dict[str, float]:
    """Latency in milliseconds, one question to warm up left out, and recall of the gold documents among the first 5."""
    retriever.retrieve(questions[-1].text, DEPTH)
    seconds, recalls = [], []
    for question in questions:
        start = time.perf_counter()
        hits = retriever.retrieve(question.text, DEPTH)
        seconds.append(time.perf_counter() - start)
        recalls.append(recall_at([hit.passage.document_id for hit in hits], question.gold, DEPTH))
    low, high = np.percentile(1000 * np.array(seconds), (50, 95))
    return {"p50 ms": float(low), "p95 ms": float(high), "recall@5": float(np.mean(recalls))}


def forgotten(graph: Graph, documents: Sequence[str]) -> dict[str, float]:
    """Milliseconds of forgetting each of some documents, at the median and at most."""
    taken = []
    for document_id in documents:
        start = time.perf_counter()
        graph.forget(document_id)
        taken.append(1000 * (time.perf_counter() - start))
    return {"forget ms": float(np.median(taken)), "forget ms at most": max(taken)}


def memory() -> dict[str, float]:
    """Gigabytes of this process: ``peak``, and where the system tells them ``anonymous`` and ``files`` now.

    ``files`` is what is mapped from files, which the system takes back when others need it.
    """
    found = {"peak GB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9}
    status = Path("/proc/self/status")
    for line in status.read_text().splitlines() if status.exists() else ():
        name, _, rest = line.partition(":")
        if name in ("RssAnon", "RssFile"):
            found["anonymous GB" if name == "RssAnon" else "files GB"] = int(rest.split()[0]) * 1024 / 1e9
    return found


def on_disk(folder: Path) -> float:
    """Gigabytes of all files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e9


GROWING = ("p50 ms", "anonymous GB", "resident GB", "disk GB", "build s")


def growth(reports: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """measure -> the exponent of its growth with the size: the slope of the line of least squares through logarithms.

    Args:
        reports: two or more, each with ``passages`` and the measures.
    """
    sizes = [math.log(report["passages"]) for report in reports]
    return {
        name: float(np.polyfit(sizes, [math.log(max(report[name], 1e-9)) for report in reports], 1)[0])
        for name in GROWING
    }


def draw(reports: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Write the growth of each measure as a picture, both axes logarithmic."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, len(GROWING), figsize=(4 * len(GROWING), 3.5), constrained_layout=True)
    sizes = [report["passages"] for report in reports]
    for name, axis in zip(GROWING, axes, strict=True):
        axis.loglog(sizes, [report[name] for report in reports], "o-")
        axis.set_xlabel("passages")
        axis.set_title(f"{name}: exponent {growth(reports)[name]:.2f}")
    figure.savefig(path, dpi=150)
    pyplot.close(figure)
