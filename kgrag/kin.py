"""Answers about relatives, held to a sentence that says what they are to each other.

A passage names many people beside the one that it is about, and a small model takes one of them for the wife that no sentence
mentions. Their names stand there, so a citation alone does not tell: the sentence must have a word for what was asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from graphs.vocabulary import Vocabulary
from indices.bm25 import search_tokens
from kgrag.cite import ENOUGH, unmarked
from kgrag.reader.reads import Asked
from kgrag.reader.wording import filled, wording
from kgrag.retrieve.sentences import tells
from kgrag.text import key, language, sentences, unbracketed
from kgrag.types import Hit


class _Sentence(NamedTuple):
    """A sentence, with the words of it and of its document's title."""

    text: str
    words: frozenset[str]


def untold(question: str, asked: Sequence[Asked], answer: str, hits: Sequence[Hit], vocabulary: Vocabulary) -> str:
    """The relation, as a question, that no sentence tells though an answer rests on it; "" where all are told.

    A relation is told by a sentence that has a word for it and, of the first step, is about what the question names, of the
    last one has the answer. Only steps from one person to another are looked at. What takes two steps may have one word
    ("father-in-law"): a sentence with that of the question tells both.

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
        whole = _words_for(question, steps, vocabulary)
        for place, step in enumerate(steps):
            forms = asking[step].whole[lang] if step in asking and asking[step].kin else ()
            last = place == len(steps) - 1
            if forms and not any(
                (tells(filled(forms[0], X=""), one.text) or any(f" {word} " in f" {key(one.text)} " for word in whole))
                and (place > 0 or subject <= one.words)
                and (not last or len(new & one.words) >= ENOUGH * len(new))
                for one in said
            ):
                missing = missing or filled(forms[0], X=name if place == 0 else "…")
                break
        else:
            return ""
    return missing


def _words_for(question: str, steps: Sequence[str], vocabulary: Vocabulary) -> list[str]:
    """The words of a question that stand for several steps at once, as `key` has them."""
    way, text = " ".join(steps), f" {key(question)} "
    return [key(word) for word, kin in vocabulary.kin.items() if f" {key(word)} " in text and " ".join(kin) in way]


def _sentences(hits: Sequence[Hit]) -> Iterator[_Sentence]:
    for hit in hits:
        for start, end in sentences(hit.passage.text):
            text = hit.passage.text[start:end]
            yield _Sentence(text, frozenset(search_tokens(f"{hit.title}. {text}")))
