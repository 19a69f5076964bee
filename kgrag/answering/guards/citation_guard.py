"""Keep the statements of a draft that sentences of the prompt support, with these sentences as citations."""

from __future__ import annotations

from dataclasses import replace

from kgrag.answering.guards.citations import verify_citations
from kgrag.answering.reasoning_steps import parse_step, verify_steps
from kgrag.answering.state import AnswerContext, AnswerState
from kgrag.types import DiagnosticCode


def keep_cited_statements(state: AnswerState, context: AnswerContext) -> AnswerState:
    """Drop the statements that no passage supports; abstain if none is left, or if a step of the answer fails."""
    draft, selected = state.draft or "", state.selected
    answer_check = verify_citations(state.question, draft, selected)
    step_check = verify_steps(state.question, state.steps, selected)
    unsupported = (*step_check.unsupported, *answer_check.unsupported)
    reasons = (*step_check.reasons, *answer_check.reasons)
    state = state.add_diagnostics(
        DiagnosticCode.CITATION_REFUSED, (*step_check.refusals, *answer_check.refusals)
    ).add_diagnostics(
        DiagnosticCode.STATEMENT_DROPPED,
        [
            f"statement dropped: no passage in the prompt supports {statement!r}{f' ({reason})' if reason else ''}"
            for statement, reason in zip(unsupported, reasons, strict=True)
        ],
    )
    if not answer_check.supported and not unsupported:
        state = state.add_diagnostics(
            DiagnosticCode.ANSWER_WITHDRAWN, [f"answer {draft!r} withdrawn: it states nothing"]
        )
    if any(map(parse_step, step_check.unsupported)) or not answer_check.citations:
        return state.abstain()  # an answer that rests on an unsupported step is itself unsupported
    citations = tuple(dict.fromkeys((*step_check.citations, *answer_check.citations)))
    sources = {citation.passage_id for citation in citations}
    paths = tuple(path for hit in state.hits if hit.passage.id in sources for path in hit.paths)
    return replace(state, draft=answer_check.text, steps=step_check.supported, citations=citations, paths=paths)
