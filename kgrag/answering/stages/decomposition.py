"""Answer a question whose known part is replaced by its answer."""

from __future__ import annotations

from dataclasses import replace

from kgrag.answering.stages.graph_answer import GRAPH_ANSWER_MIN_CONFIDENCE, build_graph_answer
from kgrag.answering.state import AnswerContext, AnswerState
from kgrag.types import DiagnosticCode


def answer_decomposed(state: AnswerState, context: AnswerContext) -> AnswerState:
    """Answer the question with a known part replaced by its answer; pass if no part is known or no answer follows."""
    decomposed = next(iter(context.resources.graph_qa().decompose(state.question, context.lookup)), None)
    if decomposed is None or decomposed.part.confidence < GRAPH_ANSWER_MIN_CONFIDENCE:
        return state
    report = context.on_progress or (lambda _: None)
    report(f"{decomposed.question} ")
    answer = context.answer_part(AnswerState(decomposed.question, state.k, state.form), context.profile.for_passages())
    if answer.abstained:
        report("\n")
        if context.lookup is None:
            return state
        message = f"no answer to the rewritten question {decomposed.question!r}"
        return state.add_diagnostics(DiagnosticCode.PART_UNANSWERED, [message])
    part_answer = build_graph_answer(state.question, (), decomposed.part, context)
    # citation marks number the passages of the prompt, so these stay in front
    hits = {hit.passage.id: hit for hit in (*answer.evidence, *part_answer.evidence)}.values()
    return replace(
        state,
        answer=replace(
            answer,
            question=state.question,
            evidence=tuple(replace(hit, rank=rank) for rank, hit in enumerate(hits, 1)),
            citations=tuple(dict.fromkeys((*part_answer.citations, *answer.citations))),
            paths=(*part_answer.paths, *answer.paths),
        ),
    )
