"""Interfaces of stores, models and retrievers."""

from kgrag.protocols.arrays import Matrix
from kgrag.protocols.graph import (
    DocumentStore,
    EntityStore,
    GraphReader,
    GraphStore,
    MetaStore,
    SourceLedger,
    SourceRecord,
)
from kgrag.protocols.models import (
    LLM,
    Embedder,
    GenerationOptions,
    Messages,
    OnText,
    Reranker,
    Sampler,
    SupportJudge,
    TextModel,
    TokenEmbedder,
)
from kgrag.protocols.retrieval import Retriever

__all__ = [
    "LLM",
    "DocumentStore",
    "Embedder",
    "EntityStore",
    "GenerationOptions",
    "GraphReader",
    "GraphStore",
    "Matrix",
    "Messages",
    "MetaStore",
    "OnText",
    "Reranker",
    "Retriever",
    "Sampler",
    "SourceLedger",
    "SourceRecord",
    "SupportJudge",
    "TextModel",
    "TokenEmbedder",
]
