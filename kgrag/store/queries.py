"""Query a store: its indices, kept in step with it, and the objects that retrieve and answer over them."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from graphs.predicates import add_document_predicates
from kgrag.config import STYLES
from kgrag.errors import StoreError, UsageError
from kgrag.filters import parse_filter
from kgrag.location import Neo4jLocation
from kgrag.logs import log_stage
from kgrag.models.endpoint import is_address
from kgrag.protocols import GraphReader
from kgrag.store.resources import StoreResources
from kgrag.types import STRUCTURE, Hit, Triple

if TYPE_CHECKING:
    from graphs.facts.fact_index import FactIndex
    from graphs.merging.rules import AliasOverride
    from kgrag.answering.pipeline import AnswerPipeline
    from kgrag.answering.profiles import Profile
    from kgrag.explore.graph_view import GraphView
    from kgrag.graphqa.reader import GraphQAReader
    from kgrag.retrieve.candidates import IndexSet
    from kgrag.retrieve.hybrid import HybridRetriever


logger = logging.getLogger(__name__)


class QueryableStore(StoreResources):
    """A store with its indices. Every property returns an object over the store's present generation."""

    _indices_cache: tuple[tuple[int, tuple[AliasOverride, ...]], IndexSet] | None = None
    """The indices, and the generation and overrides that they were built from."""
    _retriever_cache: tuple[IndexSet, HybridRetriever] | None = None
    _graph_reader_cache: tuple[IndexSet, GraphQAReader] | None = None

    def open_indices(self, *, persist: bool) -> IndexSet:
        """Open the index files, or build them if they are of another generation; write them if ``persist``."""
        from kgrag.retrieve.index_set import open_index_set

        with log_stage(logger, "open indices"):
            return open_index_set(
                self.graph_store,
                self.folder / "indices",
                self.notice,
                persist=persist,
                progress=self.progress,
                alias_overrides=self.alias_overrides,
            )

    @property
    def indices(self) -> IndexSet:
        """The indices of the store's present generation; opened again after another process has written."""
        with self._lock, self.graph_store.snapshot():
            generation = self.graph_store.generation, tuple(self.alias_overrides)
            if self._indices_cache is None or self._indices_cache[0] != generation:
                try:
                    with self.folder_lock():
                        indices = self.open_indices(persist=True)
                except StoreError:
                    # another process is writing: read the present state, and leave the files to it
                    indices = self.open_indices(persist=False)
                self._indices_cache = generation, self._with_server_walker(indices)
            return self._indices_cache[1]

    def _with_server_walker(self, indices: IndexSet) -> IndexSet:
        """Return ``indices`` with the walker that is configured: this machine, or the Neo4j server."""
        if not isinstance(self.location, Neo4jLocation):
            return indices
        from graphs.neo4j.store import Neo4jGraph
        from graphs.neo4j.walk import choose_pagerank

        assert isinstance(self.graph_store, Neo4jGraph)
        walker = choose_pagerank(
            self.graph_store,
            self.config.walk,
            indices.walker,
            indices.rows.passage_ids,
            indices.graph.edges,
            self.folder / "walk.json",
            self.notice,
        )
        return replace(indices, walker=walker)

    @property
    def graph(self) -> GraphView:
        """The knowledge graph by name: entities with their facts, paths, conflicts, statistics."""
        from kgrag.explore.graph_view import GraphView

        with self._lock, self.graph_store.snapshot():
            return GraphView(self.merged_graph, self.shown_facts(), self.predicates)

    def shown_facts(self, *, with_guesses: bool = False) -> FactIndex:
        """Return the facts that a document states; with the classifier's guesses only on request."""
        return self.facts if with_guesses else self.facts.without_guesses()

    @property
    def merged_graph(self) -> GraphReader:
        """The graph store with its merges applied."""
        from graphs.merging.merged_view import with_merges

        return with_merges(self.graph_store, self.indices.merges)

    @property
    def facts(self) -> FactIndex:
        """The typed facts."""
        return self.indices.facts

    @property
    def retriever(self) -> HybridRetriever:
        """The hybrid retriever."""
        with self._lock, self.graph_store.snapshot():
            indices = self.indices
            if self._retriever_cache is None or self._retriever_cache[0] is not indices:
                self._retriever_cache = indices, self._build_retriever(indices)
            return self._retriever_cache[1]

    def _build_retriever(self, indices: IndexSet) -> HybridRetriever:
        from kgrag.retrieve.boosted_trees import TreeEnsemble
        from kgrag.retrieve.explanations import PathExplainer
        from kgrag.retrieve.hybrid import HybridRetriever

        reranker = (lambda: self.reranker) if self.config.reranker else None
        explainer = PathExplainer(indices.graph, self.graph_store.triples_in)
        return HybridRetriever(self.graph_store, indices, self.embedder, TreeEnsemble.load, explainer, reranker)

    @property
    def graph_reader(self) -> GraphQAReader:
        """The reader that answers from typed facts alone."""
        from kgrag.graphqa.reader import GraphQAReader

        with self._lock:
            indices = self.indices
            if self._graph_reader_cache is None or self._graph_reader_cache[0] is not indices:
                headers = indices.facts.predicates_found_by(STRUCTURE)
                schema = add_document_predicates(self.predicates, headers)
                self._graph_reader_cache = indices, GraphQAReader(indices.facts, schema)
            return self._graph_reader_cache[1]

    @property
    def answer_pipeline(self) -> AnswerPipeline:
        """The pipeline that answers questions; the language model loads when it is first needed."""
        from kgrag.answering.pipeline import AnswerPipeline
        from kgrag.collection.reader import CollectionReader

        return AnswerPipeline(
            lambda: self.retriever,
            lambda: self.graph_reader,
            lambda: self.llm,
            self.passages_stating,
            self.graph_store.passages_of_document,
            self.predicates,
            self.embedder_for,
            lambda: CollectionReader(self.indices, self.graph_store, self.predicates),
            profile=self._profile,
            evidence_tokens=self.config.evidence_tokens,
            answer_tokens=self.config.answer_tokens,
            max_lookups=self.config.lookups,
            style=self.config.style,
        )

    @property
    def _profile(self) -> Profile:
        """The profile of the configuration; ``auto`` chooses it by the model."""
        from kgrag.answering.profiles import PROFILES

        name = self.config.profile
        if name == "auto":
            name = "strong" if is_address(self.config.model) else "small"
        return PROFILES[name] if self.config.quotes else PROFILES[name].without({"quotation"})

    def filtered_retriever(self, where: str | None) -> HybridRetriever:
        """Return the retriever of the documents that fulfil a filter (`kgrag.filters`); of all for None.

        Raises:
            UsageError: the filter is none, or names a field that no document has.
        """
        return self.retriever.restrict(parse_filter(where)) if where else self.retriever

    def pipeline_for(self, where: str | None = None, style: str | None = None) -> AnswerPipeline:
        """Return the pipeline that answers from some documents, in one style.

        Args:
            where: filter that the documents fulfil; None for all documents.
            style: one of `kgrag.config.STYLES`; None for the store's configuration.

        Raises:
            UsageError: the filter or the style is none, or the filter names a field that no document has.
        """
        pipeline = self.answer_pipeline
        if style is not None:
            if style not in STYLES:
                raise UsageError(f"Expected a style ({', '.join(STYLES)}), found {style!r}: choose one of them.")
            pipeline = replace(pipeline, style=style)
        return self._restrict_pipeline(pipeline, where) if where else pipeline

    def _restrict_pipeline(self, pipeline: AnswerPipeline, where: str) -> AnswerPipeline:
        """Return a pipeline that answers only from the documents that fulfil a filter."""
        from kgrag.collection.reader import CollectionReader
        from kgrag.graphqa.reader import GraphQAReader

        retriever = self.filtered_retriever(where)
        indices = retriever.indices
        return replace(
            pipeline,
            retriever=lambda: retriever,
            graph_qa=lambda: GraphQAReader(indices.facts, self.predicates, hidden=indices.hidden_documents),
            collection=lambda: CollectionReader(indices, self.graph_store, self.predicates),
        )

    def passages_stating(self, triples: Iterable[Triple]) -> list[Hit]:
        """Return the passages that state triples, each once, as hits."""
        hits: list[Hit] = []
        passage_ids = dict.fromkeys(triple.passage_id for triple in triples)
        passages = self.graph_store.passages_by_id(passage_ids)
        headers = self.graph_store.document_headers({passage.document_id for passage in passages.values()})
        for passage in (passages[i] for i in passage_ids if i in passages):
            if header := headers.get(passage.document_id):
                scores = {"facts": 1.0}
                hits.append(Hit(passage, header.title, header.source, 1.0, len(hits) + 1, component_scores=scores))
        return hits
