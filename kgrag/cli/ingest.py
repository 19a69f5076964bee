"""The command `kgrag ingest`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

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

if TYPE_CHECKING:
    from ingest.pipeline import IngestReport


def ingest(
    paths: Annotated[list[str], typer.Argument(help="Files, folders or glob patterns; - reads standard input.")],
    store: StoreOption = DEFAULT_STORE,
    extract: Annotated[
        ExtractorChoice | None,
        typer.Option(help="Fact extractor (default: rules, or as in kgrag.toml). llm takes seconds per sentence."),
    ] = None,
    prune: Annotated[
        bool, typer.Option("--prune", help="Forget the documents of files that are gone from the given paths.")
    ] = False,
    model: ModelOption = None,
    json_: JsonOption = False,
) -> None:
    """Ingest text, HTML, PDF, office files, mail, tables, code and archives. Run it again to update the store."""
    opened_store = open_store(store, create=True, model=model)
    report = ingest_into(opened_store, paths, extract.value if extract else None, prune=prune)
    counts = opened_store.graph_store.counts()
    if json_:
        print_json(report_to_json(report) | {"store": counts})
    else:
        console.print_ingest_report(report, counts, store)
        print_renamed(report)
    if not report.vanished:
        require_ingested(report)


def report_to_json(report: IngestReport) -> dict[str, Any]:
    """Return a report as a JSON object."""
    keys = ("added", "replaced", "unchanged", "removed", "passages", "notes", "vanished", "skipped")
    value = {
        **{key: getattr(report, key) for key in keys},
        "moved": [{"from": old, "to": new} for old, new in report.moved],
        "copies": [{"source": copy, "of": first} for copy, first in report.copies],
        "problems": [{"source": p.source_id, "line": p.line, "message": p.message} for p in report.problems],
    }
    return value | ({"llm": asdict(report.llm_stats)} if report.llm_stats else {})


def print_renamed(report: IngestReport) -> None:
    """Print which files have moved, and which are copies of others."""
    for sentence, pairs in (("moved: {0} is now {1}", report.moved), ("copy: {0} is equal to {1}", report.copies)):
        for old, new in pairs[: console.MAX_LISTED_PROBLEMS]:
            console.print_result(escape(sentence.format(old, new)))
        if len(pairs) > console.MAX_LISTED_PROBLEMS:
            console.print_notice(f"… and {len(pairs) - console.MAX_LISTED_PROBLEMS:,} more.")
