"""Questions and the passages that answer them: what a sentence encoder learns to find, and is measured by."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from kgrag.text import key, language, sentences
from kgrag.tune.questions.held import held_out
from kgrag.tune.questions.made import COMPARISON, Made
from kgrag.tune.questions.sample import sample
from kgrag.types import Passage, Question

SHARE = 0.1
"""Of the questions: those that are held out."""
POOL = 10
"""Passages from each retriever among which hard negatives are drawn."""
NEAR = 20
"""Characters that a sentence has at least, to be asked as if it were a question."""
Search = Callable[[str, int], Sequence[str]]
"""The ids of the best passages for a text, best first."""


@dataclass(frozen=True)
class Asked:
    """A question with the ids of its ``gold`` passages; ``held`` ones are measured, never trained on.

    A passage that states one of ``answers`` is never taken for a wrong one.
    """

    text: str
    gold: tuple[str, ...]
    answers: tuple[str, ...] = ()
    held: bool = False


@dataclass(frozen=True)
class Pair:
    """A question, a passage that answers it, and passages that look as if they did."""

    query: str
    positive: str
    negatives: tuple[str, ...]


def from_facts(made: Iterable[Made], languages: frozenset[str], number: int, seed: int = 0) -> list[Asked]:
    """A sample of the questions of a store's facts, each with the passages that state them.

    A tenth is held out, by documents as those that a language model learns from (`kgrag.tune.questions.held`). To say yes or no
    makes no passage right, so with comparisons no answer is given.

    Args:
        made: of the store (`kgrag.tune.questions.own`).
        languages: that the encoder knows; others are left out.
        number: of questions, at most.
    """
    chosen = sample([question for question in made if question.lang in languages], number, seed)
    sides = held_out([question.documents for question in chosen], seed, SHARE)
    return [
        Asked(q.text, q.passages, () if q.kind == COMPARISON else (q.answer,), side)
        for q, side in zip(chosen, sides, strict=True)
        if side is not None
    ]


def from_sentences(passages: Iterable[Passage], languages: frozenset[str], number: int, seed: int = 0) -> list[Asked]:
    """Where there are too few facts: a sentence asks for the passage that it was taken from (Lee, Chang and Toutanova 2019).

    None is held out: its passage has its very words, and finding it measures nothing.
    """
    chance = random.Random(seed)
    asked = []
    for passage in passages:
        said = [passage.text[a:b] for a, b in sentences(passage.text)]
        said = [text for text in said if len(text) >= NEAR and language(text) in languages]
        if len(said) > 1:  # what is left must say something
            asked.append(Asked(chance.choice(said), (passage.id,)))
    chance.shuffle(asked)
    return asked[:number]


def from_questions(
    questions: Iterable[Question], passages: Mapping[str, Sequence[Passage]], languages: frozenset[str], seed: int = 0
) -> list[Asked]:
    """Given questions: of each gold document the passages that have an answer, or its first.

    A tenth is held out, by documents (`kgrag.tune.questions.held`): what one that is held out rests on, none that is trained on does.

    Args:
        passages: document id -> its passages, in order.
    """
    asked, rests_on = [], []
    for question in questions:
        if language(question.text) not in languages:
            continue
        gold: list[str] = []
        for document in question.gold:
            parts = passages.get(document, ())
            gold += [p.id for p in parts if states(p.text, question.answers)] or [p.id for p in parts[:1]]
        if gold:
            asked.append(Asked(question.text, tuple(gold), question.answers))
            rests_on.append(tuple(document for document in question.gold if passages.get(document)))
    sides = held_out(rests_on, seed, SHARE)
    return [replace(one, held=side) for one, side in zip(asked, sides, strict=True) if side is not None]


def states(text: str, answers: Sequence[str]) -> bool:
    """Whether a text has one of some answers in it."""
    plain = f" {key(text)} "
    return any(
        key(answer) and (answer in text if language(answer) == "zh" else f" {key(answer)} " in plain)
        for answer in answers
    )


def pairs(
    asked: Sequence[Asked],
    texts: Mapping[str, str],
    searches: Sequence[Search],
    negatives: int = 1,
    seed: int = 0,
    tick: Callable[[], None] = lambda: None,
) -> list[Pair]:
    """What is trained on: each question with each of its gold passages, and hard negatives that retrievers took for right.

    Args:
        asked: held ones are left out.
        texts: passage id -> what the encoder reads of it.
        searches: retrievers, such as by words and by the encoder as it is.
        negatives: of each pair.
    """
    chance = random.Random(seed)
    everything = sorted(texts)
    found = []
    for one in asked:
        tick()
        if one.held:
            continue
        wrong = list(dict.fromkeys(i for search in searches for i in search(one.text, POOL)))
        wrong = [i for i in wrong if i not in one.gold and i in texts and not states(texts[i], one.answers)]
        chance.shuffle(wrong)
        others = (i for i in chance.sample(everything, min(len(everything), 4 * negatives + len(one.gold))))
        wrong += [i for i in others if i not in one.gold and i not in wrong and not states(texts[i], one.answers)]
        if len(wrong) < negatives:
            continue
        for gold in one.gold:
            if gold in texts:
                right = texts[gold].replace(one.text, " ")  # a sentence is not found by itself
                found.append(Pair(one.text, right, tuple(texts[i] for i in wrong[:negatives])))
    return found
