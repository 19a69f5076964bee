"""What a store is asked through: its indices, kept in step with it, and who retrieves, reads and answers over them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from kgrag.errors import StoreError
from kgrag.opened import Opened
from kgrag.place import Server
from kgrag.protocols import Graph
from kgrag.types import Hit, Question, Triple

if TYPE_CHECKING:
    from graphs.facts import Facts
    from graphs.merges import Said
    from kgrag.answer import Answerer
    from kgrag.factuality.arms import Sources
    from kgrag.reader.graph import GraphReader
    from kgrag.retrieve.candidates import Indices
    from kgrag.retrieve.hybrid import HybridRetriever


class Asked(Opened):
    """An opened store that can be asked."""

    _of: tuple[tuple[int, tuple[Said, ...]], Indices] | None = None
    """The indices, and the generation and the user's word that they are of."""
    _serving: tuple[Indices, HybridRetriever] | None = None

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
            if self._of is None or self._of[0] != generation:
                try:
                    with self._folder_held():
                        self._of = generation, self._indices(keep=True)
                except StoreError:
                    # someone is writing: read what is there now, and leave the files to them
                    self._of = generation, self._indices(keep=False)
                self._of = generation, self._walked(self._of[1])
                self.__dict__.pop("graph_reader", None)
            return self._of[1]

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
            self.vocabulary,
            evidence_tokens=self.config.evidence_tokens,
            answer_tokens=self.config.answer_tokens,
            lookups=self.config.lookups,
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
            self.graph_reader,
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
