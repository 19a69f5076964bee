"""Questions with their gold passages, and the training pairs of a sentence encoder."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from kgrag.text import detect_language, normalize_name, sentence_spans
from kgrag.tune.data.balanced_sample import sample_questions
from kgrag.tune.data.holdout import assign_holdout
from kgrag.tune.data.synthetic_questions import COMPARISON, SyntheticQuestion
from kgrag.types import Passage, Question

HOLDOUT_SHARE = 0.1
"""Share of the questions that are held out."""
NEGATIVE_POOL_SIZE = 10
"""Number of passages per retriever from which hard negatives are drawn."""
MIN_SENTENCE_CHARS = 20
"""Minimum length of a sentence that is used as a question."""
SearchIds = Callable[[str, int], Sequence[str]]
"""(text, k) -> the ids of the best passages, best first."""


@dataclass(frozen=True)
class RetrievalQuestion:
    """A question with the ids of its ``gold`` passages; held-out questions are measured, never trained on.

    A passage that states one of ``answers`` is never used as a negative.
    """

    text: str
    gold: tuple[str, ...]
    answers: tuple[str, ...] = ()
    is_heldout: bool = False


@dataclass(frozen=True)
class TrainingPair:
    """A question, a passage that answers it, and similar passages that do not."""

    query: str
    positive: str
    negatives: tuple[str, ...]


def questions_from_facts(
    synthetic_questions: Iterable[SyntheticQuestion], languages: frozenset[str], number: int, seed: int = 0
) -> list[RetrievalQuestion]:
    """Sample questions generated from a store's facts, each with the passages that state them.

    A tenth is held out by documents, as for language models (`kgrag.tune.data.holdout`). Comparisons get no
    ``answers``, because a "yes" or "no" in a passage does not make it right.

    Args:
        synthetic_questions: the store's questions (`kgrag.tune.data.store_questions`).
        languages: the encoder's languages; questions in others are left out.
        number: maximum number of questions.
        seed: seed of the sample and of the holdout.
    """
    chosen = sample_questions(
        [question for question in synthetic_questions if question.lang in languages], number, seed
    )
    sides = assign_holdout([question.documents for question in chosen], seed, HOLDOUT_SHARE)
    return [
        RetrievalQuestion(q.text, q.passages, () if q.kind == COMPARISON else (q.answer,), side)
        for q, side in zip(chosen, sides, strict=True)
        if side is not None
    ]


def questions_from_sentences(
    passages: Iterable[Passage], languages: frozenset[str], number: int, seed: int = 0
) -> list[RetrievalQuestion]:
    """Use sentences as questions for the passages they come from, if there are too few facts.

    This is the inverse cloze task (Lee, Chang and Toutanova 2019). None is held out: the passage contains the question
    verbatim, so finding it measures nothing.
    """
    rng = random.Random(seed)
    questions = []
    for passage in passages:
        candidate_sentences = [passage.text[a:b] for a, b in sentence_spans(passage.text)]
        candidate_sentences = [
            text
            for text in candidate_sentences
            if len(text) >= MIN_SENTENCE_CHARS and detect_language(text) in languages
        ]
        if len(candidate_sentences) > 1:  # the rest of the passage must not be empty
            questions.append(RetrievalQuestion(rng.choice(candidate_sentences), (passage.id,)))
    rng.shuffle(questions)
    return questions[:number]


def questions_from_file(
    questions: Iterable[Question], passages: Mapping[str, Sequence[Passage]], languages: frozenset[str], seed: int = 0
) -> list[RetrievalQuestion]:
    """Build retrieval questions from a file's: gold are the passages with an answer, or each gold document's first.

    A tenth is held out by documents (`kgrag.tune.data.holdout`): no gold document is on both sides.

    Args:
        questions: the questions with their gold documents.
        passages: document id -> its passages, in order.
        languages: the encoder's languages; questions in others are left out.
        seed: seed of the holdout.
    """
    retrieval_questions, documents_by_question = [], []
    for question in questions:
        if detect_language(question.text) not in languages:
            continue
        gold: list[str] = []
        for document in question.gold:
            parts = passages.get(document, ())
            gold += [p.id for p in parts if contains_answer(p.text, question.answers)] or [p.id for p in parts[:1]]
        if gold:
            retrieval_questions.append(RetrievalQuestion(question.text, tuple(gold), question.answers))
            documents_by_question.append(tuple(document for document in question.gold if passages.get(document)))
    sides = assign_holdout(documents_by_question, seed, HOLDOUT_SHARE)
    return [
        replace(question, is_heldout=side)
        for question, side in zip(retrieval_questions, sides, strict=True)
        if side is not None
    ]


def contains_answer(text: str, answers: Sequence[str]) -> bool:
    """Whether a text contains one of the answers."""
    plain = f" {normalize_name(text)} "
    return any(
        normalize_name(answer)
        and (answer in text if detect_language(answer) == "zh" else f" {normalize_name(answer)} " in plain)
        for answer in answers
    )


def build_training_pairs(
    questions: Sequence[RetrievalQuestion],
    texts: Mapping[str, str],
    searches: Sequence[SearchIds],
    negatives: int = 1,
    seed: int = 0,
    on_progress: Callable[[], None] = lambda: None,
) -> list[TrainingPair]:
    """Build training pairs: each question with each of its gold passages, and hard negatives from retrievers.

    Args:
        questions: the questions; held-out ones are left out.
        texts: passage id -> its text for the encoder.
        searches: retrievers, for example BM25 and the current encoder.
        negatives: number of negatives per pair.
        seed: seed of the negatives.
        on_progress: called for each question.
    """
    rng = random.Random(seed)
    all_ids = sorted(texts)
    built = []
    for question in questions:
        on_progress()
        if question.is_heldout:
            continue
        negative_ids = list(dict.fromkeys(i for search in searches for i in search(question.text, NEGATIVE_POOL_SIZE)))
        negative_ids = [
            i
            for i in negative_ids
            if i not in question.gold and i in texts and not contains_answer(texts[i], question.answers)
        ]
        rng.shuffle(negative_ids)
        random_ids = (i for i in rng.sample(all_ids, min(len(all_ids), 4 * negatives + len(question.gold))))
        negative_ids += [
            i
            for i in random_ids
            if i not in question.gold and i not in negative_ids and not contains_answer(texts[i], question.answers)
        ]
        if len(negative_ids) < negatives:
            continue
        for gold in question.gold:
            if gold in texts:
                positive_text = texts[gold].replace(question.text, " ")  # a sentence must not retrieve itself
                built.append(
                    TrainingPair(question.text, positive_text, tuple(texts[i] for i in negative_ids[:negatives]))
                )
    return built
