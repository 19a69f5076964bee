"""What the engines ask of stores and models: interfaces small enough that an honest fake takes forty lines."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from kgrag.types import ClaimVerdict, Document, DocumentHeader, Entity, Extraction, Hit, Mention, Passage, Triple

Matrix = NDArray[np.float32]
Messages = Sequence[Mapping[str, str]]
"""A conversation: each message a mapping with ``role`` (system, user or assistant) and ``content``."""
SourceRecord = tuple[str, str, Sequence[tuple[int | None, str]]]
"""A file that was read to its end: its id, its sha256, and what could not be read in it as (line or None, why)."""


class GraphStore(Protocol):
    """A store of documents and what was read in them. Adding or forgetting a document is one transaction."""

    passages_per_transaction: int
    """Passages of documents that are best put together: what a transaction costs, against what is lost when one is stopped."""

    def put(self, extraction: Extraction, embeddings: Matrix) -> None:
        """Add a document, or replace the one of the same id. ``embeddings``: (passages, dimensions)."""

    def put_many(self, documents: Iterable[tuple[Extraction, Matrix]]) -> None:
        """`put` several, all in one transaction: all of them, or none."""

    def forget(self, document_id: str) -> bool:
        """Remove a document and all that only it supports; False if there is none of that id."""

    def refresh_display_names(self) -> None:
        """After many changes: bring in step what the store keeps for others to look at. May be stopped, or left out."""

    def set_meta(self, key: str, value: str) -> None:
        """Keep a fact about the store itself (such as its embedder)."""

    def mark_sources_read(self, records: Iterable[SourceRecord]) -> None:
        """Note that files were read to their ends, with what could not be read in them."""

    def forget_source(self, source: str) -> None:
        """Unlearn that a file was read, and what could not be read in it."""

    def snapshot(self) -> AbstractContextManager[None]:
        """What is read inside belongs to one generation, where the store can do that; may stand in another."""

    @property
    def generation(self) -> int:
        """How many transactions have been committed; derived indices carry the generation they were built from."""

    def meta(self, key: str) -> str | None:
        """A fact about the store itself, or None; ``made`` tells it from every other store."""

    def settings(self) -> Mapping[str, str]:
        """All that `set_meta` kept."""

    def sources(self) -> Mapping[str, str]:
        """Files that were read to their end: id -> sha256 of the bytes."""

    def document_ids_by_source(self, sources: Iterable[str]) -> dict[str, list[str]]:
        """file -> ids of the documents that came from it, ordered; of every file that is named."""

    def problems(self) -> list[tuple[str, int | None, str]]:
        """What could not be read: (source, line or None, why)."""

    def counts(self) -> dict[str, int]:
        """How many there are of documents, passages, mentions, entities, triples and typed triples."""

    def documents(self) -> Iterator[Document]:
        """All documents, ordered by id."""

    def document(self, document_id: str) -> Document | None:
        """One document, or None."""

    def document_headers(self, document_ids: Iterable[str]) -> dict[str, DocumentHeader]:
        """document id -> what stands above its text; of those that are not there, nothing."""

    def document_hashes(self) -> Mapping[str, str]:
        """document id -> sha256, for telling what is unchanged."""

    def extractors(self) -> Mapping[str, str]:
        """document id -> who looked for its facts: ``rules``, ``llm`` or ``both``."""

    def titles(self) -> Mapping[str, tuple[str, str]]:
        """document id -> (entity id of its title, title)."""

    def sources_by_document(self) -> Mapping[str, str]:
        """document id -> the file it came from."""

    def document_names(self) -> dict[str, list[str]]:
        """document id -> the names it goes by, its title first."""

    def passage_keys(self) -> list[tuple[str, str]]:
        """(passage id, document id) of every passage, in the order of ``passages``."""

    def passages(self) -> Iterator[Passage]:
        """All passages, ordered by id: position in this order is the row number in every index."""

    def passage_count(self) -> int:
        """How many passages there are."""

    def embeddings(self) -> Matrix:
        """(passages, dimensions), in the order of ``passages``."""

    def passages_by_id(self, passage_ids: Iterable[str]) -> dict[str, Passage]:
        """passage id -> passage; of those that are not there, nothing."""

    def passages_of_document(self, document_id: str) -> list[Passage]:
        """The passages of one document, in order."""

    def entities(self, entity_ids: Container[str] | None = None) -> Iterator[Entity]:
        """All entities, ordered by id; only those whose id is ``among`` some, if given."""

    def mentions(self) -> Iterator[Mention]:
        """All mentions, ordered by passage, offset and entity."""

    def triples(self) -> Iterator[Triple]:
        """All triples, ordered by passage and offset."""

    def triples_in(self, passage_ids: Iterable[str]) -> list[Triple]:
        """The triples that some passages state, ordered by passage and offset."""

    def names(self) -> Iterator[tuple[str, str, str, str]]:
        """All declared names, as (document id, entity id, name, type), ordered."""

    def mention_counts(self, *entities: str) -> tuple[int, int]:
        """How often entities are named, and in how many documents."""

    def entity_type_counts(self) -> Iterator[tuple[str, str, int]]:
        """(entity id, type, how often it is mentioned so) of every entity that is mentioned, ordered."""

    def entities_by_surface_form(self, name: str) -> list[str]:
        """The entities that are mentioned under just this spelling, small and capital letters alike; the commonest first.

        Reads all mentions: for where other ways find nothing.
        """

    def close(self) -> None:
        """Let go of what the store holds; the object cannot be used afterwards."""


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
    """A language model that answers chat messages, wherever it runs."""

    @property
    def name(self) -> str:
        """What it is called, in answers and in figures."""

    @property
    def context(self) -> int:
        """Tokens of prompt and answer together, at most; 0 where nobody says."""

    def generate(
        self,
        messages: Messages,
        *,
        max_tokens: int = 128,
        on_text: Callable[[str], bool | None] | None = None,
        schema: str | None = None,
        choices: Sequence[str] = (),
    ) -> str:
        """Decode greedily. ``messages`` are ``{"role", "content"}``; ``on_text`` is given each piece of text as it
        comes and stops the decoding by returning True; ``schema`` (a JSON schema) or ``choices`` (the answer is one of
        them) constrain the output."""

    def batch(
        self,
        prompts: Sequence[Messages],
        *,
        max_tokens: int = 128,
        schema: str | None = None,
        choices: Sequence[str] = (),
    ) -> list[str]:
        """`generate` for each prompt, in the order given; those of like length run together."""

    def score(self, messages: Messages, continuation: str) -> float:
        """The natural logarithm of the probability that the answer to ``messages`` begins with ``continuation``."""

    def count(self, text: str) -> int:
        """How many tokens ``text`` is."""


class Sampler(Protocol):
    """A language model that can answer by chance, too: whoever asks several times sees how sure it is."""

    def sample(
        self, messages: Messages, number: int, *, max_tokens: int = 128, temperature: float = 1.0, seed: int = 0
    ) -> list[str]:
        """``number`` answers, drawn at ``temperature`` (above 0); the same seed gives the same ones on one machine."""


class TextModel(Protocol):
    """A language model that reads a plain text, without a chat around it: what is measured of it."""

    @property
    def name(self) -> str:
        """What it is called."""

    @property
    def context(self) -> int:
        """Tokens that it reads, at most; 0 where nobody says."""

    def token_logprobs(self, text: str) -> list[float]:
        """Of every token of ``text`` but the first: the natural logarithm of its probability after those before it.

        ``text`` has at most ``context`` tokens."""

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

    def judge(self, claim: str, evidence: Sequence[str]) -> ClaimVerdict:
        """What is to be said of ``claim`` given all of ``evidence``."""
