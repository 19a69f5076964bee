"""Replace answers that only repeat their question by a sentence of the evidence."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from indices.bm25_index import index_tokens
from kgrag import prompts
from kgrag.answering.guards.step_guard import replacement_code
from kgrag.answering.selected_passage import SelectedPassage
from kgrag.answering.stages.evidence_selection import score_sentences
from kgrag.answering.state import AnswerContext, AnswerState
from kgrag.retrieve.sentence_features import HitSentence, sentence_features
from kgrag.text import detect_language, normalize_name
from kgrag.text.citation_marks import strip_citation_marks
from kgrag.text.polarity import EXPLICIT_ANSWERS

_OPEN_QUESTION = {
    "en": re.compile(r"\b(?:what|which|who|whose|whom|where|when|how|why)\b", re.IGNORECASE),
    "zh": re.compile(r"什么|甚么|啥|谁|哪|何|几|多少|怎|为什么|如何"),
}
_CHOICE_QUESTION = {
    "en": re.compile(r"\b(?:or|and|both|between|than|of (?:the|these|those))\b", re.IGNORECASE),
    "zh": re.compile(r"还是|或|和|与|跟|及|比|、|之间|两者|当中|其中"),
}
"""Matches questions that list their possible answers."""
FALLBACK_LANGUAGES = frozenset(["zh"])
"""Languages in which a sentence of the evidence replaces an echo.

Chinese questions mostly ask for what one sentence states. Of the English questions of several steps, the most probable
sentence states only the first step.
"""


def is_echo(question: str, answer: str) -> bool:
    """Whether the answer to an open question has no word that the question lacks.

    For example "Haining West" as the answer to "Where is Haining West?". Questions that offer a choice ("A or B", "which
    of these") and yes/no answers never count as echoes.

    Args:
        question: in English or Chinese.
        answer: with or without citation marks.
    """
    unmarked_answer, lang = strip_citation_marks(answer), detect_language(question)
    if (
        normalize_name(unmarked_answer) in EXPLICIT_ANSWERS
        or not _OPEN_QUESTION[lang].search(question)
        or _CHOICE_QUESTION[lang].search(question)
    ):
        return False
    answer_words = set(index_tokens(unmarked_answer))
    return bool(answer_words) and answer_words <= set(index_tokens(question))


def replace_echo(question: str, answer: str, selected: Sequence[SelectedPassage]) -> tuple[str, list[str]]:
    """Return the answer, or a replacement if it only repeats the question, with diagnostics.

    The replacement is the most probable sentence (`kgrag.answering.stages.evidence_selection.score_sentences`) about the
    answer's subject, with the mark of its passage. It is an abstention if there is no such sentence, or if the language
    is not in `FALLBACK_LANGUAGES`.

    Args:
        question: the user's question.
        answer: the model's answer.
        selected: the passages of the prompt.
    """
    if not is_echo(question, answer):
        return answer, []
    reason, lang = f"answer {answer!r} only repeats the question", detect_language(question)
    best = _best_supporting_sentence(question, answer, selected) if lang in FALLBACK_LANGUAGES else None
    if best is None:
        return prompts.ABSTENTION_TEXT[lang], [f"{reason}, and no sentence in the prompt adds to it"]
    number = selected[best.hit_index].number
    return f"{best.text.strip()} [{number}]", [f"{reason}: replaced by a sentence of the evidence"]


def _best_supporting_sentence(question: str, answer: str, selected: Sequence[SelectedPassage]) -> HitSentence | None:
    """Return the most probable sentence of the prompt that is about the answer and adds to the question."""
    words = {*index_tokens(strip_citation_marks(answer))}
    hit_sentences, rows = sentence_features(question, [passage.hit for passage in selected])
    scored_sentences = [
        (odds, sentence)
        for odds, sentence in zip(score_sentences(rows), hit_sentences, strict=True)
        if words <= {*index_tokens(f"{selected[sentence.hit_index].hit.title}. {sentence.text}")}
        and (sentence.start, sentence.end) in selected[sentence.hit_index].spans
        and not is_echo(question, sentence.text)
    ]
    return max(scored_sentences, key=lambda scored: scored[0])[1] if scored_sentences else None


def replace_echoed_question(state: AnswerState, context: AnswerContext) -> AnswerState:
    """Replace a draft that only repeats the question, or withdraw it."""
    draft, messages = replace_echo(state.question, state.draft or "", state.selected)
    return replace(state, draft=draft).add_diagnostics(replacement_code(draft), messages)
