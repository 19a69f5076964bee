"""Attribute errors to their cause: missing evidence, ignored evidence, noise, or over-abstention."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kgrag.answering.selected_passage import SelectedPassage
from kgrag.factuality.experiment.conditions import Condition, EvalCase, mentions_answer
from kgrag.factuality.records import RetrievalRecord
from kgrag.factuality.scoring.outcomes import Outcome
from kgrag.text import normalize_name
from kgrag.text.polarity import YES_NO_WORDS
from kgrag.types import Hit

EVIDENCE_MISSING, EVIDENCE_IGNORED, NOISE, OVER_ABSTENTION = (
    "evidence missing",
    "evidence ignored",
    "noise",
    "over-abstention",
)
ERROR_CAUSES = (EVIDENCE_MISSING, EVIDENCE_IGNORED, NOISE, OVER_ABSTENTION)


@dataclass(frozen=True, slots=True)
class EvidenceCoverage:
    """Shares of a question's gold documents that were retrieved and shown, in [0, 1]; None without gold documents.

    ``answer_shown`` is whether the shown evidence states an accepted answer. It is None if there is no accepted answer, or
    if the question states it, too, so that its presence in the evidence proves nothing.
    """

    gold_retrieved: float | None
    gold_shown: float | None
    answer_shown: bool | None
    passages: int
    shown: int

    @property
    def is_sufficient(self) -> bool:
        """Whether the shown evidence is enough: it states an accepted answer, or, if unknown, covers all gold documents."""
        return self.answer_shown if self.answer_shown is not None else self.gold_shown == 1

    def json(self) -> RetrievalRecord:
        """Return the coverage as a record."""
        return {
            "gold_retrieved": self.gold_retrieved,
            "gold_shown": self.gold_shown,
            "answer_shown": self.answer_shown,
            "passages": self.passages,
            "shown": self.shown,
            "sufficient": self.is_sufficient,
        }


def evidence_coverage(
    case: EvalCase, hits: Sequence[Hit], shown: Sequence[SelectedPassage], facts: Sequence[str] = ()
) -> EvidenceCoverage:
    """Measure the coverage of the evidence of a case; ``facts`` are lines of typed facts beside the passages."""
    gold = {*case.question.gold}
    retrieved_ids, shown_ids = {h.passage.document_id for h in hits}, {s.hit.passage.document_id for s in shown}
    text = "\n".join([*(f"{s.hit.title}\n{s.text}" for s in shown), *facts])
    distinctive = [
        a
        for a in case.accepted
        if not mentions_answer(a, case.question.text) and len(a) > 1 and normalize_name(a) not in YES_NO_WORDS
    ]
    return EvidenceCoverage(
        gold_retrieved=len(gold & retrieved_ids) / len(gold) if gold else None,
        gold_shown=len(gold & shown_ids) / len(gold) if gold else None,
        answer_shown=any(mentions_answer(a, text) for a in distinctive) if distinctive else None,
        passages=len(hits),
        shown=len(shown),
    )


def attribute_error(
    case: EvalCase, outcome: Outcome, answer: str, coverage: EvidenceCoverage, shown: Sequence[SelectedPassage]
) -> str:
    """Return the cause of an error on an answerable case; "" for a correct answer or an unanswerable case.

    ``evidence missing``: the shown evidence is not enough. With enough evidence, an abstention is ``over-abstention``. A
    wrong answer that a shown passage of another document states is ``noise``; any other is ``evidence ignored``.
    """
    if case.condition == Condition.UNANSWERABLE or outcome == Outcome.CORRECT:
        return ""
    if not coverage.is_sufficient:
        return EVIDENCE_MISSING
    if outcome in (Outcome.ABSTAINED, Outcome.EMPTY):
        return OVER_ABSTENTION
    other_text = "\n".join(s.text for s in shown if s.hit.passage.document_id not in case.question.gold)
    return NOISE if mentions_answer(answer, other_text) else EVIDENCE_IGNORED
