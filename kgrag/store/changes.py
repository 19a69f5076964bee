"""Change a store: ingest files, forget documents, override merges; then bring the indices up to date."""

from __future__ import annotations

import difflib
import json
import logging
import os
from collections import Counter
from collections.abc import Callable, Collection, Sequence
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
    store: QueryableStore,
    arguments: Sequence[str],
    progress: IngestProgress,
    extract: str | None,
    *,
    prune: bool = False,
    changed: Collection[str] | None = None,
) -> IngestReport:
    """Bring ``store`` in step with files and folders; see `kgrag.store.store.Store.ingest`.

    Args:
        store: the store.
        arguments: files, folders and globs.
        progress: see `ingest.report.IngestProgress`.
        extract: fact extractor; None for the configured one.
        prune: forget the documents of files that are gone, or that an ignore file leaves out.
        changed: absolute paths of files and folders that have changed; None examines all files.
    """
    from ingest.ledger import forget_sources, missing_sources
    from ingest.pipeline import IngestPipeline
    from ingest.readers.content import ReadProblem
    from ingest.readers.files.discovery import discover_sources
    from ingest.readers.files.search_scope import SearchScope
    from ingest.reingest import config_changed, record_config, reextract_affected
    from kgrag.embedders import TOKEN_ENCODER
    from kgrag.models.convert import pull_model
    from kgrag.store.move_log import record_moves

    skipped: Counter[str] = Counter()
    folder_problems: list[ReadProblem] = []
    sources = discover_sources(
        arguments, store.source_root, skipped, folder_problems, lambda argument: _is_known(store, argument)
    )
    scope = SearchScope(arguments, store.source_root)
    found_ids = {source.id for source in sources}
    if changed is not None:
        sources = [source for source in sources if _is_at_or_below(os.path.abspath(source.path), changed)]
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
            base=store.source_root,
        )
        try:
            with log_stage(logger, f"ingest {len(sources)} files"):
                report = pipeline.run(sources)
        finally:
            _record_dropped_facts(store, pipeline.report.llm_stats)
        record_config(graph, config)
        reextract_affected(graph, embedder, store.config.passage_size, config)
        report.skipped = skipped
        report.problems += folder_problems
        # an unreadable file that has not changed is not read again, but it is reported again
        reported_lines = {(problem.source_id, problem.line) for problem in report.problems}
        source_ids = {source.id for source in sources}
        reported_ids = source_ids | {first for copy, first in report.copies if copy in source_ids}
        report.problems += [
            ReadProblem(*row) for row in graph.problems() if row[0] in reported_ids and row[:2] not in reported_lines
        ]
        report.vanished = missing_sources(graph, scope, found_ids)
        if prune:
            report.removed += forget_sources(graph, report.vanished)
        with suppress(OSError):  # the log only helps to understand a former name
            record_moves(store.folder, report.moved)
        refresh_derived(store)
    return report


def _is_known(store: QueryableStore, argument: str) -> bool:
    """Whether the store has documents of a file or folder that is gone, or of files that matched a glob."""
    from ingest.readers.files.search_scope import SearchScope

    if isinstance(store.location, Path) and not (store.location / "graph.db").is_file():
        return False  # opening it would create it
    scope = SearchScope([argument], store.source_root)
    return any(scope.covers(source) for source in set(store.graph_store.sources_by_document().values()))


def _is_at_or_below(path: str, changed: Collection[str]) -> bool:
    return path in changed or any(str(parent) in changed for parent in Path(path).parents)


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
    """Forget a document, or the documents of a file, a folder or a glob; see `kgrag.store.store.Store.forget`.

    A copy stands for the file whose documents it shares.
    """
    if not name.strip():
        raise UsageError("Expected a document, a file, a folder or a glob, found an empty argument: name one.")
    with store.write_lock():
        graph = store.graph_store
        document_hashes = graph.document_hashes()
        if name in document_hashes:
            document_ids = [name]
            graph.forget(name)
        else:
            document_ids = _forget_files(store, name)
        if document_ids:
            refresh_derived(store)
            return document_ids
        if moves := _moves_from(store, name):
            listed = ", ".join(f"{old} is now {new}" for old, new in moves[:5])
            store.notice(f"Nothing is left under this name: {listed}{' …' * (len(moves) > 5)}.")
            return []
        close_matches = difflib.get_close_matches(name, document_hashes, 1, 0.5)
        hint = f"; did you mean {close_matches[0]}?" if close_matches else "; `kgrag status --documents` lists them."
        raise UsageError(f"Expected a document of {store.location}, found none called {name!r}{hint}")


def _name_tests(store: QueryableStore, name: str) -> list[Callable[[str], bool]]:
    """Return tests for the sources that a name may mean: that file, or what is in that folder or matches that glob.

    A name is relative to the folder that ids are relative to, or else to the working directory.
    """
    from ingest.readers.files.search_scope import SearchScope

    scopes = [SearchScope([argument], store.source_root) for argument in (str(store.source_root / name), name)]
    return [lambda source: source == name, *(scope.covers for scope in scopes)]


def _moves_from(store: QueryableStore, name: str) -> list[tuple[str, str]]:
    """Return the moves of sources from a name, as (former id, next id)."""
    from kgrag.store.move_log import former_names

    tests = _name_tests(store, name)
    return [(old, new) for old, new in former_names(store.folder).items() if any(covers(old) for covers in tests)]


def _forget_files(store: QueryableStore, name: str) -> list[str]:
    """Forget the documents of the files that a name, a folder or a glob covers, and return their ids."""
    from ingest.ledger import copies_by_source, forget_sources

    graph = store.graph_store
    copies = copies_by_source(graph)
    recorded = set(graph.sources_by_document().values()).union(graph.sources())
    for covers in _name_tests(store, name):
        covered = {source for source in recorded if covers(source)}
        owners = covered | {owner for owner, others in copies.items() if not covered.isdisjoint(others)}
        document_ids = [i for ids in graph.document_ids_by_source(sorted(owners)).values() for i in ids]
        if document_ids:
            forget_sources(graph, [*owners, *(copy for owner in owners for copy in copies.get(owner, ()))])
            return sorted(document_ids)
    return []


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
