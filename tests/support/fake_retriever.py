"""Fake retrievers of known behaviour."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from kgrag.types import Hit, Passage


def make_hit(title: str, text: str, rank: int = 1, score: float = 1.0) -> Hit:
    """Return a hit whose document is a single passage; its id is the title."""
    return Hit(Passage(f"{title}#0001", title, text, 0, len(text)), title, f"{title}.md", score, rank)


class FixedRetriever:
    """Returns the same hits for every question, and records the questions."""

    def __init__(self, *hits: Hit) -> None:
        self.hits = list(hits)
        self.questions: list[str] = []

    def retrieve(self, question: str, k: int) -> list[Hit]:
        self.questions.append(question)
        return self.hits[:k]


class TitleMatchRetriever:
    """Returns the documents whose title is in the question, and records the questions.

    Args:
        texts: title -> text of each document.
        scores: title -> score of its hit; 1 by default.
        extra_titles: documents that are returned for every question, beyond ``k``.
    """

    def __init__(
        self,
        texts: Mapping[str, str],
        scores: Mapping[str, float] | None = None,
        extra_titles: Sequence[str] = (),
    ) -> None:
        self.texts, self.scores, self.extra_titles = texts, scores or {}, extra_titles
        self.questions: list[str] = []

    def retrieve(self, question: str, k: int) -> list[Hit]:
        self.questions.append(question)
        titles = [title for title in self.texts if title in question][:k]
        hits = [
            make_hit(title, self.texts[title], score=self.scores.get(title, 1.0))
            for title in dict.fromkeys((*titles, *self.extra_titles))
        ]
        return [replace(hit, rank=rank) for rank, hit in enumerate(hits, 1)]
