"""Answers about relatives, held to a sentence that says what they are to each other.

A passage names many people beside the one that it is about, and a small model takes one of them for the wife that no sentence
mentions. Their names stand there, so a citation alone does not tell: the sentence must have a word for what was asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from graphs.predicates import PredicateSchema
from indices.bm25_index import index_tokens
from kgrag.answering.guards.citations import MIN_TOKEN_OVERLAP, strip_citation_marks
from kgrag.graphqa.protocol import RelationPath
from kgrag.graphqa.question_templates import fill_template, load_templates
from kgrag.retrieve.sentence_features import has_answer_cue
from kgrag.text import detect_language, normalize_name, sentence_spans, strip_disambiguation
from kgrag.types import Hit


class _TitledSentence(NamedTuple):
    """A sentence, with the words of it and of its document's title."""

    text: str
    words: frozenset[str]


def unsupported_relation(
    question: str, relation_paths: Sequence[RelationPath], answer: str, hits: Sequence[Hit], vocabulary: PredicateSchema
) -> str:
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
    templates, lang, titled_sentences = (
        load_templates(vocabulary).by_predicate,
        detect_language(question),
        [*_titled_sentences(hits)],
    )
    answer_words = {*index_tokens(strip_citation_marks(answer))} - {*index_tokens(question)}
    unsupported = ""
    for name, steps in relation_paths:
        subject = {*index_tokens(strip_disambiguation(name))}
        compound_words = _compound_relation_words(question, steps, vocabulary)
        for step_index, step in enumerate(steps):
            forms = templates[step].questions[lang] if step in templates and templates[step].is_kinship else ()
            is_last = step_index == len(steps) - 1
            if forms and not any(
                (
                    has_answer_cue(fill_template(forms[0], X=""), titled_sentence.text)
                    or any(f" {word} " in f" {normalize_name(titled_sentence.text)} " for word in compound_words)
                )
                and (step_index > 0 or subject <= titled_sentence.words)
                and (not is_last or len(answer_words & titled_sentence.words) >= MIN_TOKEN_OVERLAP * len(answer_words))
                for titled_sentence in titled_sentences
            ):
                unsupported = unsupported or fill_template(forms[0], X=name if step_index == 0 else "…")
                break
        else:
            return ""
    return unsupported


def _compound_relation_words(question: str, steps: Sequence[str], vocabulary: PredicateSchema) -> list[str]:
    """The words of a question that stand for several steps at once, as `key` has them."""
    chain, text = " ".join(steps), f" {normalize_name(question)} "
    return [
        normalize_name(word)
        for word, kin in vocabulary.compound_relations.items()
        if f" {normalize_name(word)} " in text and " ".join(kin) in chain
    ]


def _titled_sentences(hits: Sequence[Hit]) -> Iterator[_TitledSentence]:
    for hit in hits:
        for start, end in sentence_spans(hit.passage.text):
            text = hit.passage.text[start:end]
            yield _TitledSentence(text, frozenset(index_tokens(f"{hit.title}. {text}")))
