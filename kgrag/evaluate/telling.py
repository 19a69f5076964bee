"""Which sentences of the passages found tell what is asked: what `kgrag.evidence` learns to choose by, and is measured by."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kgrag.evaluate.ranking import FOLDS
from kgrag.evaluate.training import as_json, train
from kgrag.evidence import choose
from kgrag.files import replaced
from kgrag.retrieve.sentences import NAMES, Sentence, read_sentences
from kgrag.text import key, unbracketed
from kgrag.types import Hit, Question

ROUNDS = 60
YES_NO = frozenset(("yes", "no", "是", "否"))
_WHEN, _YEAR = NAMES.index("asks when"), NAMES.index("has a year")


@dataclass(frozen=True)
class Telling:
    """A question's sentences: ``rows`` (sentences, features), the tokens of each, and the numbers of those that tell.

    ``answer``: those of its gold passages that say an answer; ``leading``: for each further thing that must be known, those
    that tell it. None of the sets is empty, but ``answer`` where it is yes or no.
    """

    found: tuple[Sentence, ...]
    rows: NDArray[np.float32]
    costs: tuple[int, ...]
    answer: frozenset[int]
    leading: tuple[frozenset[int], ...]

    @cached_property
    def labels(self) -> NDArray[np.int8]:
        """1 for a sentence that tells any of it."""
        told = self.answer.union(*self.leading)
        return np.array([number in told for number in range(len(self.found))], np.int8)

    def shown(self, odds: Sequence[float], budget: int) -> tuple[bool, bool]:
        """Whether the answer is shown within a budget, and whether all that must be known is."""
        chosen = {*choose(self.found, odds, self.costs, budget)}
        answer = bool(chosen & self.answer) or not self.answer
        return answer, answer and all(chosen & told for told in self.leading)


def telling(question: Question, hits: Sequence[Hit], count: Callable[[str], int]) -> Telling | None:
    """Of a question with gold documents, the sentences of its hits; None where none of them tells anything.

    An answer is told by a sentence of a gold passage that has it word for word; what leads to it, by the sentences of a gold
    passage that name what another gold one is about; what is compared, in each gold passage by the first sentence, or the
    first with a year where a time is asked for.

    Args:
        question: with its answers and its gold documents.
        hits: what was found, best first.
        count: tokens of a text.
    """
    found, rows = read_sentences(question.text, hits)
    gold = {place for place, hit in enumerate(hits) if hit.passage.document_id in question.gold}
    mine = [number for number, sentence in enumerate(found) if sentence.place in gold]
    said = {number: f" {key(found[number].text)} " for number in mine}
    titles = {place: key(unbracketed(hits[place].title)) for place in sorted(gold)}
    whether = bool(question.answers) and question.answers[0].lower() in YES_NO
    answers = [] if whether else [f" {key(answer)} " for answer in question.answers if key(answer)]
    answer = frozenset(n for n in mine if any(a in said[n] for a in answers))
    leading = [
        frozenset(
            n
            for n in mine
            if any(
                t and t != titles[found[n].place] and f" {t} " in said[n]
                for p, t in titles.items()
                if p != found[n].place
            )
        )
    ]
    if len(gold) > 1 and (whether or {a.strip() for a in answers} & {*titles.values()}):
        for place in titles:
            its = [n for n in mine if found[n].place == place]
            dated = [n for n in its if rows[n, _YEAR]]
            leading.append(frozenset((dated if len(rows) and rows[0, _WHEN] and dated else its)[:1]))
    leading = [told for told in leading if told]
    if not answer and not leading:
        return None
    return Telling(tuple(found), rows, tuple(count(s.text) for s in found), answer, tuple(leading))


def cross_validated(groups: Sequence[Sequence[Telling]]) -> list[list[list[float]]]:
    """Of each question of each group, the log-odds of its sentences by trees that four fifths of all made, without it.

    Args:
        groups: of `FOLDS` questions or more each.
    """
    odds: list[list[list[float]]] = [[[]] * len(group) for group in groups]
    for fold in range(FOLDS):
        model = train([[t for n, t in enumerate(group) if n % FOLDS != fold] for group in groups], ROUNDS)
        for number, group in enumerate(groups):
            for n in range(fold, len(group), FOLDS):
                odds[number][n] = model.predict(group[n].rows, raw_score=True).tolist()
    return odds


def write(path: Path, groups: Sequence[Sequence[Telling]], note: str, trained_on: Sequence[str] = ()) -> None:
    """Learn from all of it and write the trees, whole or not at all.

    Args:
        path: of the JSON file.
        groups: the questions of each file; each file weighs the same.
        note: what it was trained on, for people.
        trained_on: the `kgrag.evaluate.questions.fingerprint` of each file.
    """
    model: Any = train(groups, ROUNDS)
    with replaced(path) as beside:
        beside.write_text(as_json(NAMES, model, note, trained_on), "utf-8")
