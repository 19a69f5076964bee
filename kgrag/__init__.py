"""Question answering over your own documents, with a knowledge graph, a vector index and checked citations."""

from kgrag.errors import KgragError, ModelError, ReadError, StoreError, UsageError
from kgrag.types import Answer, Citation, Document, Entity, Hit, Mention, Passage, Path, Question, Triple

__version__ = "0.1.0"
__all__ = [
    "Answer",
    "Citation",
    "Document",
    "Entity",
    "Hit",
    "KgragError",
    "Mention",
    "ModelError",
    "Passage",
    "Path",
    "Question",
    "ReadError",
    "StoreError",
    "Triple",
    "UsageError",
]
