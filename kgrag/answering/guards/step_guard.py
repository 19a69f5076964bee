"""Separate a draft from its reasoning steps, and let the steps decide where they can."""

from __future__ import annotations

from dataclasses import replace

from kgrag import prompts
from kgrag.answering.guards.comparison import parse_and_verify
from kgrag.answering.state import AnswerContext, AnswerState
from kgrag.types import DiagnosticCode


def resolve_reasoning_steps(state: AnswerState, context: AnswerContext) -> AnswerState:
    """Replace the draft by what its steps give, or withdraw it if they contradict each other."""
    parsed = parse_and_verify(state.question, state.draft or "", context.resources.schema)
    state = replace(state, draft=parsed.answer, steps=parsed.steps)
    return state.add_diagnostics(replacement_code(parsed.answer), parsed.diagnostics)


def replacement_code(draft: str) -> DiagnosticCode:
    """Return the code of a guard's change to a draft, by the draft that it left."""
    return DiagnosticCode.ANSWER_WITHDRAWN if prompts.is_abstention(draft) else DiagnosticCode.ANSWER_REPLACED
