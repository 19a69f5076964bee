"""Answer a question about many documents from all of them, row by row, each with its sentence."""

from __future__ import annotations

from dataclasses import replace

from kgrag.answering.guards.citations import make_citation
from kgrag.answering.state import AnswerContext, AnswerState
from kgrag.collection.document_rows import CollectionAnswer
from kgrag.collection.messages import MESSAGES
from kgrag.text import detect_language
from kgrag.types import Answer, DiagnosticCode, Hit


def answer_from_collection(state: AnswerState, context: AnswerContext) -> AnswerState:
    """Answer which documents mention something, how many, the newest, what they are about, or with a list of facts."""
    reader = context.resources.collection()
    collected = reader.answer(state.question) if reader is not None else None
    if collected is None:
        return state
    if not collected.rows:
        return state.abstain(DiagnosticCode.NO_EVIDENCE, collected.summary)
    return replace(state, answer=_build_answer(state.question, collected))


def _build_answer(question: str, collected: CollectionAnswer) -> Answer:
    """Return an answer with one line a row; its mark is the number of its passage in the evidence."""
    hits: dict[str, Hit] = {}
    citations = []
    lines = [collected.summary]
    for row in collected.rows:
        scores = {"collection": 1.0}
        hit = Hit(row.passage, row.title, row.source, 1.0, len(hits) + 1, component_scores=scores)
        number = hits.setdefault(row.passage.id, hit).rank
        citations.append(make_citation(row.passage, *row.span))
        note = f" ({row.note})" if row.note else ""
        lines.append(f"- {row.label}{note} [{number}]")
    if collected.total > len(collected.rows):
        more = MESSAGES[detect_language(question)]["more"]
        lines.append(more.format(count=collected.total - len(collected.rows)))
    return Answer(question, "\n".join(lines), tuple(hits.values()), tuple(citations), reader="collection")
