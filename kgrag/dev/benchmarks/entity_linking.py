"""Entity linking by itself: links between a question and its gold documents, before any ranking."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphs.walk.adjacency import Adjacency
from kgrag.metrics.intervals import IntervalJson, bootstrap_interval, interval_json
from kgrag.types import Question

LINK_CLASSES = ("named", "reachable", "shares a name", "unreached", "absent")
"""Link classes; each gold document belongs to the first that fits:

- named: the question contains one of the document's names;
- reachable: its text contains a name of another gold document, or the other way round;
- shares a name: its text has any other name in common with the question or with another gold document;
- unreached: none of these, so a walk can reach it only through documents that are not needed;
- absent: the store does not hold it.

A name in too many passages is no link, except between a question and a title.
"""
Columns = NDArray[np.int64]


@dataclass(frozen=True)
class LinkedDocument:
    """A question's gold document and its link class, one of `LINK_CLASSES`."""

    question: Question
    document: str
    link_class: str


class EntityLinker:
    """A classifier of the links between questions and documents.

    Args:
        graph: of the store.
        documents: the document of each row of the graph.
    """

    def __init__(self, graph: Adjacency, documents: Sequence[str]) -> None:
        self._graph = graph
        self._rows: dict[str, list[int]] = {}
        for row, document in enumerate(documents):
            self._rows.setdefault(document, []).append(row)

    def link_gold(self, question: Question) -> list[LinkedDocument]:
        """Classify the link of each gold document of ``question``, in the order of its gold."""
        gold = tuple(dict.fromkeys(question.gold))
        name_matches = self._graph.gazetteer.find(question.text, any_case=question.text.islower())
        question_names = np.unique(np.array([f.name for f in name_matches], np.int64))
        titles = {document: self._name_columns(self._graph.titles, document) for document in gold}
        texts = {document: self._name_columns(self._graph.edges, document) for document in gold}
        return [
            LinkedDocument(question, document, self._classify_link(document, question_names, titles, texts))
            for document in gold
        ]

    def _classify_link(
        self, document: str, question_names: Columns, titles: dict[str, Columns], texts: dict[str, Columns]
    ) -> str:
        if document not in self._rows:
            return "absent"
        if _overlap(titles[document], question_names):
            return "named"
        others = [other for other in titles if other != document]
        linking_titles = {other: titles[other][self._graph.idf[titles[other]] > 0] for other in titles}
        if any(
            _overlap(linking_titles[o], texts[document]) or _overlap(linking_titles[document], texts[o]) for o in others
        ):
            return "reachable"
        if any(_overlap(texts[document], names) for names in (question_names, *(texts[other] for other in others))):
            return "shares a name"
        return "unreached"

    def _name_columns(self, matrix: Any, document: str) -> Columns:
        """Return the columns that any of a document's rows has; edges contain none whose idf is 0."""
        rows = self._rows.get(document, [])
        return np.unique(matrix[rows].indices).astype(np.int64) if rows else np.zeros(0, np.int64)


def _overlap(a: Columns, b: Columns) -> bool:
    return bool(np.isin(a, b).any())


def measure_linking(
    linker: EntityLinker, questions: Sequence[Question], tick: Callable[[], None] = lambda: None
) -> tuple[dict[str, IntervalJson | int], list[LinkedDocument]]:
    """Return the share of gold documents in each of `LINK_CLASSES`, and every unreached gold document.

    A question's share is of its own gold documents, and every question weighs the same, as in recall.

    Returns:
        JSON-ready: class -> {"value", "low", "high"}, "questions" (those with gold) and "gold documents"; and the
        unreached documents in the order of the questions.
    """
    shares: dict[str, list[float]] = {link_class: [] for link_class in LINK_CLASSES}
    unreached: list[LinkedDocument] = []
    documents = 0
    for question in questions:
        if question.gold:
            links = linker.link_gold(question)
            documents += len(links)
            for link_class in LINK_CLASSES:
                shares[link_class].append(sum(link.link_class == link_class for link in links) / len(links))
            unreached += [link for link in links if link.link_class == "unreached"]
        tick()
    report: dict[str, IntervalJson | int] = {
        link_class: interval_json(bootstrap_interval(values)) for link_class, values in shares.items()
    }
    return report | {"questions": len(shares["named"]), "gold documents": documents}, unreached
