"""Facts to generate questions from: a triple with its subject, its answer and its sentence."""

from __future__ import annotations

from dataclasses import dataclass

from kgrag.types import Triple


@dataclass(frozen=True, slots=True)
class FactSubject:
    """Subject of a document.

    ``name`` is its name. ``description`` is an unambiguous name for questions ("the 1995 film Shock Treatment").
    ``kind`` and ``category`` are its type ("film", "work"), or "".
    """

    entity: str
    name: str
    description: str
    kind: str
    category: str


@dataclass(frozen=True, slots=True)
class QuestionFact:
    """A fact that a question can ask for.

    ``answer`` is the object's surface form in ``sentence``, from ``start`` to ``end`` in the document's text. ``type``
    is the mention's type (`kgrag.types.Mention`), or "".
    """

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
        """Return the triple's predicate."""
        return self.triple.predicate
