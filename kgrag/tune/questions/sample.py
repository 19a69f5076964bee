"""A sample that is balanced over what is asked and over documents, so that a large store does not yield birthdays alone."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from kgrag.tune.questions.made import COMPARISON, ONE, TWO, Made, digest

SHARES: Mapping[str, float] = {ONE: 0.4, TWO: 0.3, COMPARISON: 0.3}
"""How many of each kind, as far as there are so many; where there are not, the others take their place."""


def sample(made: Sequence[Made], number: int, seed: int) -> list[Made]:
    """At most ``number`` of the questions, each text once; the same ones for the same seed, and in the same order.

    Within a kind, what is asked ("director date_of_birth") takes turns, and of one thing asked the question comes first
    whose documents have been used least.
    """
    kinds: defaultdict[str, list[Made]] = defaultdict(list)
    for question in {q.text: q for q in made}.values():
        kinds[question.kind].append(question)
    wanted = _wanted({kind: len(kinds[kind]) for kind in SHARES}, number)
    used: Counter[str] = Counter()
    chosen = [q for kind in SHARES for q in _turns(kinds[kind], wanted[kind], used, seed)]
    return sorted(chosen, key=lambda q: digest(seed, q.id))


def _wanted(there: Mapping[str, int], number: int) -> dict[str, int]:
    wanted = {kind: min(there[kind], round(share * number)) for kind, share in SHARES.items()}
    for kind in SHARES:
        wanted[kind] += min(there[kind] - wanted[kind], max(number - sum(wanted.values()), 0))
    while sum(wanted.values()) > number:  # three shares may round up
        wanted[max(wanted, key=lambda kind: wanted[kind])] -= 1
    return wanted


def _turns(questions: Sequence[Made], number: int, used: Counter[str], seed: int) -> list[Made]:
    groups: defaultdict[str, list[Made]] = defaultdict(list)
    for question in sorted(questions, key=lambda q: digest(seed, "turn", q.id)):
        groups[question.asks].append(question)
    order = sorted(groups, key=lambda asks: digest(seed, "group", asks))
    chosen: list[Made] = []
    most = 1
    while len(chosen) < number and any(groups.values()):
        before = len(chosen)
        for asks in order:
            if len(chosen) == number:
                break
            place = next((n for n, q in enumerate(groups[asks]) if all(used[d] < most for d in q.documents)), None)
            if place is not None:
                question = groups[asks].pop(place)
                used.update(question.documents)
                chosen.append(question)
        most += len(chosen) == before  # only when every group has nothing left of documents that were used less
    return chosen
