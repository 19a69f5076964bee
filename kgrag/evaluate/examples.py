"""What the ranker learns from and is measured on: the candidates of questions whose evidence is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kgrag.retrieve.candidates import PARTS, WALKS, gather
from kgrag.retrieve.features import features
from kgrag.retrieve.hybrid import HybridRetriever
from kgrag.retrieve.matches import match
from kgrag.types import Question


@dataclass(frozen=True)
class Example:
    """One question's candidates: ``rows`` (candidates, features), their ``documents``, and the ``gold`` documents.

    ``alone`` are the scores that single retrievers gave, each (candidates,), NaN where a retriever did not find one:
    what the ranker must beat.
    """

    rows: NDArray[np.float32]
    documents: tuple[str, ...]
    gold: tuple[str, ...]
    alone: dict[str, NDArray[np.float32]]

    @property
    def labels(self) -> NDArray[np.int8]:
        """1 for a passage of a gold document."""
        return np.array([document in self.gold for document in self.documents], np.int8)


def examples(
    retriever: HybridRetriever, questions: Sequence[Question], parts: frozenset[str] = frozenset(PARTS)
) -> tuple[list[str], list[Example]]:
    """Feature names and an `Example` for each question that has gold documents, from some `PARTS` alone."""
    names: list[str] = []
    made = []
    for question in questions:
        if not question.gold:
            continue
        found = gather(question.text, retriever.vector(question.text), retriever.indices, parts)
        matches = match(question.text, found, retriever.indices)
        names, rows = features(question.text, found, matches, retriever.indices)
        alone = {"BM25": _found(found.bm25), "dense": found.cosine, "RRF": _found(found.fused)}
        alone |= {f"walk {walk}": _found(found.walks[:, number]) for number, walk in enumerate(WALKS)}
        documents = tuple(retriever.document_of(row) for row in found.rows)
        made.append(Example(rows, documents, question.gold, alone))
    return names, made


def _found(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.where(scores > 0, scores, np.float32(np.nan))
