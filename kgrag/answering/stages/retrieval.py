"""Retrieve passages, and require that one of them is likely to hold the answer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from kgrag.answering.stages.asked_terms import missing_term
from kgrag.answering.state import AnswerContext, AnswerState
from kgrag.types import DiagnosticCode, Hit

MIN_PASSAGE_PROBABILITY = 0.2
"""Abstain unless some passage is evidence with at least this probability, by the ranker."""
GATE_PASSAGES = 8
"""Best passages that count for it: with more of them, some passage would always be likely enough."""


def retrieve_passages(state: AnswerState, context: AnswerContext) -> AnswerState:
    """Retrieve the passages of the question."""
    return replace(state, hits=tuple(context.resources.retriever().retrieve(state.question, state.k)))


def require_relevant_passage(state: AnswerState, context: AnswerContext) -> AnswerState:
    """Abstain if it is unlikely that any passage is evidence, or if none has the term that is asked about."""
    if term := missing_term(state.question, state.hits):
        return state.abstain(DiagnosticCode.NO_EVIDENCE, f"no retrieved passage has {term!r}")
    if probability_of_evidence(state.hits) >= MIN_PASSAGE_PROBABILITY:
        return state
    message = f"the retrieved passages hold the answer with a probability below {MIN_PASSAGE_PROBABILITY:.0%}"
    return state.abstain(DiagnosticCode.NO_EVIDENCE, message)


def probability_of_evidence(hits: Sequence[Hit]) -> float:
    """Return the probability that one of the best passages is evidence; near copies share it among themselves."""
    best = sorted((min(max(hit.score, 0.0), 1.0) for hit in hits), reverse=True)[:GATE_PASSAGES]
    return 1 - math.prod(1 - score for score in best)
