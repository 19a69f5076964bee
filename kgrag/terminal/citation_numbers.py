"""Number the citations of an answer as its own marks do, so that a reader can name one."""

from __future__ import annotations

from kgrag.text.citation_marks import citation_numbers
from kgrag.types import Answer, Citation


def has_marks(answer: Answer) -> bool:
    """Whether the answer's marks ("[2]") point at its citations: mark n at the n-th passage of the evidence.

    A quotation has such marks; a document's own brackets in it count for nothing.
    """
    if answer.reader == "quote":
        return True
    marks = {number for text in (*answer.steps, answer.text) for number in citation_numbers(text)}
    return bool(marks) and marks <= set(_evidence_ranks(answer))


def number_citations(answer: Answer) -> list[tuple[int, Citation]]:
    """Return the citations with their numbers: those of the answer's marks, or else their order from 1.

    Several sentences of one passage share the number of its mark.
    """
    numbers = _evidence_ranks(answer) if has_marks(answer) else range(1, len(answer.citations) + 1)
    return list(zip(numbers, answer.citations, strict=True))


def _evidence_ranks(answer: Answer) -> list[int]:
    """Return the place of each citation's passage in the evidence, from 1; 0 for a passage that is not in it."""
    ranks = {hit.passage.id: rank for rank, hit in enumerate(answer.evidence, 1)}
    return [ranks.get(citation.passage_id, 0) for citation in answer.citations]
