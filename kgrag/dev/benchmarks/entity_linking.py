"""Name linking by itself: how a question's gold documents hang together with it, before anything is ranked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphs.walk.adjacency import Adjacency
from kgrag.metrics.intervals import bootstrap_interval
from kgrag.types import Question

LINK_CLASSES = ("named", "reachable", "shares a name", "unreached", "absent")
"""Each gold document is in the first that fits:

- named: the question has one of the names that the document goes by;
- reachable: its text has a name that another gold document goes by, or the other way round;
- shares a name: its text has any other name in common with the question or with another gold document;
- unreached: none of these, so no walk can lead to it but through documents that are not needed;
- absent: the store does not hold it.

Names that join nothing, being in too many passages, link nothing but a question to a title.
"""
Columns = NDArray[np.int64]


@dataclass(frozen=True)
class LinkedDocument:
    """A question's gold document and how it is linked: one of `CLASSES`."""

    question: Question
    document: str
    link_class: str


class EntityLinker:
    """Links questions to documents.

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
        """How each gold document of ``question`` is linked, in the order of its gold."""
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
        """The columns that any of a document's rows has; ties hold none whose idf is 0."""
        rows = self._rows.get(document, [])
        return np.unique(matrix[rows].indices).astype(np.int64) if rows else np.zeros(0, np.int64)


def _overlap(a: Columns, b: Columns) -> bool:
    return bool(np.isin(a, b).any())


def measure_linking(
    linker: EntityLinker, questions: Sequence[Question], tick: Callable[[], None] = lambda: None
) -> tuple[dict[str, Any], list[LinkedDocument]]:
    """The share of gold documents in each of `CLASSES`, and every gold document that is unreached.

    A question's share is of its own gold documents, and every question weighs the same, as in recall.

    Returns:
        JSON-ready: class -> {"value", "low", "high"}, "questions" (those with gold) and "gold documents"; and the
        unreached in the order of the questions.
    """
    shares: dict[str, list[float]] = {how: [] for how in LINK_CLASSES}
    unreached: list[LinkedDocument] = []
    documents = 0
    for question in questions:
        if question.gold:
            links = linker.link_gold(question)
            documents += len(links)
            for how in LINK_CLASSES:
                shares[how].append(sum(link.link_class == how for link in links) / len(links))
            unreached += [link for link in links if link.link_class == "unreached"]
        tick()
    report: dict[str, Any] = {how: asdict(bootstrap_interval(values)) for how, values in shares.items()}
    return report | {"questions": len(shares["named"]), "gold documents": documents}, unreached
