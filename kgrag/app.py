"""The wiring: the only module that opens stores and loads models. Everything is loaded when first used."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from kgrag.config import Config, load_config
from kgrag.errors import Busy, StoreError, UsageError
from kgrag.place import Place, Server
from kgrag.protocols import LLM, Embedder, Graph, Reranker
from kgrag.types import BOTH, RULES, Hit, Question, Triple

if TYPE_CHECKING:
    from graphs.facts import Facts
    from graphs.merges import Said
    from graphs.vocabulary import Vocabulary
    from ingest.llm_reader import LLMReader, Tally
    from ingest.pipeline import Progress, Report
    from ingest.rules import Rules
    from kgrag.answer import Answerer
    from kgrag.factuality.arms import Sources
    from kgrag.reader.graph import GraphReader
    from kgrag.retrieve.candidates import Indices
    from kgrag.retrieve.hybrid import HybridRetriever


class App:
    """One store and the models that serve it.

    Args:
        store: a folder, or a server's database; created if ``create``, else it must hold a store.
        notice: told in a sentence what takes long or is worth knowing.
        progress: told how far the fetching of a model is: a message and a share in 0..1.
        create: whether an empty or missing folder becomes a new store.
        model: a language model's name, before what the configuration says.
        given: other settings that come before it; None is as it says.

    Raises:
        UsageError: there is no store in ``store`` (and not ``create``), or its configuration is wrong.
        StoreError: the store cannot be used.
    """

    def __init__(
        self,
        store: Place,
        notice: Callable[[str], None] = lambda _: None,
        progress: Callable[[str, float], None] = lambda _, __: None,
        *,
        create: bool = False,
        model: str | None = None,
        given: Mapping[str, str | None] | None = None,
    ) -> None:
        self.place, self.notice, self.progress, self._create = store, notice, progress, create
        self.store = store.folder if isinstance(store, Server) else store
        if isinstance(store, Path):
            self._expect(store)
        self.config: Config = load_config(self.store, {**(given or {}), "model": model})
        self.model = self.config.model
        if self.config.walk == "server" and not isinstance(store, Server):
            raise UsageError(
                f"Expected a server's store to walk on the server, found the folder {store}: leave --walk out."
            )
        self._opened: tuple[tuple[int, tuple[Said, ...]], Indices] | None = None
        self._serving: tuple[Indices, HybridRetriever] | None = None

    def _expect(self, store: Path) -> None:
        if store.exists() and not store.is_dir():
            raise UsageError(f"Expected a folder for the store at {store}, found a file: name another with --store.")
        if not self._create and not (store / "graph.db").is_file():
            raise UsageError(
                f"Expected a store in {store} and found none: make one with `kgrag ingest PATH --store {store}`, "
                "or name the right folder with --store."
            )

    @cached_property
    def graph(self) -> Graph:
        """The store itself.

        Raises:
            StoreError: it cannot be opened.
            UsageError: it is a server's, and there is no password.
        """
        if isinstance(self.place, Server):
            from graphs.neo4j_graph import Neo4jGraph

            return Neo4jGraph(self.place, self.place.password(), create=self._create)
        from graphs.sqlite import SQLiteGraph

        return SQLiteGraph(self.store / "graph.db")

    @cached_property
    def embedder(self) -> Embedder:
        """The sentence embedder of this store."""
        from kgrag.embed import load_embedder

        made_with = self.graph.meta("embedder")
        if made_with and made_with != self.config.embedder:
            raise StoreError(
                f"{self.place} was made with the embedder {made_with}, and kgrag.toml names {self.config.embedder}: "
                "set it back, or ingest into a new folder."
            )
        return load_embedder(self.config.embedder, self.progress)

    @cached_property
    def llm(self) -> LLM:
        """The language model."""
        from kgrag.llm.choose import load_llm

        config = self.config
        if config.adapter and (self.store / config.adapter).is_dir():  # named beside the configuration that names it
            config = config.model_copy(update={"adapter": str(self.store / config.adapter)})
        return load_llm(self.model, self.progress, config)

    def use(self, *, model: str | None = None, adapter: str | None = None) -> None:
        """Change the language model, or the adapter that is added to it, and load it; a failure changes nothing.

        Raises:
            ModelError: there is no such model or adapter, or it cannot be loaded, or does not fit the other.
        """
        before = self.model, self.config, self.__dict__.pop("llm", None)
        changed = {"model": model, "adapter": adapter if model is None or adapter is not None else ""}
        try:
            self.config = self.config.model_copy(update={k: v for k, v in changed.items() if v is not None})
            self.model = self.config.model
            _ = self.llm
        except BaseException:
            self.model, self.config = before[:2]
            if before[2] is not None:
                self.llm = before[2]
            raise

    @cached_property
    def reranker(self) -> Reranker:
        """The cross-encoder that the configuration names.

        Raises:
            ModelError: it cannot be loaded.
        """
        from kgrag.rerank import load_reranker

        name = self.config.reranker
        # a folder is named beside the configuration that names it, wherever the command is run
        return load_reranker(str(self.store / name) if (self.store / name).is_dir() else name)

    def writing(self) -> AbstractContextManager[None]:
        """Hold a store's folder for writing; a server lets many write.

        Raises:
            StoreError: another process holds it.
        """
        return nullcontext() if isinstance(self.place, Server) else self._folder_held()

    @contextmanager
    def _folder_held(self) -> Iterator[None]:
        """Hold the folder for writing: a store's own, or the one that keeps what is derived from a server's."""
        lock = FileLock(self.store / "lock")
        try:
            self.store.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(
                f"The store {self.store} cannot be made ({error.strerror}): name another folder."
            ) from error
        try:
            lock.acquire(timeout=0)
        except Timeout as error:
            raise Busy(
                f"{self.store} is being written by another process: wait for it to end, then run this again."
            ) from error
        except OSError as error:
            raise StoreError(f"{self.store} cannot be written ({error.strerror}): check its permissions.") from error
        try:
            yield
        finally:
            lock.release()

    @property
    def base(self) -> Path:
        """What the names of files are relative to: the folder that holds the store; of a server's, the one we are in."""
        return Path.cwd() if isinstance(self.place, Server) else self.store.resolve().parent

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

    @property
    def said(self) -> list[Said]:
        """What the store's ``aliases.toml`` says is one thing, or is not.

        Raises:
            UsageError: the file is wrong.
        """
        from kgrag.same import NAME, read_said

        return read_said(self.store / NAME)

    @property
    def rules(self) -> Rules:
        """How this store's documents are read.

        Raises:
            UsageError: its ``aliases.toml`` or ``predicates.toml`` is wrong.
        """
        from ingest.own import NAME, read_own
        from ingest.rules import Rules

        same = {one.pair: one.same for one in self.said}
        return Rules(frozenset(pair for pair, one in same.items() if not one), read_own(self.store / NAME))

    @property
    def vocabulary(self) -> Vocabulary:
        """What facts can say here: the predicates of the program and of the store's ``predicates.toml``."""
        from ingest.patterns import vocabulary

        return vocabulary(self.rules.predicates)

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

    def _indices(self, *, keep: bool) -> Indices:
        from kgrag.retrieve.derived import open_indices

        return open_indices(
            self.graph, self.store / "indices", self.notice, keep=keep, progress=self.progress, said=self.said
        )

    @property
    def indices(self) -> Indices:
        """What is derived from the store's present generation; opened again when others have written."""
        with self.graph.snapshot():
            generation = self.graph.generation, tuple(self.said)
            if self._opened is None or self._opened[0] != generation:
                try:
                    with self._folder_held():
                        self._opened = generation, self._indices(keep=True)
                except StoreError:
                    # someone is writing: read what is there now, and leave the files to them
                    self._opened = generation, self._indices(keep=False)
                self._opened = generation, self._walked(self._opened[1])
                self.__dict__.pop("graph_reader", None)
            return self._opened[1]

    def _walked(self, indices: Indices) -> Indices:
        """``indices`` with whoever walks: this machine, or a store's server."""
        if not isinstance(self.place, Server):
            return indices
        from graphs.neo4j_graph import Neo4jGraph
        from graphs.neo4j_walk import walker

        assert isinstance(self.graph, Neo4jGraph)
        here = self.store / "walk.json"
        ties = indices.graph.ties
        return replace(
            indices,
            walker=walker(self.graph, self.config.walk, indices.walker, indices.rows.passages, ties, here, self.notice),
        )

    @property
    def merged(self) -> Graph:
        """The store with its merges, of the present generation."""
        from graphs.merged import merged

        return merged(self.graph, self.indices.merges)

    @property
    def facts(self) -> Facts:
        """The typed facts of the store's present generation."""
        return self.indices.facts

    @property
    def retriever(self) -> HybridRetriever:
        """The hybrid retriever over the store's present generation."""
        with self.graph.snapshot():
            indices = self.indices
            if self._serving is None or self._serving[0] is not indices:
                self._serving = indices, self._retriever(indices)
            return self._serving[1]

    def _retriever(self, indices: Indices) -> HybridRetriever:
        from kgrag.retrieve.hybrid import HybridRetriever
        from kgrag.retrieve.paths import Explainer
        from kgrag.retrieve.ranker import Ranker

        reranker = (lambda: self.reranker) if self.config.reranker else None
        explainer = Explainer(indices.graph, self.graph.triples_in)
        return HybridRetriever(self.graph, indices, self.embedder, Ranker.load, explainer, reranker)

    @cached_property
    def graph_reader(self) -> GraphReader:
        """Answers from typed facts alone."""
        from kgrag.reader.graph import GraphReader

        return GraphReader(self.facts, self.vocabulary)

    @property
    def answerer(self) -> Answerer:
        """Answers questions over this store; the language model loads when it is first needed."""
        from kgrag.answer import Answerer

        return Answerer(
            lambda: self.retriever,
            lambda: self.graph_reader,
            lambda: self.llm,
            self.stating,
            evidence_tokens=self.config.evidence_tokens,
            answer_tokens=self.config.answer_tokens,
        )

    @property
    def sources(self) -> Sources:
        """Where the arms of an experiment have their evidence from, all of the store's present generation."""
        from kgrag.factuality.arms import Sources
        from kgrag.retrieve.paths import Explainer
        from kgrag.retrieve.single import VectorRetriever, WalkRetriever

        indices = self.indices
        vectors = VectorRetriever(self.graph, indices, self.embedder)
        walk = WalkRetriever(self.graph, indices, Explainer(indices.graph, self.graph.triples_in))
        return Sources(
            self.retriever.retrieve,
            lambda question, k: vectors.retrieve(question, k) if vectors.knows(question) else None,
            walk.retrieve,
            self.graph_reader.read,
            self.stating,
            self.gold,
        )

    def stating(self, triples: Iterable[Triple]) -> list[Hit]:
        """The passages that state triples, each once, as hits."""
        hits: list[Hit] = []
        ids = dict.fromkeys(triple.passage_id for triple in triples)
        passages = self.graph.passages_among(ids)
        headings = self.graph.headings({passage.document_id for passage in passages.values()})
        for passage in (passages[i] for i in ids if i in passages):
            if heading := headings.get(passage.document_id):
                hits.append(Hit(passage, heading.title, heading.source, 1.0, len(hits) + 1, parts={"facts": 1.0}))
        return hits

    def gold(self, question: Question) -> list[Hit]:
        """The passages of a question's gold documents, as if they had been retrieved."""
        hits: list[Hit] = []
        for document_id in question.gold:
            document = self.graph.document(document_id)
            for passage in self.graph.passages_of(document_id) if document else ():
                assert document is not None
                hits.append(Hit(passage, document.title, document.source, 1.0, len(hits) + 1))
        return hits
