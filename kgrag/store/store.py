"""The wiring's door: a store that can be asked and changed. What it opens and loads is in `opened`, how it is asked in `asked`."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from kgrag.errors import StoreBusyError, UsageError
from kgrag.location import Neo4jLocation
from kgrag.store.views import QueryableStore
from kgrag.types import BOTH, RULES

if TYPE_CHECKING:
    from ingest.extraction_config import ExtractionConfig
    from ingest.pipeline import IngestProgress, IngestReport
    from ingest.relations.llm_extractor import LLMExtractionStats, LLMExtractor


class Store(QueryableStore):
    """One store and the models that serve it, to be asked and to be changed; see `Opened` for what it takes."""

    def ingest(self, arguments: Sequence[str], progress: IngestProgress, extract: str | None = None) -> IngestReport:
        """Bring the store in step with files and folders; see `ingest.pipeline`.

        Args:
            arguments: files, folders and globs.
            progress: told how far it is.
            extract: who looks for facts, ``rules``, ``llm`` or ``both``; what was read otherwise is read again. By default
                what the configuration says, which leaves alone what was read.
        """
        from collections import Counter

        from ingest.pipeline import IngestPipeline, missing_sources
        from ingest.readers.converters import ReadProblem
        from ingest.readers.discovery import discover_sources
        from ingest.reingest import config_changed, record_config, reextract_affected
        from kgrag.embedders import TOKEN_ENCODER
        from kgrag.models.convert import pull_model

        skipped: Counter[str] = Counter()
        sources = discover_sources(arguments, self.source_root, skipped)
        with self.write_lock():
            embedder = self.embedder
            pull_model(TOKEN_ENCODER, self.progress)  # English is read with it, whatever finds the passages
            if self.graph.meta("embedder") is None:
                self.graph.set_meta("embedder", self.config.embedder)
            rules = self.extraction_config
            has_changed_rules = config_changed(self.graph, rules)
            if has_changed_rules:
                self.notice("predicates.toml has changed: every document named here is read again.")
            pipeline = IngestPipeline(
                self.graph,
                embedder,
                passage_size=self.config.passage_size,
                workers=self.config.workers,
                progress=progress,
                config=rules,
                reread_all=has_changed_rules,
                llm_extractor=self._llm_reader(extract or self.config.extract, rules),
                required_extractor=extract,
                notify=self.notice,
            )
            try:
                report = pipeline.run(sources)
            finally:
                self._record_dropped_facts(pipeline.report.llm_stats)
            record_config(self.graph, rules)
            reextract_affected(self.graph, embedder, self.config.passage_size, rules)
            report.skipped = skipped
            # a file that could not be read and has not changed since is not read again, but said again
            reported_lines = {(problem.source_id, problem.line) for problem in report.problems}
            source_ids = {source.id for source in sources}
            report.problems += [
                ReadProblem(*row)
                for row in self.graph.problems()
                if row[0] in source_ids and row[:2] not in reported_lines
            ]
            report.vanished = missing_sources(self.graph, [Path(a) for a in arguments if a != "-"], self.source_root)
            self._refresh_derived()
        return report

    def _llm_reader(self, extract: str, rules: ExtractionConfig) -> LLMExtractor | None:
        if extract == RULES:
            return None
        from graphs.predicates import load_predicate_schema
        from ingest.relations.llm_extractor import LLMExtractor

        return LLMExtractor(self.llm, load_predicate_schema(rules.predicates_toml), keep_rules=extract == BOTH)

    def _record_dropped_facts(self, tally: LLMExtractionStats | None) -> None:
        """Add what a language model dropped to what the store knows of it, for `kgrag status`."""
        import json
        from collections import Counter

        if tally is not None and tally.passages:
            previous_counts = Counter(json.loads(self.graph.meta("dropped") or "{}"))
            self.graph.set_meta("dropped", json.dumps(previous_counts + tally.dropped))

    def forget(self, name: str) -> list[str]:
        """Forget a document by its id, or every document of a file; gives the ids that are gone.

        Raises:
            UsageError: nothing is called that.
        """
        import difflib

        resolved_path = Path(name).resolve()
        candidate_names = [name]
        if resolved_path.is_relative_to(self.source_root):
            candidate_names.append(resolved_path.relative_to(self.source_root).as_posix())
        candidate_names.append(resolved_path.as_posix())
        with self.write_lock():
            document_hashes = self.graph.document_hashes()
            for candidate in candidate_names:
                document_ids = (
                    [candidate]
                    if candidate in document_hashes
                    else self.graph.document_ids_by_source([candidate])[candidate]
                )
                if document_ids:
                    for document_id in document_ids:
                        self.graph.forget(document_id)
                    self._refresh_derived()
                    return document_ids
            close_matches = difflib.get_close_matches(name, document_hashes, 1, 0.5)
            hint = (
                f"; did you mean {close_matches[0]}?" if close_matches else "; `kgrag status --documents` lists them."
            )
            raise UsageError(f"Expected a document of {self.location}, found none called {name!r}{hint}")

    def set_alias(self, kind: str, first_name: str, second_name: str) -> list[str]:
        """Say that two names are one thing ("same") or two ("apart"); gives the documents that were read again for it.

        Raises:
            UsageError: the names are the same one.
            StoreError: the file cannot be written, or another process writes to the store.
        """
        from ingest.reingest import reextract_affected
        from kgrag.store.alias_file import ALIASES_FILE, append_alias_override
        from kgrag.text import normalize_name

        if (
            normalize_name(first_name) == normalize_name(second_name)
            or not normalize_name(first_name)
            or not normalize_name(second_name)
        ):
            raise UsageError(
                f"Expected two names, found {first_name!r} and {second_name!r}, which are read as one: name two."
            )
        with self.write_lock():
            append_alias_override(self.folder / ALIASES_FILE, kind, first_name, second_name)
            reread_ids = reextract_affected(self.graph, self.embedder, self.config.passage_size, self.extraction_config)
            self._refresh_derived()
        return reread_ids

    def _refresh_derived(self) -> None:
        """After a change, in `writing`: bring what hangs on the store in step."""
        self.graph.refresh_display_names()
        if not isinstance(self.location, Neo4jLocation):
            self._open_indices(keep=True)
            return
        with suppress(StoreBusyError), self._folder_lock():  # whoever holds it does the same, or the next question will
            self._open_indices(keep=True)
