"""A fact that a question can be made of: what it is about, what answers, and the sentence that says it."""

from __future__ import annotations

from dataclasses import dataclass

from kgrag.types import Triple


@dataclass(frozen=True, slots=True)
class FactSubject:
    """What a document is about. ``name`` is what it is called, ``described`` how a question may have to call it so that
    it is no other ("the 1995 film Shock Treatment"); ``kind`` and ``sort`` are what it is ("film", "work"), or ""."""

    entity: str
    name: str
    description: str
    kind: str
    category: str


@dataclass(frozen=True, slots=True)
class QuestionFact:
    """A fact to be asked for. ``answer`` is the object as the ``sentence`` writes it, from ``start`` to ``end`` in the
    document's text, and ``type`` what it is mentioned as (`kgrag.types.Mention`), or ""."""

    triple: Triple
    subject: FactSubject
    answer: str
    start: int
    end: int
    document: str
    title: str
    lang: str
    sentence: str
    type: str = ""

    @property
    def predicate(self) -> str:
        """Of the triple."""
        return self.triple.predicate
