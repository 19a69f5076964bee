"""Copy the whole content of a store into another store of any backend."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from kgrag.errors import StoreError
from kgrag.protocols import GraphReader, GraphStore, Matrix
from kgrag.types import Document, Extraction, Mention, Passage, Triple

Located = TypeVar("Located", Mention, Triple)
COPY_SOURCE_KEY = "copied from"
"""Key of the target's meta value that identifies the source of an unfinished copy."""


def copy_store(source: GraphStore, target: GraphStore, on_document: Callable[[], None] = lambda: None) -> int:
    """Copy all documents, sources, problems and settings of ``source``; return the number of documents copied now.

    After an interruption the next call copies the missing documents. ``on_document`` is called after each document.

    Raises:
        StoreError: ``target`` holds other data, or ``source`` changed meanwhile.
    """
    source_id = source.meta("made") or ""
    existing_ids = set(target.document_hashes())
    if target.meta("made") == source_id:
        raise StoreError("Expected two different stores, found the same one twice: name another target.")
    if (existing_ids or target.sources()) and target.meta(COPY_SOURCE_KEY) != source_id:
        raise StoreError("Expected an empty target, found a store with documents: name a new folder or empty database.")
    target.set_meta(COPY_SOURCE_KEY, source_id)
    with source.snapshot():
        generation, copied = source.generation, 0
        batch: list[tuple[Extraction, Matrix]] = []
        for extraction, vectors in extractions(source):
            if extraction.document.id not in existing_ids:
                batch.append((extraction, vectors))
                copied += 1
            if sum(len(rows) for _, rows in batch) >= target.passages_per_transaction:
                target.put_many(batch)
                batch.clear()
            on_document()
        if batch:
            target.put_many(batch)
        problems: defaultdict[str, list[tuple[int | None, str]]] = defaultdict(list)
        for name, line, reason in source.problems():
            problems[name].append((line, reason))
        target.mark_sources_read((name, sha256, problems[name]) for name, sha256 in source.sources().items())
        for name, value in source.settings().items():
            if name != COPY_SOURCE_KEY:
                target.set_meta(name, value)
        is_unchanged = source.generation == generation
    if not is_unchanged or set(target.document_hashes()) != set(source.document_hashes()):
        raise StoreError("The store changed while it was copied: delete the copy, then copy again.")
    target.set_meta(COPY_SOURCE_KEY, "")
    target.refresh_display_names()
    return copied


def extractions(graph: GraphReader) -> Iterator[tuple[Extraction, Matrix]]:
    """Yield every document with its extracted data and vectors, once its last passage was read."""
    rows = graph.passage_keys()
    remaining_passages = Counter(document for _, document in rows)
    row_of = {passage: row for row, (passage, _) in enumerate(rows)}
    vectors, read_by = graph.embeddings(), graph.extractors()
    names: defaultdict[str, list[tuple[str, str, str]]] = defaultdict(list)
    for document_id, entity, name, kind in graph.names():
        names[document_id].append((entity, name, kind))
    titles = graph.titles()
    mentions, triples = _PassageGroups(graph.mentions()), _PassageGroups(graph.triples())
    passages: defaultdict[str, list[Passage]] = defaultdict(list)
    mentions_by_document: defaultdict[str, list[Mention]] = defaultdict(list)
    triples_by_document: defaultdict[str, list[Triple]] = defaultdict(list)

    def build_extraction(document: Document) -> tuple[Extraction, Matrix]:
        entity, title = titles[document.id]
        # the title's entity must come first: stores take the first name for the title's
        declared_names = sorted(names.pop(document.id, []), key=lambda n: (n[0] != entity, n[1] != title))
        document_passages = passages.pop(document.id, [])
        mentions_and_triples = (
            tuple(mentions_by_document.pop(document.id, [])),
            tuple(triples_by_document.pop(document.id, [])),
        )
        extraction = Extraction(
            document,
            tuple(document_passages),
            tuple(declared_names),
            *mentions_and_triples,
            extractor=read_by[document.id],
        )
        return extraction, vectors[[row_of[p.id] for p in document_passages]]

    for passage in graph.passages():
        document_id = passage.document_id
        passages[document_id].append(passage)
        mentions_by_document[document_id] += mentions.for_passage(passage.id)
        triples_by_document[document_id] += triples.for_passage(passage.id)
        remaining_passages[document_id] -= 1
        if not remaining_passages[document_id] and (document := graph.document(document_id)):
            yield build_extraction(document)
    for document_id in titles:
        if document_id not in remaining_passages and (document := graph.document(document_id)):
            yield build_extraction(document)


class _PassageGroups(Generic[Located]):
    """Groups mentions or triples, ordered by passage, into lists by passage."""

    def __init__(self, items: Iterator[Located]) -> None:
        self._items: Iterator[Located] = items
        self._next: Located | None = next(items, None)

    def for_passage(self, passage_id: str) -> list[Located]:
        items: list[Located] = []
        while self._next is not None and self._next.passage_id <= passage_id:
            if self._next.passage_id == passage_id:
                items.append(self._next)
            self._next = next(self._items, None)
        return items
