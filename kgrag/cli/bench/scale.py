"""The command `kgrag bench scale`: building and querying stores of growing size."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from kgrag.cli.options import JsonOption, open_store, print_json, require_library
from kgrag.errors import KgragError, UsageError
from kgrag.location import EXAMPLE_ADDRESS, Neo4jLocation, StoreLocation, parse_location
from kgrag.serialize import JsonObject
from kgrag.storage.atomic import atomic_write
from kgrag.terminal import console

MAX_REAL_DOCUMENTS = 10_000
"""Largest store that is ingested like a user's; in larger stores, only `EXTRA_DOCUMENTS` documents are."""
EXTRA_DOCUMENTS = 1000
QUESTION_COUNT = 200
FORGOTTEN_DOCUMENTS = 50
NOTE = (
    "Names and words are synthetic, with the frequencies of 2WikiMultihopQA. Above 10,000 documents, extracted facts are "
    "written directly to the store, with random vectors (embedding a million passages would take hours); 1,000 more "
    "documents are ingested normally. All questions are embedded normally."
)


def bench_scale(
    sizes: Annotated[
        str, typer.Option(help="Comma-separated numbers of documents, such as 10k or 1M.")
    ] = "10k,100k,1M",
    out: Annotated[Path, typer.Option(help="Folder of stores and figures; finished sizes are not repeated.")] = Path(
        "build/scale"
    ),
    seed: Annotated[int, typer.Option(help="Random seed of the corpus.")] = 0,
    store: Annotated[
        str | None,
        typer.Option(
            "--store",
            "-s",
            help="Empty database of a server, for a single size; it stays filled (default: stores in folders).",
        ),
    ] = None,
    json_: JsonOption = False,
) -> None:
    """Measure ingest rate, index building, disk, memory, latency, recall and forgetting at growing sizes."""
    counts = [_parse_size(size) for size in sizes.split(",")]
    if store is not None:
        _require_empty_server(store, counts)
    require_library("matplotlib", "bench")
    from kgrag.dev.benchmarks.scale import growth_exponents, plot_growth

    out.mkdir(parents=True, exist_ok=True)
    reports = [_measure_size(out, count, seed, store) for count in sorted(counts)]
    report: dict[str, object] = {"note": NOTE, "sizes": reports}
    growth: dict[str, float] = {}
    if len(reports) > 1:
        growth = growth_exponents(reports)
        report["growth"] = growth
        plot_growth(reports, out / "scale.png")
    if json_:
        print_json(report)
        return
    names = [name for name in reports[0] if name not in ("settings", "passages")]
    rows = [["", *(f"{each['passages']:,}" for each in reports), "exponent"]]
    for name in names:
        slope = growth.get(name)
        rows.append([name, *(f"{each[name]:,.3g}" for each in reports), "" if slope is None else f"{slope:.2f}"])
    console.print_table(rows, right=range(1, len(rows[0])), heading=True)
    console.print_notice(NOTE)


def _parse_size(size: str) -> int:
    text = size.strip()
    factor = {"k": 1000, "M": 1_000_000}.get(text[-1:], 1)
    digits = text.rstrip("kM")
    if not digits.isdigit() or not int(digits):
        raise UsageError(f"Expected --sizes such as 10k,100k,1M, found {size!r}.")
    return int(digits) * factor


def _require_empty_server(store: str, counts: list[int]) -> None:
    """Raise UsageError unless ``store`` is an empty database of a server and there is a single size."""
    if not isinstance(parse_location(store), Neo4jLocation) or len(counts) != 1:
        raise UsageError(f"Expected one size and a server's database, such as --sizes 100k --store {EXAMPLE_ADDRESS}.")
    if open_store(store, create=True).graph_store.passage_count():
        raise UsageError(f"Expected an empty database, found documents in {store}: choose another.")


def _measure_size(out: Path, count: int, seed: int, store: str | None) -> JsonObject:
    """Measure one size, each stage in its own process; reuse the figures of an earlier run with the same settings."""
    path = out / (f"{count}.json" if store is None else f"{count}-server.json")
    settings = {
        "documents": count,
        "seed": seed,
        "real": MAX_REAL_DOCUMENTS,
        "more": EXTRA_DOCUMENTS,
        "questions": QUESTION_COUNT,
    }
    settings["forgotten"] = FORGOTTEN_DOCUMENTS
    figures: JsonObject = json.loads(path.read_text("utf-8")) if path.exists() else {}
    if figures.get("settings") == settings and store is None:
        return figures
    figures = {"settings": settings}
    for stage_name in STAGES:
        console.print_notice(f"{count:,} documents: {stage_name} …")
        code = "import sys; from kgrag.cli.bench.scale import stage; stage(*sys.argv[1:])"
        store_address = store or str(out / f"store-{count}")
        command = [sys.executable, "-c", code, stage_name, str(out), store_address, str(count), str(seed)]
        process = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
        if process.returncode:
            raise KgragError(f"Measuring {count:,} documents failed at the stage {stage_name}: see its output above.")
        figures |= json.loads(process.stdout.splitlines()[-1])
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(figures, indent=1), "utf-8")
    return figures


def stage(name: str, out: str, store: str, count: str, seed: str) -> None:
    """Measure one of `STAGES` in a process of its own; prints the figures as the last line."""
    print(json.dumps(STAGES[name](Path(out), parse_location(store), int(count), int(seed))))


def _build_stage(out: Path, store: StoreLocation, count: int, seed: int) -> dict[str, float]:
    """Fill a store, and build its indices."""
    import shutil

    from kgrag.dev.benchmarks.scale import disk_use, fill_store, ingest_articles, memory_use
    from kgrag.dev.benchmarks.synthetic_corpus import SyntheticCorpus
    from kgrag.retrieve.index_set import open_index_set

    if isinstance(store, Path):
        shutil.rmtree(store, ignore_errors=True)
    from kgrag.store.store import Store

    app, corpus = Store(store, console.print_notice, create=True), SyntheticCorpus(seed)
    app.graph_store.set_meta("embedder", app.config.embedder)
    real_documents = min(count, MAX_REAL_DOCUMENTS) if count <= MAX_REAL_DOCUMENTS else EXTRA_DOCUMENTS
    figures: dict[str, float] = {}
    if count > real_documents:
        figures["fill s"] = fill_store(app.graph_store, corpus, count - real_documents, app.embedder.dimensions)
        console.print_notice(f"filled in {figures['fill s']:.0f} s")
    else:
        figures["fill s"] = 0.0
    figures["documents/s"] = ingest_articles(
        app.graph_store, app.embedder, corpus, real_documents, out, app.config.passage_size
    )
    start = time.perf_counter()
    app.graph_store.refresh_display_names()
    figures["settle s"] = time.perf_counter() - start
    start = time.perf_counter()
    with app.write_lock():
        open_index_set(app.graph_store, app.folder / "indices", console.print_notice, persist=True)
    figures["build s"] = time.perf_counter() - start
    figures["build peak GB"] = memory_use()["peak GB"]
    app.graph_store.close()
    return {**figures, "disk GB": disk_use(app.folder), "indices GB": disk_use(app.folder / "indices")}


def _query_stage(out: Path, store: StoreLocation, count: int, seed: int) -> dict[str, float]:
    """Open a store, and query it."""
    from kgrag.dev.benchmarks.scale import measure_queries, memory_use
    from kgrag.dev.benchmarks.synthetic_corpus import SyntheticCorpus

    corpus = SyntheticCorpus(seed)
    for _ in corpus.generate_articles(count):
        pass
    questions = corpus.generate_questions(QUESTION_COUNT)
    del corpus
    from kgrag.store.store import Store

    app = Store(store, console.print_notice)
    start = time.perf_counter()
    retriever = app.retriever
    open_seconds = time.perf_counter() - start
    figures = measure_queries(retriever, questions)
    memory_figures = memory_use()
    memory_figures["resident GB"] = memory_figures.get("anonymous GB", memory_figures["peak GB"]) + memory_figures.get(
        "files GB", 0.0
    )
    return {"passages": app.graph_store.passage_count(), "open s": open_seconds, **figures, **memory_figures}


def _forget_stage(out: Path, store: StoreLocation, count: int, seed: int) -> dict[str, float]:
    """Forget some documents, and check that their passages are gone."""
    from kgrag.dev.benchmarks.scale import measure_forgetting
    from kgrag.store.store import Store

    graph = Store(store, console.print_notice).graph_store
    passages_before = graph.passage_count()
    documents = [
        document_id for document_id, _ in zip(sorted(graph.titles()), range(FORGOTTEN_DOCUMENTS), strict=False)
    ]
    figures = measure_forgetting(graph, documents)
    if graph.passage_count() != passages_before - len(documents):
        raise KgragError(
            f"Expected {len(documents)} passages less after forgetting, found {passages_before - graph.passage_count()}."
        )
    graph.close()
    return figures


STAGES = {"build": _build_stage, "serve": _query_stage, "forget": _forget_stage}
