"""Why an answer that could have been right is not: what the evidence was, and what was made of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kgrag.evidence import Shown
from kgrag.factuality.conditions import Case, Condition, spoken
from kgrag.factuality.outcomes import Outcome
from kgrag.types import Hit

MISSING, IGNORED, NOISE, OVER = "evidence missing", "evidence ignored", "noise", "over-abstention"
KINDS = (MISSING, IGNORED, NOISE, OVER)


@dataclass(frozen=True, slots=True)
class Retrieval:
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
    def sufficient(self) -> bool:
        """Whether the answer could have been had from what was shown: it is said there, or else all gold is there."""
        return self.answer_shown if self.answer_shown is not None else self.gold_shown == 1

    def json(self) -> dict[str, Any]:
        """JSON-ready."""
        names = ("gold_retrieved", "gold_shown", "answer_shown", "passages", "shown")
        return {name: getattr(self, name) for name in names} | {"sufficient": self.sufficient}


def retrieval(case: Case, hits: Sequence[Hit], shown: Sequence[Shown], facts: Sequence[str] = ()) -> Retrieval:
    """What was found and shown for a case; ``facts`` are lines that were shown beside the passages."""
    gold = {*case.question.gold}
    found, seen = {h.passage.document_id for h in hits}, {s.hit.passage.document_id for s in shown}
    text = "\n".join([*(f"{s.hit.title}\n{s.text}" for s in shown), *facts])
    telling = [
        a for a in case.accepted if not spoken(a, case.question.text) and len(a) > 1 and a.lower() not in ("yes", "no")
    ]
    return Retrieval(
        gold_retrieved=len(gold & found) / len(gold) if gold else None,
        gold_shown=len(gold & seen) / len(gold) if gold else None,
        answer_shown=any(spoken(a, text) for a in telling) if telling else None,
        passages=len(hits),
        shown=len(shown),
    )


def blame(case: Case, outcome: Outcome, answer: str, found: Retrieval, shown: Sequence[Shown]) -> str:
    """Why a case that has an answer was not answered right; "" where it was, or has none.

    ``evidence missing``: what was shown was not enough. Of the others: silence is ``over-abstention``; a wrong answer that a
    passage says which is not gold is ``noise``; any other wrong answer is ``evidence ignored``.
    """
    if case.condition == Condition.UNANSWERABLE or outcome == Outcome.CORRECT:
        return ""
    if not found.sufficient:
        return MISSING
    if outcome in (Outcome.ABSTAINED, Outcome.EMPTY):
        return OVER
    beside = "\n".join(s.text for s in shown if s.hit.passage.document_id not in case.question.gold)
    return NOISE if spoken(answer, beside) else IGNORED
