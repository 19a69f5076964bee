"""Require that a sentence states the relation for answers about relatives.

A passage names more persons than its subject, and a small model may pick one of them as the wife whom no sentence
mentions. Their names are in the passage, so a citation alone is no evidence: the sentence needs a word for the
relation.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from graphs.predicates import PredicateSchema
from indices.bm25_index import index_tokens
from kgrag.answering.state import AnswerContext, AnswerState
from kgrag.graphqa.protocol import RelationPath
from kgrag.graphqa.question_templates import fill_template, load_templates
from kgrag.retrieve.sentence_features import has_answer_cue
from kgrag.text import detect_language, normalize_name, sentence_spans, strip_disambiguation
from kgrag.text.citation_marks import strip_citation_marks
from kgrag.types import DiagnosticCode, Hit

MIN_NAME_SHARE = 0.6
"""Share of a name's words that a sentence must have to mention it."""


class _TitledSentence(NamedTuple):
    """A sentence, and its words together with those of its document's title."""

    text: str
    words: frozenset[str]


def unsupported_relation(
    question: str, relation_paths: Sequence[RelationPath], answer: str, hits: Sequence[Hit], schema: PredicateSchema
) -> str:
    """Return the relation, as a question, that the answer depends on and no sentence states; "" if all are stated.

    A sentence states a relation if it has a word for it. For the first step it must mention the question's name, for the
    last step the answer. Only steps between persons are checked. One word may stand for two steps ("father-in-law"): a
    sentence with that word of the question states both.

    Args:
        question: the user's question.
        relation_paths: readings of the question (`GraphQA.parse`); one supported reading suffices.
        answer: the model's answer, with or without citation marks.
        hits: passages retrieved for the question.
        schema: the store's predicates.
    """
    templates, lang, titled_sentences = (
        load_templates(schema).by_predicate,
        detect_language(question),
        [*_titled_sentences(hits)],
    )
    answer_words = {*index_tokens(strip_citation_marks(answer))} - {*index_tokens(question)}
    unsupported = ""
    for name, steps in relation_paths:
        subject = {*index_tokens(strip_disambiguation(name))}
        compound_words = _compound_relation_words(question, steps, schema)
        for step_index, step in enumerate(steps):
            forms = templates[step].questions[lang] if step in templates and templates[step].is_kinship else ()
            is_last = step_index == len(steps) - 1
            if forms and not any(
                (
                    has_answer_cue(fill_template(forms[0], X=""), titled_sentence.text)
                    or any(f" {word} " in f" {normalize_name(titled_sentence.text)} " for word in compound_words)
                )
                and (step_index > 0 or subject <= titled_sentence.words)
                and (not is_last or len(answer_words & titled_sentence.words) >= MIN_NAME_SHARE * len(answer_words))
                for titled_sentence in titled_sentences
            ):
                unsupported = unsupported or fill_template(forms[0], X=name if step_index == 0 else "…")
                break
        else:
            return ""
    return unsupported


def _compound_relation_words(question: str, steps: Sequence[str], schema: PredicateSchema) -> list[str]:
    """Return the normalized words of a question that stand for several steps at once."""
    chain, text = " ".join(steps), f" {normalize_name(question)} "
    return [
        normalize_name(word)
        for word, kin in schema.compound_relations.items()
        if f" {normalize_name(word)} " in text and " ".join(kin) in chain
    ]


def _titled_sentences(hits: Sequence[Hit]) -> Iterator[_TitledSentence]:
    for hit in hits:
        for start, end in sentence_spans(hit.passage.text):
            text = hit.passage.text[start:end]
            yield _TitledSentence(text, frozenset(index_tokens(f"{hit.title}. {text}")))


def require_stated_kinship(state: AnswerState, context: AnswerContext) -> AnswerState:
    """Withdraw a draft about relatives if no sentence states the relation."""
    resources, draft = context.resources, strip_citation_marks(state.draft or "").strip()
    relation_paths = resources.graph_qa().parse(state.question)
    missing = unsupported_relation(state.question, relation_paths, draft, state.hits, resources.schema)
    if not missing:
        return state
    message = f"answer {draft!r} withdrawn: no retrieved sentence states the relation asked for: {missing}"
    return state.abstain(DiagnosticCode.ANSWER_WITHDRAWN, message)
