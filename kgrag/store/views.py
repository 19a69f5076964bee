"""What a store is asked through: its indices, kept in step with it, and who retrieves, reads and answers over them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from kgrag.errors import StoreError
from kgrag.location import Neo4jLocation
from kgrag.protocols import GraphStore
from kgrag.store.resources import StoreResources
from kgrag.types import Hit, Triple

if TYPE_CHECKING:
    from graphs.facts.fact_index import FactIndex
    from graphs.merging.rules import AliasOverride
    from kgrag.answering.pipeline import AnswerPipeline
    from kgrag.graphqa.reader import GraphQAReader
    from kgrag.retrieve.candidates import IndexSet
    from kgrag.retrieve.hybrid import HybridRetriever


class QueryableStore(StoreResources):
    """An opened store that can be asked."""

    _indices_cache: tuple[tuple[int, tuple[AliasOverride, ...]], IndexSet] | None = None
    """The indices, and the generation and the user's word that they are of."""
    _retriever_cache: tuple[IndexSet, HybridRetriever] | None = None

    def _open_indices(self, *, keep: bool) -> IndexSet:
        from kgrag.retrieve.index_set import open_index_set

        return open_index_set(
            self.graph,
            self.folder / "indices",
            self.notice,
            persist=keep,
            progress=self.progress,
            alias_overrides=self.alias_overrides,
        )

    @property
    def indices(self) -> IndexSet:
        """What is derived from the store's present generation; opened again when others have written."""
        with self.graph.snapshot():
            generation = self.graph.generation, tuple(self.alias_overrides)
            if self._indices_cache is None or self._indices_cache[0] != generation:
                try:
                    with self._folder_lock():
                        self._indices_cache = generation, self._open_indices(keep=True)
                except StoreError:
                    # someone is writing: read what is there now, and leave the files to them
                    self._indices_cache = generation, self._open_indices(keep=False)
                self._indices_cache = generation, self._with_server_walker(self._indices_cache[1])
                self.__dict__.pop("graph_reader", None)
            return self._indices_cache[1]

    def _with_server_walker(self, indices: IndexSet) -> IndexSet:
        """``indices`` with whoever walks: this machine, or a store's server."""
        if not isinstance(self.location, Neo4jLocation):
            return indices
        from graphs.neo4j.store import Neo4jGraph
        from graphs.neo4j.walk import choose_pagerank

        assert isinstance(self.graph, Neo4jGraph)
        walk_file = self.folder / "walk.json"
        ties = indices.graph.edges
        return replace(
            indices,
            walker=choose_pagerank(
                self.graph, self.config.walk, indices.walker, indices.rows.passage_ids, ties, walk_file, self.notice
            ),
        )

    @property
    def merged_graph(self) -> GraphStore:
        """The store with its merges, of the present generation."""
        from graphs.merging.merged_view import with_merges

        return with_merges(self.graph, self.indices.merges)

    @property
    def facts(self) -> FactIndex:
        """The typed facts of the store's present generation."""
        return self.indices.facts

    @property
    def retriever(self) -> HybridRetriever:
        """The hybrid retriever over the store's present generation."""
        with self.graph.snapshot():
            indices = self.indices
            if self._retriever_cache is None or self._retriever_cache[0] is not indices:
                self._retriever_cache = indices, self._build_retriever(indices)
            return self._retriever_cache[1]

    def _build_retriever(self, indices: IndexSet) -> HybridRetriever:
        from kgrag.retrieve.boosted_trees import TreeEnsemble
        from kgrag.retrieve.explanations import PathExplainer
        from kgrag.retrieve.hybrid import HybridRetriever

        reranker = (lambda: self.reranker) if self.config.reranker else None
        explainer = PathExplainer(indices.graph, self.graph.triples_in)
        return HybridRetriever(self.graph, indices, self.embedder, TreeEnsemble.load, explainer, reranker)

    @cached_property
    def graph_reader(self) -> GraphQAReader:
        """Answers from typed facts alone."""
        from kgrag.graphqa.reader import GraphQAReader

        return GraphQAReader(self.facts, self.vocabulary)

    @property
    def answer_pipeline(self) -> AnswerPipeline:
        """Answers questions over this store; the language model loads when it is first needed."""
        from kgrag.answering.pipeline import AnswerPipeline

        return AnswerPipeline(
            lambda: self.retriever,
            lambda: self.graph_reader,
            lambda: self.llm,
            self.passages_stating,
            self.vocabulary,
            evidence_tokens=self.config.evidence_tokens,
            answer_tokens=self.config.answer_tokens,
            max_lookups=self.config.lookups,
        )

    def passages_stating(self, triples: Iterable[Triple]) -> list[Hit]:
        """The passages that state triples, each once, as hits."""
        hits: list[Hit] = []
        passage_ids = dict.fromkeys(triple.passage_id for triple in triples)
        passages = self.graph.passages_by_id(passage_ids)
        headings = self.graph.document_headers({passage.document_id for passage in passages.values()})
        for passage in (passages[i] for i in passage_ids if i in passages):
            if heading := headings.get(passage.document_id):
                hits.append(
                    Hit(passage, heading.title, heading.source, 1.0, len(hits) + 1, component_scores={"facts": 1.0})
                )
        return hits
