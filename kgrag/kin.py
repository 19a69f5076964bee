"""Answers about relatives, held to a sentence that says what they are to each other.

A passage names many people beside the one that it is about, and a small model takes one of them for the wife that no sentence
mentions. Their names stand there, so a citation alone does not tell: the sentence must have a word for what was asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from graphs.vocabulary import Vocabulary
from indices.bm25 import search_tokens
from kgrag.cite import ENOUGH, unmarked
from kgrag.reader.reads import Asked
from kgrag.reader.wording import filled, wording
from kgrag.retrieve.sentences import tells
from kgrag.text import language, sentences, unbracketed
from kgrag.types import Hit


def untold(question: str, asked: Sequence[Asked], answer: str, hits: Sequence[Hit], vocabulary: Vocabulary) -> str:
    """The relation, as a question, that no sentence tells though an answer rests on it; "" where all are told.

    A relation is told by a sentence that has a word for it and, of the first step, is about what the question names, of the
    last one has the answer. Only steps from one person to another are looked at.

    Args:
        question: as it was asked.
        asked: what it may ask for (`GraphReader.asks`); one reading that is told is enough, none asks for nothing.
        answer: what a model said, with or without marks.
        hits: what was found for the question.
        vocabulary: the predicates.
    """
    asking, lang, said = wording(vocabulary).asking, language(question), [*_sentences(hits)]
    new = {*search_tokens(unmarked(answer))} - {*search_tokens(question)}
    missing = ""
    for name, steps in asked:
        subject = {*search_tokens(unbracketed(name))}
        for place, step in enumerate(steps):
            forms = asking[step].whole[lang] if step in asking and asking[step].kin else ()
            last = place == len(steps) - 1
            if forms and not any(
                tells(filled(forms[0], X=""), text)
                and (place > 0 or subject <= words)
                and (not last or len(new & words) >= ENOUGH * len(new))
                for text, words in said
            ):
                missing = missing or filled(forms[0], X=name if place == 0 else "…")
                break
        else:
            return ""
    return missing


def _sentences(hits: Sequence[Hit]) -> Iterator[tuple[str, set[str]]]:
    """The sentences of some hits, each with its words and those of its document's title."""
    for hit in hits:
        for start, end in sentences(hit.passage.text):
            text = hit.passage.text[start:end]
            yield text, {*search_tokens(f"{hit.title}. {text}")}
