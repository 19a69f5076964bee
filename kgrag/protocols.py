"""What the engines ask of stores and models: interfaces small enough that an honest fake takes forty lines."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from kgrag.types import Document, Entity, Extraction, Hit, Mention, Passage, Triple, Verdict

Matrix = NDArray[np.float32]


class Graph(Protocol):
    """A store of documents and what was read in them. Adding or forgetting a document is one transaction."""

    @property
    def generation(self) -> int:
        """How many transactions have been committed; derived indices carry the generation they were built from."""

    def put(self, extraction: Extraction, embeddings: Matrix) -> None:
        """Add a document, or replace the one of the same id. ``embeddings``: (passages, dimensions)."""

    def forget(self, document_id: str) -> bool:
        """Remove a document and all that only it supports; False if there is none of that id."""

    def documents(self) -> Iterator[Document]:
        """All documents, ordered by id."""

    def document(self, document_id: str) -> Document | None:
        """One document, or None."""

    def fingerprints(self) -> Mapping[str, str]:
        """document id -> sha256, for telling what is unchanged."""

    def passages(self) -> Iterator[Passage]:
        """All passages, ordered by id: position in this order is the row number in every index."""

    def embeddings(self) -> Matrix:
        """(passages, dimensions), in the order of ``passages``."""

    def passage(self, passage_id: str) -> Passage | None:
        """One passage, or None."""

    def entities(self, among: Container[str] | None = None) -> Iterator[Entity]:
        """All entities, ordered by id; only those whose id is ``among`` some, if given."""

    def mentions(self) -> Iterator[Mention]:
        """All mentions, ordered by passage and offset."""

    def triples(self) -> Iterator[Triple]:
        """All triples, ordered by passage and offset."""

    def names(self) -> Iterator[tuple[str, str, str, str]]:
        """All declared names, as (document id, entity id, name, type)."""

    def kinds(self) -> Iterator[tuple[str, str, int]]:
        """(entity id, type, how often it is mentioned so) of every entity that is mentioned, ordered."""

    def titles(self) -> Mapping[str, tuple[str, str]]:
        """document id -> (entity id of its title, title)."""


class Index(Protocol):
    """Something derived from a store that ranks passages by row number."""

    def search(self, query: Any, k: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The best ``k`` rows and their scores, best first; fewer if there are fewer."""


class Embedder(Protocol):
    """Turns text into unit vectors."""

    name: str
    dimensions: int
    languages: frozenset[str]

    def embed(self, texts: Sequence[str]) -> Matrix:
        """(texts, dimensions), rows of length 1."""

    def embed_query(self, text: str) -> Matrix:
        """(dimensions,), of length 1."""


class LLM(Protocol):
    """A language model that answers chat messages."""

    name: str
    context: int

    def generate(
        self,
        messages: Sequence[Mapping[str, str]],
        *,
        max_tokens: int = 128,
        on_text: Callable[[str], bool | None] | None = None,
        schema: str | None = None,
    ) -> str:
        """Decode greedily. ``messages`` are ``{"role", "content"}``; ``on_text`` is given each piece of text as it
        comes and stops the decoding by returning True; ``schema`` (a JSON schema) constrains the output."""

    def count(self, text: str) -> int:
        """How many tokens ``text`` is."""


class Retriever(Protocol):
    """Finds evidence for a question."""

    def retrieve(self, question: str, k: int) -> list[Hit]:
        """The best ``k`` passages, best first."""


class Reranker(Protocol):
    """Reads a question and a passage together."""

    name: str

    def score(self, question: str, texts: Sequence[str]) -> NDArray[np.float64]:
        """(texts,): how well each fits the question, higher is better; the same input gives the same scores."""


class SupportJudge(Protocol):
    """Says whether a text bears out a claim."""

    def judge(self, claim: str, evidence: Iterable[str]) -> Verdict:
        """The verdict on ``claim`` given all of ``evidence``."""
