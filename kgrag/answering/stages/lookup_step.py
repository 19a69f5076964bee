"""Answer one step of a question with the model, for `kgrag.answering.stages.fact_lookup`."""

from __future__ import annotations

from dataclasses import replace

from kgrag.answering.guards.comparison import parse_and_verify
from kgrag.answering.stages.evidence_selection import select_passages
from kgrag.answering.stages.fact_lookup import FactLookup, LookupResult
from kgrag.answering.stages.generation import draft_answer
from kgrag.answering.state import AnswerContext, AnswerState
from kgrag.text import detect_language
from kgrag.text.question_form import AnswerForm

LOOKUP_EVIDENCE_TOKENS, MAX_LOOKUP_PASSAGES = 250, 6
"""Limits of the prompt for one looked-up fact: tokens of evidence, and number of passages."""
MIN_SHOWN_PROBABILITY, MIN_LOOKUP_PROBABILITY = 0.2, 0.3
"""Probability of a passage from which it is shown, and that one of them must have for the model to be asked."""


def make_lookup(question: str, context: AnswerContext, max_lookups: int) -> FactLookup:
    """Build the fact lookup of one question; each fact is asked for with a retrieval and a short prompt of its own."""
    profile = context.profile
    tokens = min(profile.evidence_tokens[AnswerForm.PHRASE], LOOKUP_EVIDENCE_TOKENS)
    short_profile = replace(profile, evidence_tokens=dict.fromkeys(AnswerForm, tokens))
    step_context = replace(context, profile=short_profile)
    schema = context.resources.schema

    def answer_step(step: str) -> LookupResult:
        retrieved = context.resources.retriever().retrieve(step, MAX_LOOKUP_PASSAGES)
        hits = tuple(hit for hit in retrieved if hit.score >= MIN_SHOWN_PROBABILITY)
        if not any(hit.score >= MIN_LOOKUP_PROBABILITY for hit in hits):
            return LookupResult()
        state = AnswerState(step, MAX_LOOKUP_PASSAGES, AnswerForm.PHRASE, hits)
        state = draft_answer(select_passages(state, step_context), step_context)
        return LookupResult(parse_and_verify(step, state.draft or "", schema).answer, state.selected, state.model)

    return FactLookup(answer_step, schema, detect_language(question), max_lookups, context.on_progress)
