"""Answer from typed facts, with the sentence of each fact."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from kgrag.answering.localize import localize_answer
from kgrag.answering.selected_passage import make_citation
from kgrag.answering.state import AnswerContext, AnswerState
from kgrag.graphqa.traversal import GraphAnswer
from kgrag.text import detect_language
from kgrag.types import Answer, DiagnosticCode, Hit

GRAPH_ANSWER_MIN_CONFIDENCE = 0.5
"""Confidence from which a graph answer is returned; below it, the fact is a hint in the model's prompt."""


def answer_from_facts(state: AnswerState, context: AnswerContext) -> AnswerState:
    """Answer from typed facts if they are certain enough; abstain if a comparison lacks one of its two values."""
    graph_qa, lookup = context.resources.graph_qa(), context.lookup
    state = replace(state, graph_answers=tuple(graph_qa.answer(state.question, lookup)))
    if state.graph_answers and state.graph_answers[0].confidence >= GRAPH_ANSWER_MIN_CONFIDENCE:
        return replace(state, answer=build_graph_answer(state.question, state.hits, state.graph_answers[0], context))
    if lookup is not None and lookup.diagnostics and not state.graph_answers and graph_qa.is_comparison(state.question):
        # a guess between two names would be right half the time, without any evidence
        missing_value = "comparison: a value is missing for one of the two"
        return state.abstain(DiagnosticCode.COMPARISON_INCOMPLETE, missing_value)
    return state


def gather_facts(state: AnswerState, context: AnswerContext) -> AnswerState:
    """Add the answers of typed facts as hints for the model's prompt."""
    return replace(state, graph_answers=tuple(context.resources.graph_qa().answer(state.question, None)))


def answer_from_graph(state: AnswerState, context: AnswerContext) -> AnswerState:
    """Answer from typed facts alone, however uncertain; abstain if there are none."""
    answers = context.resources.graph_qa().answer(state.question, None)
    if not answers:
        abstained = state.abstain()
        return replace(abstained, answer=replace(abstained.answer, reader="graph")) if abstained.answer else abstained
    return replace(state, answer=build_graph_answer(state.question, state.hits, answers[0], context))


def build_graph_answer(question: str, hits: Sequence[Hit], graph_answer: GraphAnswer, context: AnswerContext) -> Answer:
    """Return a graph answer with the sentences of its facts as citations; their passages precede the hits."""
    paths = (graph_answer.path, *graph_answer.second_paths)
    triples = [triple for path in paths for triple in path.triples]
    stating_hits = context.resources.evidence_for_triples(triples)
    stating_ids = {hit.passage.id for hit in stating_hits}
    evidence = [*stating_hits, *(hit for hit in hits if hit.passage.id not in stating_ids)]
    evidence = [replace(hit, rank=rank) for rank, hit in enumerate(evidence, 1)]
    passages_by_id = {hit.passage.id: hit.passage for hit in evidence}
    citations = dict.fromkeys(
        make_citation(passages_by_id[t.passage_id], t.start, t.end) for t in triples if t.passage_id in passages_by_id
    )
    text = graph_answer.text
    path = graph_answer.path
    last = path.triples[-1] if path.triples and not graph_answer.second_paths else None
    if last is not None and last.passage_id in passages_by_id:
        sentence = make_citation(passages_by_id[last.passage_id], last.start, last.end).quote
        text = localize_answer(text, sentence, detect_language(question), context.resources.schema.countries)
    return Answer(question, text, tuple(evidence), tuple(citations), paths, reader="graph")
