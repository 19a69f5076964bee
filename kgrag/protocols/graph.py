"""Interfaces of a store of documents, entities and facts."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from kgrag.protocols.arrays import Matrix
from kgrag.types import Document, DocumentHeader, Entity, Extraction, Mention, Passage, Triple

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
