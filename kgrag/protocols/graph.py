"""Interfaces of a store of documents, entities and facts."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from kgrag.protocols.arrays import Matrix
from kgrag.types import Document, DocumentHeader, DocumentProperties, Entity, Extraction, Mention, Passage, Triple

SourceRecord = tuple[str, str, Sequence[tuple[int | None, str]]]
"""A file that was read completely: its id, its sha256, and its problems as (line or None, message)."""


class DocumentStore(Protocol):
    """Documents and their passages; passages ordered by id are the rows of every index."""

    def documents(self) -> Iterator[Document]:
        """Yield all documents, ordered by id."""

    def document(self, document_id: str) -> Document | None:
        """Return one document, or None."""

    def document_headers(self, document_ids: Iterable[str]) -> dict[str, DocumentHeader]:
        """Map document ids to the entity, title and source of each document; unknown ids are left out."""

    def document_properties(self) -> Iterator[DocumentProperties]:
        """Yield the identity and the metadata of all documents, ordered by id."""

    def document_hashes(self) -> Mapping[str, str]:
        """Map each document id to the sha256 of title and text, to recognise unchanged documents."""

    def document_names(self) -> dict[str, list[str]]:
        """Map each document id to the names of its subject, the title first."""

    def titles(self) -> Mapping[str, tuple[str, str]]:
        """Map each document id to (entity id of its title, title)."""

    def extractors(self) -> Mapping[str, str]:
        """Map each document id to the extractor of its facts: ``rules``, ``llm`` or ``both``."""

    def passages(self) -> Iterator[Passage]:
        """Yield all passages, ordered by id: the position is the row number in every index."""

    def passage_count(self) -> int:
        """Return the number of passages."""

    def passage_keys(self) -> list[tuple[str, str]]:
        """Return (passage id, document id) of every passage, in the order of `passages`."""

    def passages_by_id(self, passage_ids: Iterable[str]) -> dict[str, Passage]:
        """Map passage ids to passages; unknown ids are left out."""

    def passages_of_document(self, document_id: str) -> list[Passage]:
        """Return the passages of one document, in order."""

    def embeddings(self) -> Matrix:
        """Return the float32 matrix (passages, dimensions), in the order of `passages`."""


class SourceLedger(Protocol):
    """The files that were read into a store, and the problems found in them."""

    def sources(self) -> Mapping[str, str]:
        """Map each file that was read completely to the sha256 of its bytes."""

    def sources_by_document(self) -> Mapping[str, str]:
        """Map each document id to the file it came from."""

    def document_ids_by_source(self, sources: Iterable[str]) -> dict[str, list[str]]:
        """Map each given file to the ids of its documents, ordered; [] for a file without documents."""

    def problems(self) -> list[tuple[str, int | None, str]]:
        """Return the problems of all files as (source, line or None, message)."""

    def mark_sources_read(self, records: Iterable[SourceRecord]) -> None:
        """Record that files were read completely, and replace their recorded problems."""

    def rename_source(self, old: str, new: str, document_ids: Mapping[str, str]) -> None:
        """Give a source and its documents other ids, in one transaction; nothing else about them changes.

        Args:
            old: id of the source.
            new: its new id, of which no document is stored; a recorded source of this id is replaced.
            document_ids: maps the id of each of its documents to the new one, which no other document has.
        """

    def forget_source(self, source: str) -> None:
        """Delete a source and its recorded problems."""


class EntityStore(Protocol):
    """Entities with their names, mentions and facts."""

    def entities(self, entity_ids: Container[str] | None = None) -> Iterator[Entity]:
        """Yield all entities, ordered by id; only those in ``entity_ids``, if given."""

    def entities_by_surface_form(self, name: str) -> list[str]:
        """Return the entities mentioned with exactly this spelling, ignoring case; the most frequent first.

        Reads all mentions: use it where other lookups return nothing.
        """

    def entity_type_counts(self) -> Iterator[tuple[str, str, int]]:
        """Yield (entity id, type, number of mentions with that type) of every mentioned entity, ordered."""

    def names(self) -> Iterator[tuple[str, str, str, str]]:
        """Yield all declared names as (document id, entity id, name, type), ordered."""

    def mentions(self) -> Iterator[Mention]:
        """Yield all mentions, ordered by passage, offset and entity."""

    def mention_counts(self, *entities: str) -> tuple[int, int]:
        """Return how many mentions the given entities have together, and in how many documents."""

    def triples(self) -> Iterator[Triple]:
        """Yield all triples, ordered by passage and offset."""

    def triples_in(self, passage_ids: Iterable[str]) -> list[Triple]:
        """Return the triples that the given passages state, ordered by passage and offset."""


class MetaStore(Protocol):
    """The identity, settings and generation of a store."""

    @property
    def generation(self) -> int:
        """Number of transactions that changed the content; an index records the generation it was built from."""

    def snapshot(self) -> AbstractContextManager[None]:
        """Read from a single generation inside the context, if the backend supports it; may be nested."""

    def meta(self, key: str) -> str | None:
        """Return a value of the store itself, or None; ``made`` is unique to each store."""

    def settings(self) -> Mapping[str, str]:
        """Return all values that `set_meta` stored."""

    def set_meta(self, key: str, value: str) -> None:
        """Store a value about the store itself (such as its embedder)."""


class GraphReader(DocumentStore, EntityStore, Protocol):
    """Read access to documents, entities and facts, with or without merges applied."""

    def counts(self) -> dict[str, int]:
        """Return the numbers of documents, passages, mentions, distinct entities, triples and typed triples."""


class GraphStore(GraphReader, SourceLedger, MetaStore, Protocol):
    """A store of documents and the facts extracted from them; one transaction adds or deletes a document."""

    passages_per_transaction: int
    """Recommended passages per `put_many`: balances transaction cost against work lost on an interruption."""

    def put(self, extraction: Extraction, embeddings: Matrix) -> None:
        """Add a document, or replace the one with the same id, in one transaction.

        Args:
            extraction: the document with its passages, names, mentions and triples.
            embeddings: (passages, dimensions).
        """

    def put_many(self, documents: Iterable[tuple[Extraction, Matrix]]) -> None:
        """Put several documents in one transaction: all of them or none."""

    def replace_embeddings(self, embedder: str, vectors: Iterable[tuple[str, Matrix]], generation: int) -> None:
        """Replace the vectors of all passages and record their embedder, in one transaction.

        Args:
            embedder: its name, stored as the value ``embedder`` of `meta`.
            vectors: (passage id, vector) for every passage.
            generation: the generation whose passages were encoded.

        Raises:
            StoreError: the store has another generation, or some passage has no vector; nothing was changed.
        """

    def forget(self, document_id: str) -> bool:
        """Delete a document and all data that only it supports; return False if the id is unknown."""

    def refresh_display_names(self) -> None:
        """Refresh denormalised display names. Optional; safe to interrupt."""

    def close(self) -> None:
        """Release the store's resources; the object cannot be used afterwards."""
