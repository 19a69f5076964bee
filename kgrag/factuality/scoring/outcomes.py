"""Outcomes of questions (correct, wrong, abstained or empty) and their rates."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Hashable, Sequence
from enum import StrEnum

from graphs.predicates import PredicateSchema, load_predicate_schema
from kgrag.factuality.experiment.conditions import Condition
from kgrag.factuality.figures import OutcomeRates, RateName, interval_json
from kgrag.metrics.answers import answer_tokens, normalize_answer, token_f1
from kgrag.metrics.intervals import cluster_bootstrap, wilson
from kgrag.text.abstention import is_abstention
from kgrag.text.dates import normalize_date
from kgrag.text.polarity import NO_WORDS, YES_WORDS
from kgrag.text.quantities import parse_quantity

FUZZY_MATCH_F1 = 0.75
"""Minimum token F1 of an answer that differs from an accepted one by a word ("Sir Vivian Fuchs", "Vivian Fuchs")."""
MAX_EXTRA_TOKENS = 12
"""Maximum extra tokens around an accepted answer: enough for a sentence, too few for a list of guesses."""
_LETTER = re.compile(r"\w")
_ROMAN = re.compile(r"[ivx]+")
_HOME_NATIONS = {
    "english": "England", "england": "England", "英格兰": "England",
    "scottish": "Scotland", "scotland": "Scotland", "苏格兰": "Scotland",
    "welsh": "Wales", "wales": "Wales", "威尔士": "Wales", "northern ireland": "Northern Ireland",
}  # fmt: skip
"""Countries of their own in the comparison of answers, although typed facts map them to the United Kingdom."""


class Outcome(StrEnum):
    """The outcome of a question."""

    CORRECT = "correct"
    WRONG = "wrong"
    ABSTAINED = "abstained"
    EMPTY = "empty"


RATES: tuple[RateName, ...] = (
    "hallucination",
    "hallucination_answered",
    "correct",
    "truthfulness",
    "false_abstention",
    "correct_abstention",
    "empty",
)
"""Rates of `outcome_rates`: shares in [0, 1], except ``truthfulness`` in [-1, 1]."""


def answer_matches(answer: str, accepted: Sequence[str], schema: PredicateSchema | None = None) -> bool:
    """Whether an answer means the same as one of the accepted answers.

    Answers match with equal tokens, the same date or quantity, or the same country or its adjective ("Danish" for
    Denmark). They also match if the accepted answer stands inside a sentence, or if a name has a word more or less (a
    token F1 of at least `FUZZY_MATCH_F1` and equal numbers). A date more exact than the accepted one matches; a less exact
    one does not. ``schema`` gives the country names, None for those of the program.
    """
    bare_answer = normalize_answer(answer)
    return any(_is_same_answer(bare_answer, accepted_answer, schema) for accepted_answer in accepted)


def _is_same_answer(answer: str, accepted_answer: str, schema: PredicateSchema | None) -> bool:
    answer_words, accepted_words = answer_tokens(answer), answer_tokens(accepted_answer)
    if not answer_words or not accepted_words:
        return False
    polarity = {True: YES_WORDS, False: NO_WORDS}
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
    countries = _country_of(answer, schema), _country_of(accepted_answer, schema)
    if all(countries):
        return countries[0] == countries[1]
    quantities = parse_quantity(answer), parse_quantity(accepted_answer)
    if quantities[0] and quantities[1]:
        return quantities[0] == quantities[1]
    if _contains_tokens(accepted_words, answer_words) and len(answer_words) <= len(accepted_words) + MAX_EXTRA_TOKENS:
        return True
    # an extra or missing title, but no replaced word: Henry VII is not Henry VIII, and Gotha is not Weimar
    answer_counts, accepted_counts = Counter(answer_words), Counter(accepted_words)
    return (
        (answer_counts <= accepted_counts or accepted_counts <= answer_counts)
        and not _number_words(answer_words) ^ _number_words(accepted_words)
        and token_f1(answer, [accepted_answer]) >= FUZZY_MATCH_F1
    )


def _country_of(name: str, schema: PredicateSchema | None) -> str:
    """Return the country that a whole name or adjective means; "" if it means none."""
    bare_name = name.strip(" .。").lower().removeprefix("the ")
    return _HOME_NATIONS.get(bare_name) or (schema or load_predicate_schema()).countries.get(bare_name, "")


def _number_words(words: list[str]) -> set[str]:
    """Return Arabic and Roman numbers: two names with different numbers are different names."""
    return {word for word in words if word.isdigit() or _ROMAN.fullmatch(word)}


def _begins_with_any(answer_words: list[str], words: frozenset[str], longer_than: frozenset[str] = frozenset()) -> bool:
    """Whether an answer begins with one of ``words``, and with a longer one than of ``longer_than``."""
    matching = [w for w in words if answer_words[: len(w.split())] == w.split()]
    other_matching = [w for w in longer_than if answer_words[: len(w.split())] == w.split()]
    return max((len(w) for w in matching), default=0) > max((len(w) for w in other_matching), default=0)


def _contains_tokens(part: list[str], whole: list[str]) -> bool:
    return any(whole[n : n + len(part)] == part for n in range(len(whole) - len(part) + 1))


def classify_outcome(
    answer: str,
    accepted: Sequence[str],
    condition: Condition,
    *,
    is_in_evidence: bool = False,
    schema: PredicateSchema | None = None,
) -> Outcome:
    """Classify the outcome of a question.

    Args:
        answer: the model's text.
        accepted: correct answers; in the counterfactual condition the answer of the edited evidence.
        condition: if unanswerable, abstention is right and any answer is wrong.
        is_in_evidence: whether the shown evidence states an accepted answer; then that answer is correct although the
            question is unanswerable.
        schema: predicate schema with the store's countries; the shipped one by default.
    """
    if not _LETTER.search(answer):
        return Outcome.EMPTY
    if is_abstention(answer):
        return Outcome.ABSTAINED
    is_correct = answer_matches(answer, accepted, schema) and (condition != Condition.UNANSWERABLE or is_in_evidence)
    return Outcome.CORRECT if is_correct else Outcome.WRONG


def outcome_rates(
    outcomes: Sequence[Outcome], clusters: Sequence[Hashable], *, answerable: bool, seed: int = 0
) -> OutcomeRates:
    """Return all `RATES` with their intervals, and the count of each outcome.

    ``hallucination`` is the share of wrong answers among all questions, ``hallucination_answered`` among the answered
    ones, ``truthfulness`` the share of correct minus the share of wrong answers. ``false_abstention`` is defined for
    answerable questions, ``correct_abstention`` for unanswerable ones; the other one is NaN.

    Args:
        outcomes: one outcome per question.
        clusters: cluster of each question, for the interval of ``truthfulness``; shares have Wilson intervals.
        answerable: whether the questions have an answer.
        seed: seed of the bootstrap.
    """
    total = len(outcomes)
    counts = {kind.value: sum(o is kind for o in outcomes) for kind in Outcome}
    wrong, abstained = counts["wrong"], counts["abstained"]
    values = [float(outcome_value(o)) for o in outcomes]
    return {
        "counts": counts,
        "questions": total,
        "hallucination": interval_json(wilson(wrong, total)),
        "hallucination_answered": interval_json(wilson(wrong, wrong + counts["correct"])),
        "correct": interval_json(wilson(counts["correct"], total)),
        "truthfulness": interval_json(cluster_bootstrap(values, clusters, seed=seed)),
        "false_abstention": interval_json(wilson(abstained, total if answerable else 0)),
        "correct_abstention": interval_json(wilson(abstained, 0 if answerable else total)),
        "empty": interval_json(wilson(counts["empty"], total)),
    }


def outcome_value(outcome: Outcome) -> int:
    """Return 1 for correct, -1 for wrong, and 0 for an abstention, which is better than a wrong answer."""
    return {Outcome.CORRECT: 1, Outcome.WRONG: -1}.get(outcome, 0)
