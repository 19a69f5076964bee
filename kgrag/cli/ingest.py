"""The command `kgrag ingest`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from kgrag.cli.options import (
    DEFAULT_STORE,
    ExtractorChoice,
    JsonOption,
    ModelOption,
    StoreOption,
    ingest_into,
    open_store,
    print_json,
    require_ingested,
)
from kgrag.terminal import console


def ingest(
    paths: Annotated[list[str], typer.Argument(help="Files, folders or glob patterns; - reads standard input.")],
    store: StoreOption = DEFAULT_STORE,
    extract: Annotated[
        ExtractorChoice | None,
        typer.Option(help="Fact extractor (default: rules, or as in kgrag.toml). llm takes seconds per sentence."),
    ] = None,
    model: ModelOption = None,
    json_: JsonOption = False,
) -> None:
    """Ingest files into a store: txt, md, html, pdf, docx, csv, json, jsonl. Run it again to update the store."""
    opened_store = open_store(store, create=True, model=model)
    report = ingest_into(opened_store, paths, extract.value if extract else None)
    counts = opened_store.graph_store.counts()
    if json_:
        problems = [{"source": p.source_id, "line": p.line, "message": p.message} for p in report.problems]
        keys = ("added", "replaced", "unchanged", "removed", "passages", "notes", "vanished", "skipped")
        value = {**{k: getattr(report, k) for k in keys}, "problems": problems, "store": counts}
        print_json(value | ({"llm": asdict(report.llm_stats)} if report.llm_stats else {}))
    else:
        console.print_ingest_report(report, counts, store)
    require_ingested(report)
