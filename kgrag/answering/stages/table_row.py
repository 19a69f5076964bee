"""Answer a superlative with the row of a table that has the extreme value."""

from __future__ import annotations

from dataclasses import replace

from kgrag.answering.selected_passage import make_citation
from kgrag.answering.stages.table_ranking import RankedRow, rank_table_rows
from kgrag.answering.state import AnswerContext, AnswerState
from kgrag.types import Answer

MIN_TABLE_PROBABILITY = 0.3
"""Probability that a passage must have for its table to be compared."""


def answer_from_table(state: AnswerState, context: AnswerContext) -> AnswerState:
    """Answer with the row of a relevant table if the question asks for a highest or lowest value."""
    likely_hits = [hit for hit in state.hits if hit.score >= MIN_TABLE_PROBABILITY]
    ranked_row = rank_table_rows(state.question, likely_hits, context.resources.passages_of_document)
    return replace(state, answer=_build_answer(state, ranked_row)) if ranked_row else state


def _build_answer(state: AnswerState, ranked_row: RankedRow) -> Answer:
    """Return the row of a table as an answer, which cites it."""
    evidence = [ranked_row.hit, *(hit for hit in state.hits if hit is not ranked_row.hit)]
    known_ids = {hit.passage.id for hit in evidence}
    for passage, _, _ in ranked_row.spans:  # a table may continue in passages that were not retrieved
        if passage.id not in known_ids:
            evidence.append(replace(ranked_row.hit, passage=passage, paths=(), component_scores={"table": 1.0}))
            known_ids.add(passage.id)
    evidence = [replace(hit, rank=rank) for rank, hit in enumerate(evidence, 1)]
    citations = tuple(make_citation(passage, start, end) for passage, start, end in ranked_row.spans)
    return Answer(state.question, ranked_row.text, tuple(evidence), citations, reader="table")
