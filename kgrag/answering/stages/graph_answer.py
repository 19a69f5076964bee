"""Answer from typed facts, with the sentence of each fact."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from kgrag.answering.localize import localize_answer
from kgrag.answering.selected_passage import make_citation
from kgrag.answering.state import AnswerContext, AnswerState
from kgrag.graphqa.traversal import GraphAnswer
from kgrag.text import detect_language
from kgrag.text.dates import normalize_date
from kgrag.types import Answer, Diagnostic, DiagnosticCode, Hit, Triple

MAX_CONFIDENCE_GAP = 0.01
"""Answers that differ by less are stated as certainly as each other."""
GRAPH_ANSWER_MIN_CONFIDENCE = 0.5
"""Confidence from which a graph answer is returned; below it, the fact is a hint in the model's prompt."""


def answer_from_facts(state: AnswerState, context: AnswerContext) -> AnswerState:
    """Answer from typed facts if they are certain enough; abstain if a comparison lacks one of its two values."""
    graph_qa, lookup = context.resources.graph_qa(), context.lookup
    state = replace(state, graph_answers=tuple(graph_qa.answer(state.question, lookup)))
    if state.graph_answers and state.graph_answers[0].confidence >= GRAPH_ANSWER_MIN_CONFIDENCE:
        return replace(state, answer=_answer_for_all(state, state.graph_answers, context))
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
    return replace(state, answer=_answer_for_all(state, answers, context))


def _answer_for_all(state: AnswerState, answers: Sequence[GraphAnswer], context: AnswerContext) -> Answer:
    """Return the best answer; or one for each of several documents that state different values as certainly.

    They may be about two persons of one name: to choose one of them would be a guess.
    """
    rivals = _equal_answers(answers)
    best, *others = (build_graph_answer(state.question, state.hits, rival, context) for rival in rivals)
    parts = [part for part in (best, *others) if part.citations]
    if len(parts) < 2:
        return best
    lang = detect_language(state.question)
    opening, closing, separator = ("（", "）", "；") if lang == "zh" else (" (", ")", "; ")
    text = separator.join(f"{part.text}{opening}{part.evidence[0].title}{closing}" for part in parts)
    message = f"{len(parts)} documents state different values: the name may mean more than one"
    evidence = {hit.passage.id: hit for part in parts for hit in part.evidence}
    return replace(
        best,
        text=text,
        evidence=tuple(replace(hit, rank=rank) for rank, hit in enumerate(evidence.values(), 1)),
        citations=tuple(dict.fromkeys(citation for part in parts for citation in part.citations)),
        paths=tuple(path for part in parts for path in part.paths),
        diagnostics=(Diagnostic(DiagnosticCode.NAME_AMBIGUOUS, message),),
    )


def _equal_answers(answers: Sequence[GraphAnswer]) -> list[GraphAnswer]:
    """Return the first answer, and the others that another document states by the same predicate and as certainly."""
    first = answers[0]
    rivals = [first]
    if first.second_paths or len(first.path.triples) != 1:
        return rivals
    fact = first.path.triples[0]
    documents = {_document_id(fact)}
    for answer in answers[1:]:
        if answer.second_paths or len(answer.path.triples) != 1:
            continue
        other = answer.path.triples[0]
        is_equal = answer.confidence > first.confidence - MAX_CONFIDENCE_GAP and other.predicate == fact.predicate
        if is_equal and _document_id(other) not in documents and not _is_same_date(fact.object, other.object):
            documents.add(_document_id(other))
            rivals.append(answer)
    return rivals


def _document_id(fact: Triple) -> str:
    return fact.passage_id.rpartition("#")[0]


def _is_same_date(first: str, second: str) -> bool:
    """Whether two values are dates of which one is less exact."""
    dates = normalize_date(first), normalize_date(second)
    return all(dates) and (dates[0].startswith(dates[1]) or dates[1].startswith(dates[0]))


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
