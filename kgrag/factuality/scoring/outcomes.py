"""What became of a question: exactly one of correct, wrong, abstained or empty, and the rates that follow from it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import asdict
from enum import StrEnum
from typing import Any

from graphs.predicates import load_predicate_schema
from kgrag.factuality.experiment.conditions import Condition
from kgrag.metrics.answers import answer_tokens, normalize_answer, token_f1
from kgrag.metrics.significance import cluster_bootstrap, wilson
from kgrag.text.abstention import is_abstention
from kgrag.text.dates import normalize_date
from kgrag.text.quantities import parse_quantity

FUZZY_MATCH_F1 = 0.75
"""The least token F1 of an answer that is an accepted one with a word more or less ("Sir Vivian Fuchs", "Vivian Fuchs")."""
MAX_EXTRA_TOKENS = 12
"""Tokens that an answer may have beside the accepted one: a sentence around it, not a list that has everything."""
_LETTER = re.compile(r"\w")
_ROMAN = re.compile(r"[ivx]+")
_HOME_NATIONS = {
    "english": "England", "england": "England", "英格兰": "England",
    "scottish": "Scotland", "scotland": "Scotland", "苏格兰": "Scotland",
    "welsh": "Wales", "wales": "Wales", "威尔士": "Wales", "northern ireland": "Northern Ireland",
}  # fmt: skip
"""What are countries of their own where answers are compared, though typed facts take them for the United Kingdom."""
_YES_ANSWERS = frozenset({"yes", "true", "是", "是 的", "对", "对 的", "有", "正 确"})
_NO_ANSWERS = frozenset({"no", "false", "否", "不", "不 是", "不 对", "没 有", "并 非", "错 误"})


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


def answer_matches(answer: str, accepted: Sequence[str]) -> bool:
    """Whether an answer says what one of the accepted ones says.

    It does with the same tokens, the same date or quantity, the same country or its people ("Danish" for Denmark), the
    accepted one inside a sentence, or a word more or less of a name (a token F1 of `NEAR`, the same numbers). A date that is
    less exact than the accepted one does not; one that is more exact does.
    """
    bare_answer = normalize_answer(answer)
    return any(_is_same_answer(bare_answer, accepted_answer) for accepted_answer in accepted)


def _is_same_answer(answer: str, accepted_answer: str) -> bool:
    answer_words, accepted_words = answer_tokens(answer), answer_tokens(accepted_answer)
    if not answer_words or not accepted_words:
        return False
    polarity = {True: _YES_ANSWERS, False: _NO_ANSWERS}
    for value, words in polarity.items():
        if " ".join(accepted_words) in words:
            return _begins_with_any(answer_words, words) and not _begins_with_any(
                answer_words, polarity[not value], longer_than=words
            )
    if answer_words == accepted_words:
        return True
    dates = normalize_date(answer), normalize_date(accepted_answer)
    if all(dates):
        return dates[0].startswith(dates[1])
    countries = _country_of(answer), _country_of(accepted_answer)
    if all(countries):
        return countries[0] == countries[1]
    quantities = parse_quantity(answer), parse_quantity(accepted_answer)
    if quantities[0] and quantities[1]:
        return quantities[0] == quantities[1]
    if _contains_tokens(accepted_words, answer_words) and len(answer_words) <= len(accepted_words) + MAX_EXTRA_TOKENS:
        return True
    # a title more or less, but nothing else in its place: the seventh Henry is not the eighth, nor Gotha Weimar
    answer_counts, accepted_counts = Counter(answer_words), Counter(accepted_words)
    return (
        (answer_counts <= accepted_counts or accepted_counts <= answer_counts)
        and not _number_words(answer_words) ^ _number_words(accepted_words)
        and token_f1(answer, [accepted_answer]) >= FUZZY_MATCH_F1
    )


def _country_of(name: str) -> str:
    """The country that a name or an adjective as a whole means; "" of anything else."""
    bare_name = name.strip(" .。").lower().removeprefix("the ")
    return _HOME_NATIONS.get(bare_name) or load_predicate_schema().countries.get(bare_name, "")


def _number_words(words: list[str]) -> set[str]:
    """Numbers, Roman ones too: with one more or less, a name is another's."""
    return {word for word in words if word.isdigit() or _ROMAN.fullmatch(word)}


def _begins_with_any(answer_words: list[str], words: frozenset[str], longer_than: frozenset[str] = frozenset()) -> bool:
    """Whether an answer begins with one of some words; ``longer_than``: with one that none of those begins."""
    matching = [w for w in words if answer_words[: len(w.split())] == w.split()]
    other_matching = [w for w in longer_than if answer_words[: len(w.split())] == w.split()]
    return max((len(w) for w in matching), default=0) > max((len(w) for w in other_matching), default=0)


def _contains_tokens(part: list[str], whole: list[str]) -> bool:
    return any(whole[n : n + len(part)] == part for n in range(len(whole) - len(part) + 1))


def classify_outcome(
    answer: str, accepted: Sequence[str], condition: Condition, *, is_in_evidence: bool = False
) -> Outcome:
    """What became of a question that was answered so.

    Args:
        answer: as the model gave it.
        accepted: what is right; in the counterfactual condition what the edited evidence says.
        condition: on the unanswerable, silence is right, and any answer wrong.
        said_by_evidence: what was shown says an accepted answer all the same: then it is right on the unanswerable, too.
    """
    if not _LETTER.search(answer):
        return Outcome.EMPTY
    if is_abstention(answer):
        return Outcome.ABSTAINED
    is_correct = answer_matches(answer, accepted) and (condition != Condition.UNANSWERABLE or is_in_evidence)
    return Outcome.CORRECT if is_correct else Outcome.WRONG


def outcome_rates(
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
    total = len(outcomes)
    counts = {kind.value: sum(o is kind for o in outcomes) for kind in Outcome}
    wrong, abstained = counts["wrong"], counts["abstained"]
    values = [float(outcome_value(o)) for o in outcomes]
    return {
        "counts": counts,
        "questions": total,
        "hallucination": asdict(wilson(wrong, total)),
        "hallucination_answered": asdict(wilson(wrong, wrong + counts["correct"])),
        "correct": asdict(wilson(counts["correct"], total)),
        "truthfulness": asdict(cluster_bootstrap(values, clusters, seed=seed)),
        "false_abstention": asdict(wilson(abstained, total if answerable else 0)),
        "correct_abstention": asdict(wilson(abstained, 0 if answerable else total)),
        "empty": asdict(wilson(counts["empty"], total)),
    }


def outcome_value(outcome: Outcome) -> int:
    """1 for correct, -1 for wrong, 0 for silence: a truthful system is silent rather than wrong."""
    return {Outcome.CORRECT: 1, Outcome.WRONG: -1}.get(outcome, 0)
