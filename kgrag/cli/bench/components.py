"""The commands `kgrag bench linking` and `kgrag bench ingest`: entity linking and ingest speed alone."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from kgrag.cli.bench.datasets import (
    CORPUS_FILE,
    DEFAULT_STORES_FOLDER,
    QUESTIONS_FILE,
    DataOption,
    SetsOption,
    StoresOption,
    find_set_folders,
    open_store_with_corpus,
)
from kgrag.cli.options import JsonOption, print_json
from kgrag.serialize import JsonObject
from kgrag.terminal import console

if TYPE_CHECKING:
    from kgrag.dev.benchmarks.entity_linking import LinkedDocument
    from kgrag.store.store import Store


def bench_linking(
    data: DataOption,
    stores: StoresOption = DEFAULT_STORES_FOLDER,
    sets: SetsOption = None,
    misses: Annotated[int, typer.Option(min=0, help="Number of gold documents to show that no name leads to.")] = 0,
    json_: JsonOption = False,
) -> None:
    """Measure how many gold documents the names in a question lead to."""
    from kgrag.dev.benchmarks.entity_linking import EntityLinker, measure_linking
    from kgrag.question_sets import load_questions

    report: JsonObject = {}
    for folder in find_set_folders(data, sets):
        store = open_store_with_corpus(stores / folder.name, folder / CORPUS_FILE)
        question_list = load_questions(folder / QUESTIONS_FILE)
        retriever = store.retriever
        documents = [retriever.document_id_of_row(row) for row in range(store.graph_store.counts()["passages"])]
        with console.show_counter(f"{folder.name}: questions", len(question_list)) as tick:
            report[folder.name], unreached = measure_linking(
                EntityLinker(retriever.indices.graph, documents), question_list, tick
            )
        report[folder.name]["misses"] = [_miss_record(store, link) for link in unreached[:misses]]
    if json_:
        print_json(report)
        return
    _print_linking(report)


def _miss_record(store: Store, link: LinkedDocument) -> dict[str, str]:
    document = store.graph_store.document(link.document)
    title = document.title if document else ""
    return {"id": link.question.id, "question": link.question.text, "document": link.document, "title": title}


def _print_linking(report: JsonObject) -> None:
    from kgrag.dev.benchmarks.entity_linking import LINK_CLASSES
    from kgrag.metrics.formatting import format_interval

    lines = [("share of gold documents, %", *map(escape, report))]
    lines += [(how, *(format_interval(part[how]) for part in report.values())) for how in LINK_CLASSES]
    lines += [(name, *(f"{part[name]:,}" for part in report.values())) for name in ("questions", "gold documents")]
    console.print_table(lines, right=range(1, len(report) + 1), heading=True)
    for name, part in report.items():
        for miss in part["misses"]:
            console.print_result(
                f"  • [dim]{escape(name)}[/dim] {escape(miss['question'])} ↛ [bold]{escape(miss['title'])}[/bold]"
            )


def bench_ingest(
    corpus: Annotated[Path, typer.Argument(help="Documents: a file such as corpus.jsonl.gz, or a folder.")],
    limit: Annotated[int, typer.Option(min=1, help="Number of documents to use, from the start.")] = 2000,
    json_: JsonOption = False,
) -> None:
    """Measure speed and memory of ingesting, and the embedder beside plain sentence-transformers."""
    from kgrag.cli.options import ingest_into, open_store
    from kgrag.dev.benchmarks.latency import compare_encoders, copy_first_documents, measure_peak_memory
    from kgrag.models.convert import local_folder, transformers_folder
    from kgrag.models.registry import find_model

    with TemporaryDirectory(prefix="kgrag-bench-") as name:
        file = Path(name) / "documents.jsonl"
        documents = copy_first_documents(corpus, limit, file)
        store = open_store(Path(name) / "store", create=True)
        store.embedder.embed_query("warm")  # loading the model is not part of ingesting
        seconds, peak = measure_peak_memory(lambda: console.print_unread(ingest_into(store, [str(file)])))
        titles = store.graph_store.titles()
        texts = [f"{titles[p.document_id][1]}. {p.text}" for p in store.graph_store.passages()]
        report: dict[str, object] = {
            "documents": documents,
            "passages": len(texts),
            "seconds": seconds,
            "documents/s": documents / seconds,
            "passages/s": len(texts) / seconds,
            "peak MB": peak / 1e6,
        }
        console.print_notice("Encoding the same passages, and a part of them with sentence-transformers …")
        model = find_model(store.config.embedder)
        folder = local_folder(model)
        assert folder is not None  # the embedder was loaded from it
        source_folder = transformers_folder(model, folder)
        embedder_figures = compare_encoders(store.embedder, source_folder, texts, model.passage_prefix)
        report["embedder"] = embedder_figures
    if json_:
        print_json(report)
        return
    first = f"the first {embedder_figures['compared']:,} passages"
    rows = [
        ("ingested and indexed", f"{documents:,} documents, {len(texts):,} passages in {seconds:.1f} s"),
        ("documents per second", f"{report['documents/s']:.1f}"),
        ("passages per second", f"{report['passages/s']:.1f}"),
        ("peak memory, including workers", f"{report['peak MB']:,.0f} MB"),
        ("embedder alone", f"{embedder_figures['passages/s']:.1f} passages/s"),
        (f"embedder, {first}", f"{embedder_figures['passages/s of the first']:.1f} passages/s"),
        (
            f"sentence-transformers, {first}",
            f"{embedder_figures['passages/s of sentence-transformers']:.1f} passages/s",
        ),
        ("ratio", f"{embedder_figures['ratio']:.2f}"),
        ("smallest cosine between both", f"{embedder_figures['least cosine']:.5f}"),
    ]
    console.print_table(rows, right=(1,))
