"""Which document names whom, as edges from the thing that a document is about; for where facts join nothing."""

from __future__ import annotations

from array import array
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from kgrag.protocols import Graph
from kgrag.text import sentences
from kgrag.types import VALUES, Triple

Numbers = NDArray[np.int32]


class Mentions:
    """The first mention of each entity in each document, as edges from the entity that the document's title names.

    Dates, and the entity of the title itself, are left out. Some 20 bytes an edge, and each name once.
    """

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._number: dict[str, int] = {}
        passages: dict[str, int] = {}
        titles = {document: entity for document, (entity, _) in graph.titles().items()}
        owner = {passage: titles[document] for passage, document in graph.rows()}
        columns = [array("i") for _ in range(5)]
        for mention in graph.mentions():
            subject = owner.get(mention.passage_id, "")
            if not subject or mention.type in VALUES or mention.entity_id == subject:
                continue
            ends = (self._number.setdefault(end, len(self._number)) for end in (subject, mention.entity_id))
            passage = passages.setdefault(mention.passage_id, len(passages))
            for column, item in zip(columns, (*ends, passage, mention.start, mention.end), strict=True):
                column.append(item)
        self._names, self._passages = list(self._number), list(passages)
        subjects, objects, *where = (np.array(column, np.int32) for column in columns)
        # sorted by both ends, of several places the first: they came in order
        pairs = subjects.astype(np.int64) * max(1, len(self._number)) + objects
        first = np.unique(pairs, return_index=True)[1]
        self._subject, self._object = subjects[first], objects[first]
        self._passage, self._start, self._end = (column[first] for column in where)
        self._by_object = np.argsort(self._object, kind="stable")

    def __len__(self) -> int:
        return len(self._subject)

    def __iter__(self) -> Iterator[Triple]:
        """All edges by their ends, each with the span of its mention alone."""
        return map(self._triple, range(len(self)))

    def near(self, entity: str) -> list[Triple]:
        """The edges of an entity in both directions, each with the span of its mention alone."""
        number = self._number.get(entity)
        if number is None:
            return []
        forward = np.arange(*np.searchsorted(self._subject, [number, number + 1]))
        back = self._by_object[
            slice(*np.searchsorted(self._object, [number, number + 1], sorter=self._by_object).tolist())
        ]
        return [self._triple(row) for row in (*forward.tolist(), *back.tolist())]

    def _triple(self, row: int) -> Triple:
        ends = self._names[self._subject[row]], self._names[self._object[row]]
        passage = self._passages[self._passage[row]]
        return Triple(ends[0], "mentions", ends[1], passage, int(self._start[row]), int(self._end[row]), 1.0)

    def names(self, entities: frozenset[str]) -> dict[str, str]:
        """How the documents spell some entities, of which facts need not speak."""
        return {entity.id: " ".join(entity.name.split()) for entity in self._graph.entities(entities)}

    def in_sentence(self, triple: Triple) -> Triple:
        """The same edge with the span of the sentence that the mention stands in."""
        passage = self._graph.passages_among([triple.passage_id]).get(triple.passage_id)
        for start, end in sentences(passage.text) if passage else ():
            assert passage is not None
            if passage.start + start <= triple.start < passage.start + end:
                span = passage.start + start, passage.start + end
                return Triple(triple.subject, "mentions", triple.object, triple.passage_id, *span, triple.confidence)
        return triple
