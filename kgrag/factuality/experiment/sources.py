"""Build the evidence sources of an experiment from a store."""

from __future__ import annotations

from kgrag.factuality.experiment.arms import EvidenceSources
from kgrag.protocols import GraphStore
from kgrag.retrieve.baselines import GraphRetriever, VectorRetriever
from kgrag.retrieve.explanations import PathExplainer
from kgrag.store.store import Store
from kgrag.types import Hit, Question


def evidence_sources(store: Store) -> EvidenceSources:
    """Return the sources of every arm, all at the store's current generation."""
    indices = store.indices
    vector_retriever = VectorRetriever(store.graph_store, indices, store.embedder)
    graph_retriever = GraphRetriever(
        store.graph_store, indices, PathExplainer(indices.graph, store.graph_store.triples_in)
    )
    return EvidenceSources(
        store.retriever.retrieve,
        lambda question, k: (
            vector_retriever.retrieve(question, k) if vector_retriever.supports_language_of(question) else None
        ),
        graph_retriever.retrieve,
        store.graph_reader,
        store.passages_stating,
        lambda question: gold_passages(store.graph_store, question),
    )


def gold_passages(graph: GraphStore, question: Question) -> list[Hit]:
    """Return the passages of a question's gold documents as if they had been retrieved."""
    hits: list[Hit] = []
    for document_id in question.gold:
        document = graph.document(document_id)
        if document is None:
            continue
        for passage in graph.passages_of_document(document_id):
            hits.append(Hit(passage, document.title, document.source, 1.0, len(hits) + 1))
    return hits
