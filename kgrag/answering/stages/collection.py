"""Answer a question about many documents from all of them, row by row, each with its sentence."""

from __future__ import annotations

from dataclasses import replace

from kgrag.answering.selected_passage import make_citation
from kgrag.answering.state import AnswerContext, AnswerState
from kgrag.collection.document_rows import CollectionAnswer, DocumentRow
from kgrag.collection.messages import MESSAGES
from kgrag.text import detect_language
from kgrag.text.citation_marks import strip_citation_marks
from kgrag.text.question_form import AnswerForm
from kgrag.types import Answer, Citation, DiagnosticCode, Hit, Passage


def answer_from_collection(state: AnswerState, context: AnswerContext) -> AnswerState:
    """Answer which documents mention something, how many, the newest, what they are about, or with a list of facts.

    If `AnswerContext.is_deep`, the model writes up each theme from its most central passages, and what no sentence supports is
    dropped as from every answer.
    """
    reader = context.resources.collection()
    collected = reader.answer(state.question) if reader is not None else None
    if collected is None:
        return state
    if not collected.rows:
        return state.abstain(DiagnosticCode.NO_EVIDENCE, collected.summary)
    written = [_write_up(row, state, context) if context.is_deep and row.passages else None for row in collected.rows]
    return replace(state, answer=_build_answer(state.question, collected, written))


def _write_up(row: DocumentRow, state: AnswerState, context: AnswerContext) -> Answer | None:
    """Return what the model says of a row, with checked citations; None if nothing of it is supported."""
    question = MESSAGES[detect_language(state.question)]["write up"].format(topic=row.label)
    if context.on_progress is not None:
        context.on_progress(question)
    hits = tuple(_make_hit(*source, rank) for rank, source in enumerate(row.passages, 1))
    part_state = AnswerState(question, len(hits), AnswerForm.SENTENCES, hits)
    answer = context.answer_part(part_state, context.profile.for_given_passages())
    if not answer.abstained:
        return answer
    if context.on_progress is not None:
        context.on_progress("\n")
    return None


def _make_hit(passage: Passage, title: str, source: str, rank: int) -> Hit:
    return Hit(passage, title, source, 1.0, rank, component_scores={"collection": 1.0})


def _build_answer(question: str, collected: CollectionAnswer, written: list[Answer | None]) -> Answer:
    """Return an answer with one line a row; its marks are the numbers of its passages in the evidence."""
    hits: dict[str, Hit] = {}
    citations: list[Citation] = []
    lines = [collected.summary]
    for row, part in zip(collected.rows, written, strict=True):
        sources = [(row.passage, row.title, row.source), *row.passages]
        known = {passage.id: (passage, title, source) for passage, title, source in sources}
        marks = []
        for citation in part.citations if part else (make_citation(row.passage, *row.span),):
            hit = hits.setdefault(citation.passage_id, _make_hit(*known[citation.passage_id], len(hits) + 1))
            citations.append(citation)
            marks.append(f"[{hit.rank}]")
        note = f" ({row.note})" if row.note else ""
        text = f": {' '.join(strip_citation_marks(part.text).split())}" if part else ""
        lines.append(f"- {row.label}{note}{text} {''.join(dict.fromkeys(marks))}")
    if collected.total > len(collected.rows):
        more = MESSAGES[detect_language(question)]["more"]
        lines.append(more.format(count=collected.total - len(collected.rows)))
    model = next((part.model for part in written if part), "")
    return Answer(question, "\n".join(lines), tuple(hits.values()), tuple(citations), model=model, reader="collection")
