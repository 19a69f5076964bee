"""The commands `kgrag bench extraction`, `paths` and `relations`: fact extraction and graph traversal alone."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kgrag.cli.bench.datasets import CORPUS_FILE
from kgrag.cli.options import ExtractorChoice, JsonOption, ModelOption, open_store, print_json
from kgrag.errors import UsageError
from kgrag.terminal import console

if TYPE_CHECKING:
    from kgrag.dev.benchmarks.extraction.scorer import Figures
    from kgrag.dev.benchmarks.extraction.two_wiki import GoldEvidence
    from kgrag.types import Document


class ExtractionSet(StrEnum):
    """Public dataset in its published format."""

    webnlg = "webnlg"
    conll04 = "conll04"
    redocred = "redocred"
    peoples_daily = "peoples-daily"
    cluener = "cluener"
    two_wiki = "2wiki"


LimitOption = Annotated[
    int | None,
    typer.Option(min=1, help="Number of texts or questions to use of each file, from the start (default: all)."),
]


def bench_extraction(
    format: Annotated[ExtractionSet, typer.Argument(help="Dataset of the file.")],
    file: Annotated[Path, typer.Argument(help="File of the dataset, as published; gzip or plain.")],
    store: Annotated[
        str | None,
        typer.Option("--store", "-s", help="2wiki only: store with the documents, which are ingested again."),
    ] = None,
    corpus: Annotated[
        Path | None, typer.Option(help="2wiki only: documents (default: corpus.jsonl.gz beside the file).")
    ] = None,
    limit: LimitOption = None,
    extract: Annotated[ExtractorChoice, typer.Option(help="Fact extractor; not for 2wiki.")] = ExtractorChoice.rules,
    model: ModelOption = None,
    json_: JsonOption = False,
) -> None:
    """Measure entity recognition, typed triples and entity merging on a public dataset."""
    from kgrag.config import Config

    size = Config.model_validate({}).passage_size
    if format is ExtractionSet.two_wiki:
        from kgrag.dev.benchmarks.extraction.two_wiki import edge_recall, load_evidence

        evidence = load_evidence(file, limit)
        documents = _gold_documents(evidence, file, store, corpus)
        with console.show_counter("documents", len(documents)) as tick:
            figures, missing = edge_recall(evidence, documents, size, tick)
        counts = {"questions": len(evidence), "documents": len(documents)}
        if missing:
            console.print_notice(f"{missing:,} gold documents are missing; their facts count as missed.")
    else:
        if store or corpus:
            raise UsageError(
                f"Expected --store and --corpus with 2wiki only, found one with {format.value}: remove it."
            )
        from kgrag.dev.benchmarks.extraction.datasets import load_labelled_texts
        from kgrag.dev.benchmarks.extraction.scorer import measure_extraction

        items = load_labelled_texts(format.value, file, limit)
        with console.show_counter("texts", len(items)) as tick:
            reader = None
            if extract is not ExtractorChoice.rules:
                from graphs.predicates import load_predicate_schema
                from ingest.relations.llm_extractor import LLMExtractor
                from kgrag.config import Config
                from kgrag.llm.loader import load_llm

                name = model or Config.model_validate({}).model
                reader = LLMExtractor(
                    load_llm(name), load_predicate_schema(), keep_rules=extract is ExtractorChoice.both
                )
            figures = measure_extraction(
                format.value, items, size, tick, reader.extract if reader else lambda extraction: extraction
            )
        counts = {"texts": len(items)}
        if reader:
            console.print_notice(console.format_model_tally(reader.stats))
    _print_figures(figures, counts, json_)


def _gold_documents(
    evidence: list[GoldEvidence], file: Path, store: str | None, corpus: Path | None
) -> dict[str, Document]:
    """Load the gold documents of questions from a store, a corpus, or the corpus beside the questions."""
    from kgrag.dev.benchmarks.extraction.two_wiki import load_documents

    wanted_ids = {id for question in evidence for id in question.gold}
    if store and corpus:
        raise UsageError("Expected --store or --corpus, found both: pass the one with the documents.")
    if store:
        graph = open_store(store).graph_store
        documents = {id: document for id in sorted(wanted_ids) if (document := graph.document(id))}
    else:
        corpus_file = corpus or file.parent / CORPUS_FILE
        if not corpus_file.is_file():
            raise UsageError(
                f"Expected the documents of 2wiki at {corpus_file}, found none: pass --corpus FILE or --store DIR."
            )
        documents = load_documents(corpus_file, wanted_ids)
    if not documents:
        raise UsageError("Expected the gold documents of the questions, found none: choose another corpus.")
    return documents


def bench_paths(
    folder: Annotated[Path, typer.Argument(help="Folder of PathQuestion's files, gzip or plain.")],
    limit: LimitOption = None,
    json_: JsonOption = False,
) -> None:
    """Measure answers to questions of two and three steps over PathQuestion's own graphs."""
    from kgrag.dev.benchmarks.pathquestion import load_path_sets, measure_path_answers
    from kgrag.embedders import load_embedder

    sets = load_path_sets(folder, limit)
    from kgrag.config import Config

    embedder = load_embedder(Config.model_validate({}).embedder, console.show_model_progress)
    total = sum(len(questions) for _, questions in sets.values())
    with console.show_counter("questions", total) as tick:
        figures = measure_path_answers(sets, embedder.embed, tick)
    _print_figures(figures, {"questions": total}, json_)


def bench_relations(
    data: Annotated[Path, typer.Option("--data", help="Folder that contains `extraction` with the public datasets.")],
    out: Annotated[
        Path | None, typer.Option("--out", help="File for the trained model (default: none is written).")
    ] = None,
    json_: JsonOption = False,
) -> None:
    """Train the relation model, which connects names where no pattern matches, and cross-validate it."""
    from ingest.relations.classifier import save_classifier
    from kgrag.dev.training.relations.trainer import (
        cross_validate,
        load_training_sets,
        prepare_sentences,
        train_relation_model,
    )

    if out and not out.resolve().parent.is_dir():  # checked before minutes of training
        raise UsageError(f"Expected a folder for the model at {out.parent}, found none: create it, or choose another.")
    sets = load_training_sets(data)
    with console.show_counter("texts", sum(map(len, sets.values()))) as tick:
        prepared = prepare_sentences(sets, tick)
        figures = cross_validate(sets, *prepared)
        if out:
            save_classifier(train_relation_model(*prepared), out)
    parts = ("precision", "recall", "f1")
    if json_:
        print_json({f"{name}_pairs_{p}": x for name, row in figures.items() for p, x in zip(parts, row, strict=True)})
        return
    rows: list[tuple[str, ...]] = [("connected pairs, %", *parts)]
    rows += [(name, *(f"{100 * x:.1f}" for x in row)) for name, row in figures.items()]
    console.print_table(rows, right=(1, 2, 3), heading=True)
    if out:
        console.print_notice(f"Wrote the model to {out}.")


def _print_figures(figures: Figures, counts: dict[str, int], json_: bool) -> None:
    """Print figures as a table, or as flat JSON: ``name``, ``name_low`` and ``name_high``, shares in [0, 1]."""
    if json_:
        flat: dict[str, float] = {**counts}
        for name, figure in figures.items():
            flat |= {name: figure.value, f"{name}_low": figure.low, f"{name}_high": figure.high}
        print_json(flat)
        return
    rows = [("measure, %", "value", "95 % interval")]
    for name, figure in figures.items():
        value, low, high = ("–" if x != x else f"{100 * x:.1f}" for x in (figure.value, figure.low, figure.high))
        rows.append((name, f"[bold]{value}[/bold]", f"\\[{low}, {high}]"))
    rows += [(name, f"{number:,}", "") for name, number in counts.items()]
    console.print_table(rows, right=(1, 2), heading=True)
