"""Interfaces of stores, models and retrievers."""

from kgrag.protocols.arrays import Matrix
from kgrag.protocols.graph import GraphStore, SourceRecord
from kgrag.protocols.models import LLM, Embedder, Messages, Reranker, Sampler, SupportJudge, TextModel
from kgrag.protocols.retrieval import Retriever

__all__ = [
    "LLM",
    "Embedder",
    "GraphStore",
    "Matrix",
    "Messages",
    "Reranker",
    "Retriever",
    "Sampler",
    "SourceRecord",
    "SupportJudge",
    "TextModel",
]
