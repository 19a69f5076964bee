"""What became of a question: exactly one of correct, wrong, abstained or empty, and the rates that follow from it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import asdict
from enum import StrEnum
from typing import Any

from ingest.patterns import vocabulary
from kgrag.dates import date
from kgrag.evaluate.metrics import answer_tokens, bare, token_f1
from kgrag.factuality.conditions import Condition
from kgrag.factuality.statistics import clustered, wilson
from kgrag.quantities import quantity
from kgrag.silence import abstains

NEAR = 0.75
"""The least token F1 of an answer that is an accepted one with a word more or less ("Sir Vivian Fuchs", "Vivian Fuchs")."""
ASIDE = 12
"""Tokens that an answer may have beside the accepted one: a sentence around it, not a list that has everything."""
_LETTER = re.compile(r"\w")
_ROMAN = re.compile(r"[ivx]+")
_PARTS = {
    "english": "England", "england": "England", "英格兰": "England",
    "scottish": "Scotland", "scotland": "Scotland", "苏格兰": "Scotland",
    "welsh": "Wales", "wales": "Wales", "威尔士": "Wales", "northern ireland": "Northern Ireland",
}  # fmt: skip
"""What are countries of their own where answers are compared, though typed facts take them for the United Kingdom."""
_YES = frozenset({"yes", "true", "是", "是 的", "对", "对 的", "有", "正 确"})
_NO = frozenset({"no", "false", "否", "不", "不 是", "不 对", "没 有", "并 非", "错 误"})


class Outcome(StrEnum):
    """What became of a question."""

    CORRECT = "correct"
    WRONG = "wrong"
    ABSTAINED = "abstained"
    EMPTY = "empty"


RATES = (
    "hallucination",
    "hallucination_answered",
    "correct",
    "truthfulness",
    "false_abstention",
    "correct_abstention",
    "empty",
)
"""What `rates` gives; every one a share in [0, 1], but ``truthfulness``, in [-1, 1]."""


def matches(answer: str, accepted: Sequence[str]) -> bool:
    """Whether an answer says what one of the accepted ones says.

    It does with the same tokens, the same date or quantity, the same country or its people ("Danish" for Denmark), the
    accepted one inside a sentence, or a word more or less of a name (a token F1 of `NEAR`, the same numbers). A date that is
    less exact than the accepted one does not; one that is more exact does.
    """
    said = bare(answer)
    return any(_same(said, wanted) for wanted in accepted)


def _same(said: str, wanted: str) -> bool:
    ours, theirs = answer_tokens(said), answer_tokens(wanted)
    if not ours or not theirs:
        return False
    polarity = {True: _YES, False: _NO}
    for value, words in polarity.items():
        if " ".join(theirs) in words:
            return _leads(ours, words) and not _leads(ours, polarity[not value], longer_than=words)
    if ours == theirs:
        return True
    days = date(said), date(wanted)
    if all(days):
        return days[0].startswith(days[1])
    lands = _land(said), _land(wanted)
    if all(lands):
        return lands[0] == lands[1]
    sizes = quantity(said), quantity(wanted)
    if sizes[0] and sizes[1]:
        return sizes[0] == sizes[1]
    if _inside(theirs, ours) and len(ours) <= len(theirs) + ASIDE:
        return True
    # a title more or less, but nothing else in its place: the seventh Henry is not the eighth, nor Gotha Weimar
    more, less = Counter(ours), Counter(theirs)
    return (more <= less or less <= more) and not _telling(ours) ^ _telling(theirs) and token_f1(said, [wanted]) >= NEAR


def _land(name: str) -> str:
    """The country that a name or an adjective as a whole means; "" of anything else."""
    plain = name.strip(" .。").lower().removeprefix("the ")
    return _PARTS.get(plain) or vocabulary().countries.get(plain, "")


def _telling(words: list[str]) -> set[str]:
    """Numbers, Roman ones too: with one more or less, a name is another's."""
    return {word for word in words if word.isdigit() or _ROMAN.fullmatch(word)}


def _leads(ours: list[str], words: frozenset[str], longer_than: frozenset[str] = frozenset()) -> bool:
    """Whether an answer begins with one of some words; ``longer_than``: with one that none of those begins."""
    found = [w for w in words if ours[: len(w.split())] == w.split()]
    others = [w for w in longer_than if ours[: len(w.split())] == w.split()]
    return max((len(w) for w in found), default=0) > max((len(w) for w in others), default=0)


def _inside(part: list[str], whole: list[str]) -> bool:
    return any(whole[n : n + len(part)] == part for n in range(len(whole) - len(part) + 1))


def outcome(answer: str, accepted: Sequence[str], condition: Condition, *, said_by_evidence: bool = False) -> Outcome:
    """What became of a question that was answered so.

    Args:
        answer: as the model gave it.
        accepted: what is right; in the counterfactual condition what the edited evidence says.
        condition: on the unanswerable, silence is right, and any answer wrong.
        said_by_evidence: what was shown says an accepted answer all the same: then it is right on the unanswerable, too.
    """
    if not _LETTER.search(answer):
        return Outcome.EMPTY
    if abstains(answer):
        return Outcome.ABSTAINED
    right = matches(answer, accepted) and (condition != Condition.UNANSWERABLE or said_by_evidence)
    return Outcome.CORRECT if right else Outcome.WRONG


def rates(
    outcomes: Sequence[Outcome], clusters: Sequence[Hashable], *, answerable: bool, seed: int = 0
) -> dict[str, Any]:
    """Every one of `RATES` as {"value", "low", "high"}, and "counts" of each outcome; JSON-ready.

    ``hallucination`` is the share of wrong answers among all questions, ``hallucination_answered`` among those that were
    answered, ``truthfulness`` correct less wrong. ``false_abstention`` is defined where there is an answer to be had,
    ``correct_abstention`` where there is none; the other one is NaN.

    Args:
        outcomes: one for each question.
        clusters: of the questions, for the interval of ``truthfulness``; those of shares are Wilson's.
        answerable: whether there is an answer to be had.
        seed: of the bootstrap.
    """
    n = len(outcomes)
    counts = {kind.value: sum(o is kind for o in outcomes) for kind in Outcome}
    wrong, silent = counts["wrong"], counts["abstained"]
    worth = [float(value(o)) for o in outcomes]
    return {
        "counts": counts,
        "questions": n,
        "hallucination": asdict(wilson(wrong, n)),
        "hallucination_answered": asdict(wilson(wrong, wrong + counts["correct"])),
        "correct": asdict(wilson(counts["correct"], n)),
        "truthfulness": asdict(clustered(worth, clusters, seed=seed)),
        "false_abstention": asdict(wilson(silent, n if answerable else 0)),
        "correct_abstention": asdict(wilson(silent, 0 if answerable else n)),
        "empty": asdict(wilson(counts["empty"], n)),
    }


def value(outcome: Outcome) -> int:
    """1 for correct, -1 for wrong, 0 for silence: a truthful system is silent rather than wrong."""
    return {Outcome.CORRECT: 1, Outcome.WRONG: -1}.get(outcome, 0)
