"""`kgrag bench scale`: what stores of growing size cost to build and to ask."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from kgrag import console
from kgrag.app import App
from kgrag.commands.options import Json, need, open_app, print_json
from kgrag.errors import KgragError, UsageError
from kgrag.files import replaced
from kgrag.place import EXAMPLE, Place, Server, place

REAL = 10_000
"""Documents up to which a store is ingested as a user's would be; above, only `MORE` are."""
MORE = 1000
QUESTIONS = 200
FORGOTTEN = 50
NOTE = (
    "Names and words are made up, with the frequencies of 2WikiMultihopQA's. Above 10,000 documents what is read in "
    "them is put in the store as it was made, with vectors that say nothing of the text (embedding a million passages "
    "would take hours); 1,000 more are ingested in earnest. Questions are embedded in earnest throughout."
)


def bench_scale(
    sizes: Annotated[str, typer.Option(help="Documents, with commas between; k and M are known.")] = "10k,100k,1M",
    out: Annotated[Path, typer.Option(help="Where stores and figures are; what is there is not done again.")] = Path(
        "build/scale"
    ),
    seed: Annotated[int, typer.Option(help="Gives the corpus.")] = 0,
    store: Annotated[
        str | None,
        typer.Option(
            "--store", "-s", help="One size in a server's database instead; it must be empty, and stays filled."
        ),
    ] = None,
    json_: Json = False,
) -> None:
    """Ingest rate, building, disk, memory, latency, recall and forgetting at growing sizes, and how they grow."""
    counts = [_count(size) for size in sizes.split(",")]
    if store is not None:
        _expect_server(store, counts)
    need("matplotlib", "bench")
    from kgrag.evaluate.scale import draw, growth

    out.mkdir(parents=True, exist_ok=True)
    reports = [_measured(out, count, seed, store) for count in sorted(counts)]
    report: dict[str, Any] = {"note": NOTE, "sizes": reports}
    if len(reports) > 1:
        report["growth"] = growth(reports)
        draw(reports, out / "scale.png")
    if json_:
        print_json(report)
        return
    names = [name for name in reports[0] if name not in ("settings", "passages")]
    rows = [["", *(f"{each['passages']:,}" for each in reports), "exponent"]]
    for name in names:
        slope = report.get("growth", {}).get(name)
        rows.append([name, *(f"{each[name]:,.3g}" for each in reports), "" if slope is None else f"{slope:.2f}"])
    console.table(rows, right=range(1, len(rows[0])), heading=True)
    console.notice(NOTE)


def _count(size: str) -> int:
    text = size.strip()
    factor = {"k": 1000, "M": 1_000_000}.get(text[-1:], 1)
    digits = text.rstrip("kM")
    if not digits.isdigit() or not int(digits):
        raise UsageError(f"Expected --sizes such as 10k,100k,1M, found {size!r}.")
    return int(digits) * factor


def _expect_server(store: str, counts: list[int]) -> None:
    """Raises UsageError unless ``store`` is a server's empty database, and there is one size to fill it with."""
    if not isinstance(place(store), Server) or len(counts) != 1:
        raise UsageError(f"Expected one size and a server's database, such as --sizes 100k --store {EXAMPLE}.")
    if open_app(store, create=True).graph.passage_count():
        raise UsageError(f"{store} holds documents: name a database without.")


def _measured(out: Path, count: int, seed: int, store: str | None) -> dict[str, Any]:
    """The figures of one size, each stage in a process of its own; read where they were written with the same settings."""
    path = out / (f"{count}.json" if store is None else f"{count}-server.json")
    settings = {"documents": count, "seed": seed, "real": REAL, "more": MORE, "questions": QUESTIONS}
    settings["forgotten"] = FORGOTTEN
    found: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.exists() else {}
    if found.get("settings") == settings and store is None:
        return found
    found = {"settings": settings}
    for stage_name in STAGES:
        console.notice(f"{count:,} documents: {stage_name} …")
        code = "import sys; from kgrag.commands.bench_scale import stage; stage(*sys.argv[1:])"
        where = store or str(out / f"store-{count}")
        command = [sys.executable, "-c", code, stage_name, str(out), where, str(count), str(seed)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
        if done.returncode:
            raise KgragError(f"Measuring {count:,} documents failed at the stage {stage_name}: what it said is above.")
        found |= json.loads(done.stdout.splitlines()[-1])
    with replaced(path) as beside:
        beside.write_text(json.dumps(found, indent=1), "utf-8")
    return found


def stage(name: str, out: str, store: str, count: str, seed: str) -> None:
    """Measure one of `STAGES`, for a process of its own; the figures are the last line that it prints."""
    print(json.dumps(STAGES[name](Path(out), place(store), int(count), int(seed))))


def _build(out: Path, store: Place, count: int, seed: int) -> dict[str, Any]:
    """Fill a store, and build its indices."""
    import shutil

    from kgrag.evaluate.corpus import Corpus
    from kgrag.evaluate.scale import fill, memory, on_disk, read
    from kgrag.retrieve.derived import open_indices

    if isinstance(store, Path):
        shutil.rmtree(store, ignore_errors=True)
    app, corpus = App(store, console.notice, create=True), Corpus(seed)
    app.graph.set_meta("embedder", app.config.embedder)
    real = min(count, REAL) if count <= REAL else MORE
    found: dict[str, Any] = {}
    if count > real:
        found["fill s"] = fill(app.graph, corpus, count - real, app.embedder.dimensions)
        console.notice(f"filled in {found['fill s']:.0f} s")
    else:
        found["fill s"] = 0.0
    found["documents/s"] = read(app.graph, app.embedder, corpus, real, out, app.config.passage_size)
    start = time.perf_counter()
    app.graph.settle()
    found["settle s"] = time.perf_counter() - start
    start = time.perf_counter()
    with app.writing():
        open_indices(app.graph, app.store / "indices", console.notice, keep=True)
    found["build s"] = time.perf_counter() - start
    found["build peak GB"] = memory()["peak GB"]
    app.graph.close()
    return {**found, "disk GB": on_disk(app.store), "indices GB": on_disk(app.store / "indices")}


def _serve(out: Path, store: Place, count: int, seed: int) -> dict[str, Any]:
    """Open a store, and ask it."""
    from kgrag.evaluate.corpus import Corpus
    from kgrag.evaluate.scale import asked, memory

    corpus = Corpus(seed)
    for _ in corpus.articles(count):
        pass
    questions = corpus.questions(QUESTIONS)
    del corpus
    app = App(store, console.notice)
    start = time.perf_counter()
    retriever = app.retriever
    opened = time.perf_counter() - start
    figures = asked(retriever, questions)
    held = memory()
    held["resident GB"] = held.get("anonymous GB", held["peak GB"]) + held.get("files GB", 0.0)
    return {"passages": app.graph.passage_count(), "open s": opened, **figures, **held}


def _forget(out: Path, store: Place, count: int, seed: int) -> dict[str, Any]:
    """Forget some of its documents; their passages are gone, and the store is a little smaller afterwards."""
    from kgrag.evaluate.scale import forgotten

    graph = App(store, console.notice).graph
    before = graph.passage_count()
    documents = [document_id for document_id, _ in zip(sorted(graph.titles()), range(FORGOTTEN), strict=False)]
    figures = forgotten(graph, documents)
    if graph.passage_count() != before - len(documents):
        raise KgragError(
            f"{len(documents)} documents were forgotten, and {before - graph.passage_count()} passages went."
        )
    graph.close()
    return figures


STAGES = {"build": _build, "serve": _serve, "forget": _forget}
