"""Why an answer that could have been right is not: what the evidence was, and what was made of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kgrag.answering.stages.evidence_selection import SelectedPassage
from kgrag.factuality.experiment.conditions import Condition, EvalCase, mentions_answer
from kgrag.factuality.scoring.outcomes import Outcome
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
    """What was found and shown of a question's gold documents; shares in [0, 1], None without any.

    ``answer_shown`` is whether what was shown says an accepted answer; None where there is none, or where the question
    says it, too, so that its standing there shows nothing.
    """

    gold_retrieved: float | None
    gold_shown: float | None
    answer_shown: bool | None
    passages: int
    shown: int

    @property
    def is_sufficient(self) -> bool:
        """Whether the answer could have been had from what was shown: it is said there, or else all gold is there."""
        return self.answer_shown if self.answer_shown is not None else self.gold_shown == 1

    def json(self) -> dict[str, Any]:
        """JSON-ready."""
        names = ("gold_retrieved", "gold_shown", "answer_shown", "passages", "shown")
        return {name: getattr(self, name) for name in names} | {"sufficient": self.is_sufficient}


def evidence_coverage(
    case: EvalCase, hits: Sequence[Hit], shown: Sequence[SelectedPassage], facts: Sequence[str] = ()
) -> EvidenceCoverage:
    """What was found and shown for a case; ``facts`` are lines that were shown beside the passages."""
    gold = {*case.question.gold}
    retrieved_ids, shown_ids = {h.passage.document_id for h in hits}, {s.hit.passage.document_id for s in shown}
    text = "\n".join([*(f"{s.hit.title}\n{s.text}" for s in shown), *facts])
    distinctive = [
        a
        for a in case.accepted
        if not mentions_answer(a, case.question.text) and len(a) > 1 and a.lower() not in ("yes", "no")
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
    """Why a case that has an answer was not answered right; "" where it was, or has none.

    ``evidence missing``: what was shown was not enough. Of the others: silence is ``over-abstention``; a wrong answer that a
    passage says which is not gold is ``noise``; any other wrong answer is ``evidence ignored``.
    """
    if case.condition == Condition.UNANSWERABLE or outcome == Outcome.CORRECT:
        return ""
    if not coverage.is_sufficient:
        return EVIDENCE_MISSING
    if outcome in (Outcome.ABSTAINED, Outcome.EMPTY):
        return OVER_ABSTENTION
    other_text = "\n".join(s.text for s in shown if s.hit.passage.document_id not in case.question.gold)
    return NOISE if mentions_answer(answer, other_text) else EVIDENCE_IGNORED
