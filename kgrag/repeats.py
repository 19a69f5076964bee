"""An answer that says no more than its question is none: a sentence stands in its place."""

from __future__ import annotations

import re
from collections.abc import Sequence

from indices.bm25 import search_tokens
from kgrag import prompts
from kgrag.cite import YES_NO, unmarked
from kgrag.evidence import Shown, scored
from kgrag.retrieve.sentences import Sentence, read_sentences
from kgrag.text import key, language

_OPEN = {
    "en": re.compile(r"\b(?:what|which|who|whose|whom|where|when|how|why)\b", re.IGNORECASE),
    "zh": re.compile(r"什么|甚么|啥|谁|哪|何|几|多少|怎|为什么|如何"),
}
_CHOICE = {
    "en": re.compile(r"\b(?:or|and|both|between|than|of (?:the|these|those))\b", re.IGNORECASE),
    "zh": re.compile(r"还是|或|和|与|跟|及|比|、|之间|两者|当中|其中"),
}
"""What a question has that gives its own answers to choose from."""
QUOTED = frozenset(["zh"])
"""Languages in which a sentence is quoted instead. Chinese questions mostly ask for what one sentence says; of the English ones of
several steps the likeliest sentence tells the first."""


def repeats(question: str, answer: str) -> bool:
    """Whether an answer to an open question has no word that the question lacks: asked where Haining West is, "Haining West".

    What was asked with answers to choose from (A or B, which of these), and yes or no, is never taken for a repetition.

    Args:
        question: in English or Chinese.
        answer: with its marks of citation, or without.
    """
    plain, lang = unmarked(answer), language(question)
    if key(plain) in YES_NO or not _OPEN[lang].search(question) or _CHOICE[lang].search(question):
        return False
    said = set(search_tokens(plain))
    return bool(said) and said <= set(search_tokens(question))


def mended(question: str, said: str, shown: Sequence[Shown]) -> tuple[str, list[str]]:
    """What is answered, and, in words, what was refused of it.

    In the place of what only repeats the question stands, of the sentences about that, the one that is likeliest to tell what is asked
    (`kgrag.evidence.scored`), with the mark of its passage; silence where there is none, and in languages that are not `QUOTED`.

    Args:
        question: what is asked.
        said: what a model answered.
        shown: the passages that it was shown.
    """
    if not repeats(question, said):
        return said, []
    why, lang = f"{said!r} only repeats the question", language(question)
    best = _telling(question, said, shown) if lang in QUOTED else None
    if best is None:
        return prompts.ABSTAIN[lang], [f"{why}, and no sentence is known to say more"]
    number = shown[best.place].number
    return f"{best.text.strip()} [{number}]", [f"{why}: a sentence that says more stands in its place"]


def _telling(question: str, said: str, shown: Sequence[Shown]) -> Sentence | None:
    """The likeliest to tell what is asked of the sentences shown that are about what was said, and say more."""
    words = {*search_tokens(unmarked(said))}
    found, rows = read_sentences(question, [passage.hit for passage in shown])
    likely = [
        (odds, sentence)
        for odds, sentence in zip(scored(rows), found, strict=True)
        if words <= {*search_tokens(f"{shown[sentence.place].hit.title}. {sentence.text}")}
        and (sentence.start, sentence.end) in shown[sentence.place].spans
        and not repeats(question, sentence.text)
    ]
    return max(likely, key=lambda one: one[0])[1] if likely else None
