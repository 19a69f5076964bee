"""`kgrag bench linking` and `kgrag bench ingest`: the linking of names, and the speed of ingesting, by themselves."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

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
from kgrag.terminal import console

if TYPE_CHECKING:
    from kgrag.dev.benchmarks.entity_linking import LinkedDocument
    from kgrag.store.store import Store


def bench_linking(
    data: DataOption,
    stores: StoresOption = DEFAULT_STORES_FOLDER,
    sets: SetsOption = None,
    misses: Annotated[int, typer.Option(min=0, help="Show the first N gold documents that no name leads to.")] = 0,
    json_: JsonOption = False,
) -> None:
    """How the names of questions and documents lead to the documents that are needed."""
    from kgrag.dev.benchmarks.entity_linking import EntityLinker, measure_linking
    from kgrag.question_sets import load_questions

    report: dict[str, Any] = {}
    for folder in find_set_folders(data, sets):
        store = open_store_with_corpus(stores / folder.name, folder / CORPUS_FILE)
        question_list = load_questions(folder / QUESTIONS_FILE)
        retriever = store.retriever
        documents = [retriever.document_id_of_row(row) for row in range(store.graph.counts()["passages"])]
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
    document = store.graph.document(link.document)
    title = document.title if document else ""
    return {"id": link.question.id, "question": link.question.text, "document": link.document, "title": title}


def _print_linking(report: dict[str, Any]) -> None:
    from kgrag.dev.benchmarks.entity_linking import LINK_CLASSES
    from kgrag.dev.benchmarks.retrieval_table import format_interval

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
    limit: Annotated[int, typer.Option(min=1, help="Only the first N documents.")] = 2000,
    json_: JsonOption = False,
) -> None:
    """Speed and memory of ingesting, and our embedder beside plain sentence-transformers."""
    from kgrag.cli.options import ingest_into, open_store
    from kgrag.dev.benchmarks.latency import compare_encoders, copy_first_documents, measure_peak_memory
    from kgrag.models.convert import local_folder, transformers_folder
    from kgrag.models.registry import find_model

    with TemporaryDirectory(prefix="kgrag-bench-") as name:
        file = Path(name) / "documents.jsonl"
        documents = copy_first_documents(corpus, limit, file)
        store = open_store(Path(name) / "store", create=True)
        store.embedder.embed_query("warm")  # pulling and loading a model is no part of ingesting
        seconds, peak = measure_peak_memory(lambda: console.print_unread(ingest_into(store, [str(file)])))
        titles = store.graph.titles()
        texts = [f"{titles[p.document_id][1]}. {p.text}" for p in store.graph.passages()]
        report: dict[str, Any] = {
            "documents": documents,
            "passages": len(texts),
            "seconds": seconds,
            "documents/s": documents / seconds,
            "passages/s": len(texts) / seconds,
            "peak MB": peak / 1e6,
        }
        console.print_notice("Encoding the same passages, and some of them with sentence-transformers …")
        model = find_model(store.config.embedder)
        folder = local_folder(model)
        assert folder is not None  # the embedder was loaded from it
        report["embedder"] = compare_encoders(store.embedder, transformers_folder(model, folder), texts)
    if json_:
        print_json(report)
        return
    embedder_figures = report["embedder"]
    first = f"the first {embedder_figures['compared']:,} passages"
    rows = [
        ("ingested, indices built", f"{documents:,} documents, {len(texts):,} passages in {seconds:.1f} s"),
        ("documents a second", f"{report['documents/s']:.1f}"),
        ("passages a second", f"{report['passages/s']:.1f}"),
        ("peak memory, workers included", f"{report['peak MB']:,.0f} MB"),
        ("our embedder alone", f"{embedder_figures['passages/s']:.1f} passages/s"),
        (f"our embedder, {first}", f"{embedder_figures['passages/s of the first']:.1f} passages/s"),
        (
            f"sentence-transformers, {first}",
            f"{embedder_figures['passages/s of sentence-transformers']:.1f} passages/s",
        ),
        ("ratio", f"{embedder_figures['ratio']:.2f}"),
        ("least cosine between the two", f"{embedder_figures['least cosine']:.5f}"),
    ]
    console.print_table(rows, right=(1,))
