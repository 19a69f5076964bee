"""An answer that says no more than its question is none: a sentence stands in its place."""

from __future__ import annotations

import re
from collections.abc import Sequence

from indices.bm25_index import index_tokens
from kgrag import prompts
from kgrag.answering.guards.citations import YES_NO_ANSWERS, strip_citation_marks
from kgrag.answering.stages.evidence_selection import SelectedPassage, score_sentences
from kgrag.retrieve.sentence_features import HitSentence, sentence_features
from kgrag.text import detect_language, normalize_name

_OPEN_QUESTION = {
    "en": re.compile(r"\b(?:what|which|who|whose|whom|where|when|how|why)\b", re.IGNORECASE),
    "zh": re.compile(r"什么|甚么|啥|谁|哪|何|几|多少|怎|为什么|如何"),
}
_CHOICE_QUESTION = {
    "en": re.compile(r"\b(?:or|and|both|between|than|of (?:the|these|those))\b", re.IGNORECASE),
    "zh": re.compile(r"还是|或|和|与|跟|及|比|、|之间|两者|当中|其中"),
}
"""What a question has that gives its own answers to choose from."""
FALLBACK_LANGUAGES = frozenset(["zh"])
"""Languages in which a sentence is quoted instead. Chinese questions mostly ask for what one sentence says; of the English ones of
several steps the likeliest sentence tells the first."""


def is_echo(question: str, answer: str) -> bool:
    """Whether an answer to an open question has no word that the question lacks: asked where Haining West is, "Haining West".

    What was asked with answers to choose from (A or B, which of these), and yes or no, is never taken for a repetition.

    Args:
        question: in English or Chinese.
        answer: with its marks of citation, or without.
    """
    unmarked_answer, lang = strip_citation_marks(answer), detect_language(question)
    if (
        normalize_name(unmarked_answer) in YES_NO_ANSWERS
        or not _OPEN_QUESTION[lang].search(question)
        or _CHOICE_QUESTION[lang].search(question)
    ):
        return False
    answer_words = set(index_tokens(unmarked_answer))
    return bool(answer_words) and answer_words <= set(index_tokens(question))


def replace_echo(question: str, answer: str, selected: Sequence[SelectedPassage]) -> tuple[str, list[str]]:
    """What is answered, and, in words, what was refused of it.

    In the place of what only repeats the question stands, of the sentences about that, the one that is likeliest to tell what is asked
    (`kgrag.answering.stages.evidence_selection.scored`), with the mark of its passage; silence where there is none, and in languages that are not `QUOTED`.

    Args:
        question: what is asked.
        said: what a model answered.
        shown: the passages that it was shown.
    """
    if not is_echo(question, answer):
        return answer, []
    reason, lang = f"{answer!r} only repeats the question", detect_language(question)
    best = _best_supporting_sentence(question, answer, selected) if lang in FALLBACK_LANGUAGES else None
    if best is None:
        return prompts.ABSTENTION_TEXT[lang], [f"{reason}, and no sentence is known to say more"]
    number = selected[best.hit_index].number
    return f"{best.text.strip()} [{number}]", [f"{reason}: a sentence that says more stands in its place"]


def _best_supporting_sentence(question: str, answer: str, selected: Sequence[SelectedPassage]) -> HitSentence | None:
    """The likeliest to tell what is asked of the sentences shown that are about what was said, and say more."""
    words = {*index_tokens(strip_citation_marks(answer))}
    hit_sentences, rows = sentence_features(question, [passage.hit for passage in selected])
    scored_sentences = [
        (odds, sentence)
        for odds, sentence in zip(score_sentences(rows), hit_sentences, strict=True)
        if words <= {*index_tokens(f"{selected[sentence.hit_index].hit.title}. {sentence.text}")}
        and (sentence.start, sentence.end) in selected[sentence.hit_index].spans
        and not is_echo(question, sentence.text)
    ]
    return max(scored_sentences, key=lambda one: one[0])[1] if scored_sentences else None
