"""A store's whole content into another store, whatever each is kept in; the two are equal afterwards."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from kgrag.errors import StoreError
from kgrag.protocols import Graph, Matrix
from kgrag.types import Document, Extraction, Mention, Passage, Triple

Stated = TypeVar("Stated", Mention, Triple)
MARK = "copied from"
"""A fact about a store into which another is being copied: what that one is."""


def copy(source: Graph, target: Graph, tick: Callable[[], None] = lambda: None) -> int:
    """Copy every document of ``source``, and what it knows besides; gives how many were copied now.

    Stopped halfway, it goes on with the documents that are not there. ``tick`` is called once a document.

    Raises:
        StoreError: ``target`` holds something else, or ``source`` changed meanwhile.
    """
    made = source.meta("made") or ""
    there = set(target.fingerprints())
    if target.meta("made") == made:
        raise StoreError("Expected two stores, found one twice: name another to copy into.")
    if (there or target.sources()) and target.meta(MARK) != made:
        raise StoreError("The store to copy into holds documents already: name a new folder, or an empty database.")
    target.set_meta(MARK, made)
    with source.snapshot():
        generation, copied = source.generation, 0
        held: list[tuple[Extraction, Matrix]] = []
        for extraction, vectors in extractions(source):
            if extraction.document.id not in there:
                held.append((extraction, vectors))
                copied += 1
            if sum(len(rows) for _, rows in held) >= target.group:
                target.put_all(held)
                held.clear()
            tick()
        if held:
            target.put_all(held)
        problems: defaultdict[str, list[tuple[int | None, str]]] = defaultdict(list)
        for name, line, why in source.problems():
            problems[name].append((line, why))
        target.finish_sources((name, sha256, problems[name]) for name, sha256 in source.sources().items())
        for name, value in source.settings().items():
            if name != MARK:
                target.set_meta(name, value)
        still = source.generation == generation
    if not still or set(target.fingerprints()) != set(source.fingerprints()):
        raise StoreError("The store changed while it was copied: empty the other one, and copy again.")
    target.set_meta(MARK, "")
    target.settle()
    return copied


def extractions(graph: Graph) -> Iterator[tuple[Extraction, Matrix]]:
    """Every document with what was read in it and its vectors, as it was put; a document once its last passage came."""
    rows = graph.rows()
    left = Counter(document for _, document in rows)
    place = {passage: row for row, (passage, _) in enumerate(rows)}
    vectors, read_by = graph.embeddings(), graph.read_by()
    names: defaultdict[str, list[tuple[str, str, str]]] = defaultdict(list)
    for document_id, entity, name, kind in graph.names():
        names[document_id].append((entity, name, kind))
    titles = graph.titles()
    mentions, triples = _Runs(graph.mentions()), _Runs(graph.triples())
    passages: defaultdict[str, list[Passage]] = defaultdict(list)
    said: defaultdict[str, list[Mention]] = defaultdict(list)
    stated: defaultdict[str, list[Triple]] = defaultdict(list)

    def whole(document: Document) -> tuple[Extraction, Matrix]:
        entity, title = titles[document.id]
        # the title's entity comes first: by that it is known
        own = sorted(names.pop(document.id, []), key=lambda n: (n[0] != entity, n[1] != title))
        parts = passages.pop(document.id, [])
        found = tuple(said.pop(document.id, [])), tuple(stated.pop(document.id, []))
        extraction = Extraction(document, tuple(parts), tuple(own), *found, read_by=read_by[document.id])
        return extraction, vectors[[place[p.id] for p in parts]]

    for passage in graph.passages():
        document_id = passage.document_id
        passages[document_id].append(passage)
        said[document_id] += mentions.of(passage.id)
        stated[document_id] += triples.of(passage.id)
        left[document_id] -= 1
        if not left[document_id] and (document := graph.document(document_id)):
            yield whole(document)
    for document_id in titles:
        if document_id not in left and (document := graph.document(document_id)):
            yield whole(document)


class _Runs(Generic[Stated]):
    """What is ordered by passage, a passage at a time."""

    def __init__(self, items: Iterator[Stated]) -> None:
        self._items: Iterator[Stated] = items
        self._next: Stated | None = next(items, None)

    def of(self, passage_id: str) -> list[Stated]:
        found: list[Stated] = []
        while self._next is not None and self._next.passage_id <= passage_id:
            if self._next.passage_id == passage_id:
                found.append(self._next)
            self._next = next(self._items, None)
        return found
