"""`kgrag bench linking` and `kgrag bench ingest`: the linking of names, and the speed of ingesting, by themselves."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from kgrag import console
from kgrag.commands.bench_sets import CORPUS, QUESTIONS, STORES, Data, Sets, Stores, set_folders, with_corpus
from kgrag.commands.options import Json, print_json

if TYPE_CHECKING:
    from kgrag.app import App
    from kgrag.evaluate.linking import Linked


def bench_linking(
    data: Data,
    stores: Stores = STORES,
    sets: Sets = None,
    misses: Annotated[int, typer.Option(min=0, help="Show the first N gold documents that no name leads to.")] = 0,
    json_: Json = False,
) -> None:
    """How the names of questions and documents lead to the documents that are needed."""
    from kgrag.evaluate.linking import Linking, linking
    from kgrag.evaluate.questions import load_questions

    report: dict[str, Any] = {}
    for folder in set_folders(data, sets):
        opened = with_corpus(stores / folder.name, folder / CORPUS)
        asked = load_questions(folder / QUESTIONS)
        retriever = opened.retriever
        documents = [retriever.document_of(row) for row in range(opened.graph.counts()["passages"])]
        with console.counter(f"{folder.name}: questions", len(asked)) as tick:
            report[folder.name], unreached = linking(Linking(retriever.indices.graph, documents), asked, tick)
        report[folder.name]["misses"] = [_miss(opened, link) for link in unreached[:misses]]
    if json_:
        print_json(report)
        return
    _show_linking(report)


def _miss(opened: App, link: Linked) -> dict[str, str]:
    document = opened.graph.document(link.document)
    title = document.title if document else ""
    return {"id": link.question.id, "question": link.question.text, "document": link.document, "title": title}


def _show_linking(report: dict[str, Any]) -> None:
    from kgrag.evaluate.linking import CLASSES
    from kgrag.evaluate.table import shown

    lines = [("share of gold documents, %", *map(escape, report))]
    lines += [(how, *(shown(part[how]) for part in report.values())) for how in CLASSES]
    lines += [(name, *(f"{part[name]:,}" for part in report.values())) for name in ("questions", "gold documents")]
    console.table(lines, right=range(1, len(report) + 1), heading=True)
    for name, part in report.items():
        for miss in part["misses"]:
            console.say(
                f"  • [dim]{escape(name)}[/dim] {escape(miss['question'])} ↛ [bold]{escape(miss['title'])}[/bold]"
            )


def bench_ingest(
    corpus: Annotated[Path, typer.Argument(help="Documents: a file such as corpus.jsonl.gz, or a folder.")],
    limit: Annotated[int, typer.Option(min=1, help="Only the first N documents.")] = 2000,
    json_: Json = False,
) -> None:
    """Speed and memory of ingesting, and our embedder beside plain sentence-transformers."""
    from kgrag.commands.options import ingest_into, open_app
    from kgrag.evaluate.speed import encoding, first_documents, peak_while
    from kgrag.models.convert import ready, transformers_folder
    from kgrag.models.registry import find

    with TemporaryDirectory(prefix="kgrag-bench-") as name:
        file = Path(name) / "documents.jsonl"
        documents = first_documents(corpus, limit, file)
        opened = open_app(Path(name) / "store", create=True)
        opened.embedder.embed_query("warm")  # pulling and loading a model is no part of ingesting
        seconds, peak = peak_while(lambda: console.read_report(ingest_into(opened, [str(file)])))
        titles = opened.graph.titles()
        texts = [f"{titles[p.document_id][1]}. {p.text}" for p in opened.graph.passages()]
        report: dict[str, Any] = {
            "documents": documents,
            "passages": len(texts),
            "seconds": seconds,
            "documents/s": documents / seconds,
            "passages/s": len(texts) / seconds,
            "peak MB": peak / 1e6,
        }
        console.notice("Encoding the same passages, and some of them with sentence-transformers …")
        model = find(opened.config.embedder)
        folder = ready(model)
        assert folder is not None  # the embedder was loaded from it
        report["embedder"] = encoding(opened.embedder, transformers_folder(model, folder), texts)
    if json_:
        print_json(report)
        return
    ours = report["embedder"]
    first = f"the first {ours['compared']:,} passages"
    rows = [
        ("ingested, indices built", f"{documents:,} documents, {len(texts):,} passages in {seconds:.1f} s"),
        ("documents a second", f"{report['documents/s']:.1f}"),
        ("passages a second", f"{report['passages/s']:.1f}"),
        ("peak memory, workers included", f"{report['peak MB']:,.0f} MB"),
        ("our embedder alone", f"{ours['passages/s']:.1f} passages/s"),
        (f"our embedder, {first}", f"{ours['passages/s of the first']:.1f} passages/s"),
        (f"sentence-transformers, {first}", f"{ours['passages/s of sentence-transformers']:.1f} passages/s"),
        ("ratio", f"{ours['ratio']:.2f}"),
        ("least cosine between the two", f"{ours['least cosine']:.5f}"),
    ]
    console.table(rows, right=(1,))
