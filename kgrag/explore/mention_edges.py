"""Connect a document's subject to the entities it mentions, for paths that facts do not provide."""

from __future__ import annotations

from array import array
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from kgrag.protocols import GraphReader
from kgrag.text import sentence_spans
from kgrag.types import VALUE_TYPES, Triple

Int32Array = NDArray[np.int32]


class MentionEdges:
    """The first mention of each entity in each document, as edges from the entity of the document's title.

    Dates and the title's own entity are left out. An edge takes some 20 bytes; each name is stored once.
    """

    def __init__(self, graph: GraphReader) -> None:
        self._graph = graph
        self._entity_numbers: dict[str, int] = {}
        passages: dict[str, int] = {}
        titles = {document: entity for document, (entity, _) in graph.titles().items()}
        title_entity_of_passage = {passage: titles[document] for passage, document in graph.passage_keys()}
        columns = [array("i") for _ in range(5)]
        for mention in graph.mentions():
            subject = title_entity_of_passage.get(mention.passage_id, "")
            if not subject or mention.type in VALUE_TYPES or mention.entity_id == subject:
                continue
            ends = (
                self._entity_numbers.setdefault(end, len(self._entity_numbers)) for end in (subject, mention.entity_id)
            )
            passage = passages.setdefault(mention.passage_id, len(passages))
            for column, item in zip(columns, (*ends, passage, mention.start, mention.end), strict=True):
                column.append(item)
        self._entity_ids, self._passage_ids = list(self._entity_numbers), list(passages)
        subjects, objects, *location_columns = (np.array(column, np.int32) for column in columns)
        # sorted by both ends; `np.unique` keeps the first mention of each pair
        pairs = subjects.astype(np.int64) * max(1, len(self._entity_numbers)) + objects
        first = np.unique(pairs, return_index=True)[1]
        self._subjects, self._objects = subjects[first], objects[first]
        self._passage_numbers, self._starts, self._ends = (column[first] for column in location_columns)
        self._by_object = np.argsort(self._objects, kind="stable")

    def __len__(self) -> int:
        return len(self._subjects)

    def __iter__(self) -> Iterator[Triple]:
        """Iterate over all edges, ordered by their ends; the span is the mention's own."""
        return map(self._edge, range(len(self)))

    def edges_of(self, entity: str) -> list[Triple]:
        """Return the edges of an entity in both directions; the span is the mention's own."""
        number = self._entity_numbers.get(entity)
        if number is None:
            return []
        forward = np.arange(*np.searchsorted(self._subjects, [number, number + 1]))
        back = self._by_object[
            slice(*np.searchsorted(self._objects, [number, number + 1], sorter=self._by_object).tolist())
        ]
        return [self._edge(row) for row in (*forward.tolist(), *back.tolist())]

    def _edge(self, row: int) -> Triple:
        ends = self._entity_ids[self._subjects[row]], self._entity_ids[self._objects[row]]
        passage = self._passage_ids[self._passage_numbers[row]]
        return Triple(ends[0], "mentions", ends[1], passage, int(self._starts[row]), int(self._ends[row]), 1.0)

    def spellings(self, entities: frozenset[str]) -> dict[str, str]:
        """Map entity ids to their display names in the documents, for entities without facts."""
        return {entity.id: " ".join(entity.name.split()) for entity in self._graph.entities(entities)}

    def with_sentence_span(self, triple: Triple) -> Triple:
        """Return the edge with the span of the sentence that contains the mention."""
        passage = self._graph.passages_by_id([triple.passage_id]).get(triple.passage_id)
        for start, end in sentence_spans(passage.text) if passage else ():
            assert passage is not None
            if passage.start + start <= triple.start < passage.start + end:
                span = passage.start + start, passage.start + end
                return Triple(triple.subject, "mentions", triple.object, triple.passage_id, *span, triple.confidence)
        return triple
