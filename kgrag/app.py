"""The wiring's door: a store that can be asked and changed. What it opens and loads is in `opened`, how it is asked in `asked`."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from kgrag.asked import Asked
from kgrag.errors import Busy, UsageError
from kgrag.place import Server
from kgrag.types import BOTH, RULES

if TYPE_CHECKING:
    from ingest.llm_reader import LLMReader, Tally
    from ingest.pipeline import Progress, Report
    from ingest.rules import Rules


class App(Asked):
    """One store and the models that serve it, to be asked and to be changed; see `Opened` for what it takes."""

    def ingest(self, arguments: Sequence[str], progress: Progress, extract: str | None = None) -> Report:
        """Bring the store in step with files and folders; see `ingest.pipeline`.

        Args:
            arguments: files, folders and globs.
            progress: told how far it is.
            extract: who looks for facts, ``rules``, ``llm`` or ``both``; what was read otherwise is read again. By default
                what the configuration says, which leaves alone what was read.
        """
        from collections import Counter

        from ingest.again import note_rules, read_again, rules_changed
        from ingest.convert import Problem
        from ingest.find import find_sources
        from ingest.pipeline import Ingest, vanished
        from kgrag.embed import READER
        from kgrag.models.convert import pull

        skipped: Counter[str] = Counter()
        sources = find_sources(arguments, self.base, skipped)
        with self.writing():
            embedder = self.embedder
            pull(READER, self.progress)  # English is read with it, whatever finds the passages
            if self.graph.meta("embedder") is None:
                self.graph.set_meta("embedder", self.config.embedder)
            rules = self.rules
            changed = rules_changed(self.graph, rules)
            if changed:
                self.notice("predicates.toml has changed: every document named here is read again.")
            run = Ingest(
                self.graph,
                embedder,
                size=self.config.passage_size,
                workers=self.config.workers,
                progress=progress,
                rules=rules,
                again=changed,
                reader=self._llm_reader(extract or self.config.extract, rules),
                read_by=extract,
                notice=self.notice,
            )
            try:
                report = run.run(sources)
            finally:
                self._keep_tally(run.report.tally)
            note_rules(self.graph, rules)
            read_again(self.graph, embedder, self.config.passage_size, rules)
            report.skipped = skipped
            # a file that could not be read and has not changed since is not read again, but said again
            said = {(problem.source_id, problem.line) for problem in report.problems}
            named = {source.id for source in sources}
            report.problems += [
                Problem(*row) for row in self.graph.problems() if row[0] in named and row[:2] not in said
            ]
            report.vanished = vanished(self.graph, [Path(a) for a in arguments if a != "-"], self.base)
            self._changed()
        return report

    def _llm_reader(self, extract: str, rules: Rules) -> LLMReader | None:
        if extract == RULES:
            return None
        from ingest.llm_reader import LLMReader
        from ingest.patterns import vocabulary

        return LLMReader(self.llm, vocabulary(rules.predicates), keep_rules=extract == BOTH)

    def _keep_tally(self, tally: Tally | None) -> None:
        """Add what a language model dropped to what the store knows of it, for `kgrag status`."""
        import json
        from collections import Counter

        if tally is not None and tally.passages:
            before = Counter(json.loads(self.graph.meta("dropped") or "{}"))
            self.graph.set_meta("dropped", json.dumps(before + tally.dropped))

    def forget(self, name: str) -> list[str]:
        """Forget a document by its id, or every document of a file; gives the ids that are gone.

        Raises:
            UsageError: nothing is called that.
        """
        import difflib

        relative = Path(name).resolve()
        names = [name]
        if relative.is_relative_to(self.base):
            names.append(relative.relative_to(self.base).as_posix())
        names.append(relative.as_posix())
        with self.writing():
            known = self.graph.fingerprints()
            for candidate in names:
                ids = [candidate] if candidate in known else self.graph.documents_of([candidate])[candidate]
                if ids:
                    for document_id in ids:
                        self.graph.forget(document_id)
                    self._changed()
                    return ids
            close = difflib.get_close_matches(name, known, 1, 0.5)
            hint = f"; did you mean {close[0]}?" if close else "; `kgrag status --documents` lists them."
            raise UsageError(f"Expected a document of {self.place}, found none called {name!r}{hint}")

    def keep(self, kind: str, one: str, other: str) -> list[str]:
        """Say that two names are one thing ("same") or two ("apart"); gives the documents that were read again for it.

        Raises:
            UsageError: the names are the same one.
            StoreError: the file cannot be written, or another process writes to the store.
        """
        from ingest.again import read_again
        from kgrag.same import NAME, say
        from kgrag.text import key

        if key(one) == key(other) or not key(one) or not key(other):
            raise UsageError(f"Expected two names, found {one!r} and {other!r}, which are read as one: name two.")
        with self.writing():
            say(self.store / NAME, kind, one, other)
            again = read_again(self.graph, self.embedder, self.config.passage_size, self.rules)
            self._changed()
        return again

    def _changed(self) -> None:
        """After a change, in `writing`: bring what hangs on the store in step."""
        self.graph.settle()
        if not isinstance(self.place, Server):
            self._indices(keep=True)
            return
        with suppress(Busy), self._folder_held():  # whoever holds it does the same, or the next question will
            self._indices(keep=True)
