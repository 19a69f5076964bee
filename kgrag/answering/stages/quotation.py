"""Answer in the documents' own words: the parts of the passages that answer the question, quoted and cited."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import replace

from kgrag.answering.guards.match_words import match_words
from kgrag.answering.selected_passage import SelectedPassage, make_citation
from kgrag.answering.stages.asked_terms import missing_name
from kgrag.answering.stages.evidence_blocks import FENCES, MAX_BLOCK_TOKENS, EvidenceBlock
from kgrag.answering.stages.evidence_selection import (
    ScoredParts,
    evidence_language,
    fit_to_budget,
    injection_messages,
    score_parts,
)
from kgrag.answering.stages.retrieval import probability_of_evidence
from kgrag.answering.state import AnswerContext, AnswerState
from kgrag.retrieve.sentence_features import HitSentence
from kgrag.text.code_fences import fenced_code_spans
from kgrag.text.injected_text import injected_spans
from kgrag.text.question_form import AnswerForm
from kgrag.text.token_estimate import estimate_tokens
from kgrag.types import Answer, DiagnosticCode, Hit

MIN_EVIDENCE = 5.3
"""Nothing is quoted unless the sum of two measures reaches this: how far a block stands above the others
(`ScoredParts.prominence`), and the log-odds that some passage is evidence (`probability_of_evidence`)."""
MAX_PROBABILITY = 0.95
"""No passage is taken to be more probable: the best block still has to stand out by more than two standard deviations."""
CODE_BONUS = 1.0
"""Added to the log-odds of blocks with commands and code, where a command or code is asked for."""
MIN_SHARED_WORDS = 0.5
"""Share of the question's words that a quotation has, where there are too few blocks for one to stand out."""
MAX_ARTICLE_PASSAGES = 8
"""Passages of an article without sections; a longer document is treated as a manual is."""
MAX_CODE_CHARS = 600
"""Characters of code that are quoted for one line of it."""
MAX_LOG_ODDS_GAP = 6.0
"""A part is quoted only if its log-odds are at most so far below the best part's: a short store has little else to quote."""
MIN_QUOTED_TOKENS = 6
"""Tokens of a part that is quoted: "Note" and "See git(1)" say nothing."""
_FORMS_WITH_CODE = (AnswerForm.CODE, AnswerForm.STEPS)
_CODE = re.compile(r"```|~~~|`|(?<![\w-])--?[A-Za-z]|\w\(\)|\w_\w|[{}<>=\\]|\b[A-Z]{2,} [A-Z]{2,}\b")
"""Matches what commands and code have: fences, options, calls, names with underscores, operators, SQL in capitals.

Wider than `find_literals`, which knows identifiers of one kind from another and found no more answers in 80 ms a question.
"""
_WORD = re.compile(r"\w")


def answer_by_quotation(state: AnswerState, context: AnswerContext) -> AnswerState:
    """Quote what answers the question, best passage first, if the profile quotes for this form of answer.

    A small model garbles commands, steps and comparisons that it reads, and of a manual explanations too; the words of the
    document are right as they are, and cost a second. Each passage stands below its title and headings, with its mark.
    Nothing is quoted unless it stands out from probable passages, or shares words with the question where there is little else.
    """
    profile = context.profile
    if state.form not in profile.quoted_forms and not (
        state.form in profile.quoted_manual_forms and state.hits and _is_of_manual(state.hits[0], context)
    ):
        return state
    if name := missing_name(state.question, state.hits):
        return state.abstain(DiagnosticCode.NO_EVIDENCE, f"no retrieved passage has {name!r}")
    embedder = context.resources.embedder_for(evidence_language(state.question, state.hits))
    budget = profile.quoted_tokens
    scored = score_parts(state.question, state.hits, min(MAX_BLOCK_TOKENS, budget), estimate_tokens, embedder)
    if state.form in _FORMS_WITH_CODE:
        scored = _prefer_code(scored)
    quoted = _quote_parts(state.hits, scored, budget)
    if not quoted:
        return state.abstain(DiagnosticCode.NO_EVIDENCE, "no retrieved passage has a sentence to quote")
    if scored.prominence is not None and scored.prominence + _evidence_log_odds(state.hits) < MIN_EVIDENCE:
        message = "no part of the retrieved passages is probable enough, or much closer to the question than the others"
        return state.abstain(DiagnosticCode.NO_EVIDENCE, message)
    if scored.prominence is None and _shared_words(state.question, quoted) < MIN_SHARED_WORDS:
        return state.abstain(DiagnosticCode.NO_EVIDENCE, "the retrieved passages have few words of the question")
    state = replace(state, selected=tuple(quoted)).add_diagnostics(
        DiagnosticCode.INJECTED_TEXT, injection_messages(state.hits)
    )
    answer = Answer(
        state.question,
        "\n\n".join(f"{passage.heading} [{passage.number}]\n{_close_fence(passage.text)}" for passage in quoted),
        state.evidence,
        tuple(make_citation(passage.hit.passage, *span) for passage in quoted for span in passage.spans),
        reader="quote",
    )
    return replace(state, answer=answer)


def _is_of_manual(hit: Hit, context: AnswerContext) -> bool:
    """Whether a hit's document is a manual, notes or a book rather than an article: it has sections, or it is long."""
    if {*hit.passage.headings} - {hit.title}:
        return True
    return len(context.resources.passages_of_document(hit.passage.document_id)) > MAX_ARTICLE_PASSAGES


def _prefer_code(scored: ScoredParts) -> ScoredParts:
    """Return the parts with higher log-odds of the sentences in blocks with code."""
    log_odds = list(scored.log_odds)
    for block in scored.blocks:
        if _CODE.search(" ".join(scored.sentences[number].text for number in block.numbers)):
            for number in block.numbers:
                log_odds[number] += CODE_BONUS
    return scored._replace(log_odds=log_odds)


def _evidence_log_odds(hits: Sequence[Hit]) -> float:
    """Return the log-odds that one of the passages is evidence."""
    probability = min(probability_of_evidence(hits), MAX_PROBABILITY)
    return math.log(max(probability, 1e-3) / (1 - probability))


def _shared_words(question: str, quoted: Sequence[SelectedPassage]) -> float:
    """Return the share of the question's words that the quoted text or a heading above it has, 0..1."""
    asked = match_words(question)
    found = match_words("\n".join(f"{passage.heading}\n{passage.text}" for passage in quoted))
    return len(asked & found) / len(asked) if asked else 0.0


def _quote_parts(hits: Sequence[Hit], scored: ScoredParts, budget: int) -> list[SelectedPassage]:
    """Return the passages to quote, the one with the best part first, with adjacent sentences as one span."""
    best = max((odds for part in scored.parts for odds in _log_odds_of(part, scored)), default=0.0)
    parts = [
        part
        for part in scored.parts
        if part.tokens >= MIN_QUOTED_TOKENS and max(_log_odds_of(part, scored)) >= best - MAX_LOG_ODDS_GAP
    ]
    chosen = [parts[index] for index in fit_to_budget(parts, scored.log_odds, budget)]
    parts_by_hit: dict[int, list[EvidenceBlock]] = {}
    for part in sorted(chosen, key=lambda part: -max(_log_odds_of(part, scored))):
        parts_by_hit.setdefault(part.hit_index, []).append(part)
    quoted: list[SelectedPassage] = []
    for hit_index, hit_parts in parts_by_hit.items():
        sentences = [scored.sentences[number] for number in sorted(n for part in hit_parts for n in part.numbers)]
        if spans := _join_spans(hits[hit_index], sentences):
            quoted.append(SelectedPassage(len(quoted) + 1, hits[hit_index], spans))
    return quoted


def _log_odds_of(part: EvidenceBlock, scored: ScoredParts) -> list[float]:
    """Return the log-odds of the sentences of a part."""
    return [scored.log_odds[number] for number in part.numbers]


def _join_spans(hit: Hit, sentences: Sequence[HitSentence]) -> tuple[tuple[int, int], ...]:
    """Return the spans of sentences in order, adjacent ones as one span, without headings, which stand above.

    Code is quoted with both fences, and as a whole if it is not long: half a command is none.
    """
    text, offset = hit.passage.text, hit.passage.start
    code_spans, injected = fenced_code_spans(text), injected_spans(text)
    spans: list[tuple[int, int]] = []
    for sentence in sentences:
        if sentence.text.startswith("#") or not (_WORD.search(sentence.text) or sentence.text.startswith(FENCES)):
            continue
        start, end = sentence.start - offset, sentence.end - offset
        extended = _extend_to_code(text, start, end, code_spans)
        if not any(extended[0] < injected_end and begin < extended[1] for begin, injected_end in injected):
            start, end = extended
        if spans and not _WORD.search(text, spans[-1][1], start):
            start, end = spans[-1][0], max(spans.pop()[1], end)
        spans.append((start, end))
    return tuple((start + offset, end + offset) for start, end in spans if _WORD.search(text, start, end))


def _extend_to_code(text: str, start: int, end: int, code_spans: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """Return a span that has the code that it touches: all of it, or the lines before `MAX_CODE_CHARS` of long code."""
    for code_start, code_end in code_spans:
        if start < code_end and code_start < end:
            if code_end - code_start > MAX_CODE_CHARS:
                code_end = max(text.rfind("\n", code_start, code_start + MAX_CODE_CHARS), end)
            return min(start, code_start), max(end, code_end)
    return start, end


def _close_fence(text: str) -> str:
    """Return a text with the last fence of its code added, if only the beginning of the code is quoted."""
    return text + "".join(f"\n{fence}" for fence in FENCES if text.count(fence) % 2)
