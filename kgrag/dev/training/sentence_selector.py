"""Training and evaluation of the sentence selector, `kgrag.answering.stages.evidence_selection`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kgrag.answering.stages.evidence_blocks import EvidenceBlock
from kgrag.answering.stages.evidence_selection import fit_to_budget
from kgrag.dev.training.boosted_trees import ranker_json, train_boosted_trees
from kgrag.dev.training.ranker.cross_validation import FOLDS
from kgrag.retrieve.sentence_features import FEATURE_NAMES, HitSentence, sentence_features
from kgrag.storage.atomic import atomic_write
from kgrag.text import normalize_name, strip_disambiguation
from kgrag.text.polarity import YES_NO_WORDS
from kgrag.types import Hit, Question

BOOSTING_ROUNDS = 60
_ASKS_WHEN, _HAS_YEAR = FEATURE_NAMES.index("asks when"), FEATURE_NAMES.index("has a year")


@dataclass(frozen=True)
class SentenceLabels:
    """The sentences of a question: features, tokens, and the numbers of the relevant ones.

    ``rows`` is (sentences, features); ``costs`` are the tokens of each. ``answer_numbers``: sentences of gold passages
    that contain an answer; empty for a yes/no question. ``supporting_numbers``: for each further fact that is needed,
    the sentences that state it; none of them is empty.
    """

    sentences: tuple[HitSentence, ...]
    rows: NDArray[np.float32]
    costs: tuple[int, ...]
    answer_numbers: frozenset[int]
    supporting_numbers: tuple[frozenset[int], ...]

    @cached_property
    def labels(self) -> NDArray[np.int8]:
        """1 for a relevant sentence, else 0."""
        labelled_numbers = self.answer_numbers.union(*self.supporting_numbers)
        return np.array([number in labelled_numbers for number in range(len(self.sentences))], np.int8)

    def evidence_shown(self, odds: Sequence[float], budget: int) -> tuple[bool, bool]:
        """Whether the selection within a budget contains the answer, and whether it contains all that is needed."""
        parts = [
            EvidenceBlock(sentence.hit_index, (number,), cost)
            for number, (sentence, cost) in enumerate(zip(self.sentences, self.costs, strict=True))
        ]
        chosen = {*fit_to_budget(parts, odds, budget)}
        answer_shown = bool(chosen & self.answer_numbers) or not self.answer_numbers
        return answer_shown, answer_shown and all(chosen & numbers for numbers in self.supporting_numbers)


def label_sentences(question: Question, hits: Sequence[Hit], count: Callable[[str], int]) -> SentenceLabels | None:
    """Label the sentences of a question's hits; None if none of them is relevant.

    A sentence contains an answer if it is of a gold passage and has the answer word for word. Supporting sentences are
    those of a gold passage that name the subject of another one. If a question compares, they are the first sentence of
    each gold passage, or the first with a year if the question asks for a time.

    Args:
        question: with its answers and its gold documents.
        hits: retrieved passages, best first.
        count: returns the tokens of a text.
    """
    sentences, rows = sentence_features(question.text, hits)
    gold = {place for place, hit in enumerate(hits) if hit.passage.document_id in question.gold}
    gold_numbers = [number for number, sentence in enumerate(sentences) if sentence.hit_index in gold]
    text_by_number = {number: f" {normalize_name(sentences[number].text)} " for number in gold_numbers}
    titles = {place: normalize_name(strip_disambiguation(hits[place].title)) for place in sorted(gold)}
    is_yes_no = bool(question.answers) and normalize_name(question.answers[0]) in YES_NO_WORDS
    answers = (
        [] if is_yes_no else [f" {normalize_name(answer)} " for answer in question.answers if normalize_name(answer)]
    )
    answer_numbers = frozenset(n for n in gold_numbers if any(a in text_by_number[n] for a in answers))
    supporting_numbers = [
        frozenset(
            n
            for n in gold_numbers
            if any(
                t and t != titles[sentences[n].hit_index] and f" {t} " in text_by_number[n]
                for p, t in titles.items()
                if p != sentences[n].hit_index
            )
        )
    ]
    if len(gold) > 1 and (is_yes_no or {a.strip() for a in answers} & {*titles.values()}):
        for place in titles:
            passage_numbers = [n for n in gold_numbers if sentences[n].hit_index == place]
            dated_numbers = [n for n in passage_numbers if rows[n, _HAS_YEAR]]
            supporting_numbers.append(
                frozenset(
                    (dated_numbers if len(rows) and rows[0, _ASKS_WHEN] and dated_numbers else passage_numbers)[:1]
                )
            )
    supporting_numbers = [numbers for numbers in supporting_numbers if numbers]
    if not answer_numbers and not supporting_numbers:
        return None
    return SentenceLabels(
        tuple(sentences), rows, tuple(count(s.text) for s in sentences), answer_numbers, tuple(supporting_numbers)
    )


def cross_validate(groups: Sequence[Sequence[SentenceLabels]]) -> list[list[list[float]]]:
    """Return the log-odds of each question's sentences, from trees trained on the other four fifths of all groups.

    Args:
        groups: of `FOLDS` questions or more each.
    """
    odds: list[list[list[float]]] = [[[]] * len(group) for group in groups]
    for fold in range(FOLDS):
        model = train_boosted_trees(
            [[t for n, t in enumerate(group) if n % FOLDS != fold] for group in groups], BOOSTING_ROUNDS
        )
        for number, group in enumerate(groups):
            for n in range(fold, len(group), FOLDS):
                odds[number][n] = model.predict(group[n].rows, raw_score=True).tolist()
    return odds


def write_sentence_ranker(
    path: Path, groups: Sequence[Sequence[SentenceLabels]], note: str, trained_on: Sequence[str] = ()
) -> None:
    """Train on everything and write the trees, whole or not at all.

    Args:
        path: of the JSON file.
        groups: the questions of each file; each file weighs the same.
        note: the training data, for the reader of the file.
        trained_on: the `kgrag.question_sets.fingerprint` of each file.
    """
    model: Any = train_boosted_trees(groups, BOOSTING_ROUNDS)
    with atomic_write(path) as temporary:
        temporary.write_text(ranker_json(FEATURE_NAMES, model, note, trained_on), "utf-8")
