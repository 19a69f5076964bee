"""Change a store: ingest files, forget documents, override merges; then bring the indices up to date."""

from __future__ import annotations

import difflib
import json
import logging
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from kgrag.errors import StoreBusyError, UsageError
from kgrag.location import Neo4jLocation
from kgrag.logs import log_stage
from kgrag.store.queries import QueryableStore
from kgrag.text import normalize_name
from kgrag.types import BOTH, RULES

if TYPE_CHECKING:
    from ingest.extraction_config import ExtractionConfig
    from ingest.pipeline import IngestProgress, IngestReport
    from ingest.relations.llm_extractor import LLMExtractionStats, LLMExtractor

logger = logging.getLogger(__name__)


def ingest_sources(
    store: QueryableStore, arguments: Sequence[str], progress: IngestProgress, extract: str | None
) -> IngestReport:
    """Bring ``store`` in step with files and folders; see `kgrag.store.store.Store.ingest`."""
    from ingest.pipeline import IngestPipeline, missing_sources
    from ingest.readers.converters import ReadProblem
    from ingest.readers.discovery import discover_sources
    from ingest.reingest import config_changed, record_config, reextract_affected
    from kgrag.embedders import TOKEN_ENCODER
    from kgrag.models.convert import pull_model

    skipped: Counter[str] = Counter()
    sources = discover_sources(arguments, store.source_root, skipped)
    with store.write_lock():
        graph, embedder = store.graph_store, store.embedder
        pull_model(TOKEN_ENCODER, store.progress)  # English extraction needs it, whichever embedder retrieves
        if graph.meta("embedder") is None:
            graph.set_meta("embedder", store.config.embedder)
        config = store.extraction_config
        has_changed_config = config_changed(graph, config)
        if has_changed_config:
            store.notice("predicates.toml has changed: kgrag reads every given document again.")
        pipeline = IngestPipeline(
            graph,
            embedder,
            passage_size=store.config.passage_size,
            workers=store.config.workers,
            progress=progress,
            config=config,
            reread_all=has_changed_config,
            llm_extractor=_llm_extractor(store, extract or store.config.extract, config),
            required_extractor=extract,
            notify=store.notice,
        )
        try:
            with log_stage(logger, f"ingest {len(sources)} files"):
                report = pipeline.run(sources)
        finally:
            _record_dropped_facts(store, pipeline.report.llm_stats)
        record_config(graph, config)
        reextract_affected(graph, embedder, store.config.passage_size, config)
        report.skipped = skipped
        # an unreadable file that has not changed is not read again, but it is reported again
        reported_lines = {(problem.source_id, problem.line) for problem in report.problems}
        source_ids = {source.id for source in sources}
        report.problems += [
            ReadProblem(*row) for row in graph.problems() if row[0] in source_ids and row[:2] not in reported_lines
        ]
        report.vanished = missing_sources(graph, [Path(a) for a in arguments if a != "-"], store.source_root)
        refresh_derived(store)
    return report


def _llm_extractor(store: QueryableStore, extract: str, config: ExtractionConfig) -> LLMExtractor | None:
    if extract == RULES:
        return None
    from graphs.predicates import load_predicate_schema
    from ingest.relations.llm_extractor import LLMExtractor

    return LLMExtractor(store.llm, load_predicate_schema(config.predicates_toml), keep_rules=extract == BOTH)


def _record_dropped_facts(store: QueryableStore, stats: LLMExtractionStats | None) -> None:
    """Add the facts that a language model's reply lost to the store's counts, for `kgrag status`."""
    if stats is not None and stats.passages:
        previous_counts = Counter(json.loads(store.graph_store.meta("dropped") or "{}"))
        store.graph_store.set_meta("dropped", json.dumps(previous_counts + stats.dropped))


def forget_documents(store: QueryableStore, name: str) -> list[str]:
    """Forget a document or the documents of a file; see `kgrag.store.store.Store.forget`."""
    path = Path(name).resolve()
    candidate_names = [name]
    if path.is_relative_to(store.source_root):
        candidate_names.append(path.relative_to(store.source_root).as_posix())
    candidate_names.append(path.as_posix())
    with store.write_lock():
        graph = store.graph_store
        document_hashes = graph.document_hashes()
        for candidate in candidate_names:
            is_document = candidate in document_hashes
            document_ids = [candidate] if is_document else graph.document_ids_by_source([candidate])[candidate]
            if document_ids:
                for document_id in document_ids:
                    graph.forget(document_id)
                refresh_derived(store)
                return document_ids
        close_matches = difflib.get_close_matches(name, document_hashes, 1, 0.5)
        hint = f"; did you mean {close_matches[0]}?" if close_matches else "; `kgrag status --documents` lists them."
        raise UsageError(f"Expected a document of {store.location}, found none called {name!r}{hint}")


def override_alias(store: QueryableStore, kind: str, first_name: str, second_name: str) -> list[str]:
    """Merge two names or keep them separate; see `kgrag.store.store.Store.set_alias`."""
    from ingest.reingest import reextract_affected
    from kgrag.store.alias_file import ALIASES_FILE, append_alias_override

    first_key, second_key = normalize_name(first_name), normalize_name(second_name)
    if first_key == second_key or not first_key or not second_key:
        raise UsageError(
            f"Expected two names, found {first_name!r} and {second_name!r}, which normalise to the same name: "
            "give two different ones."
        )
    with store.write_lock():
        append_alias_override(store.folder / ALIASES_FILE, kind, first_name, second_name)
        reread_ids = reextract_affected(
            store.graph_store, store.embedder, store.config.passage_size, store.extraction_config
        )
        refresh_derived(store)
    return reread_ids


def refresh_derived(store: QueryableStore) -> None:
    """Update display names and index files after a change, inside `write_lock`."""
    store.graph_store.refresh_display_names()
    if not isinstance(store.location, Neo4jLocation):
        store.open_indices(persist=True)
        return
    # a process that holds the lock does the same, or the next question will
    with suppress(StoreBusyError), store.folder_lock():
        store.open_indices(persist=True)
