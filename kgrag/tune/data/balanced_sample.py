"""Sample questions balanced over predicates and documents, so that a large store does not only yield birthdays."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from kgrag.tune.data.synthetic_questions import COMPARISON, ONE_HOP, TWO_HOP, SyntheticQuestion, seeded_digest

KIND_SHARES: Mapping[str, float] = {ONE_HOP: 0.4, TWO_HOP: 0.3, COMPARISON: 0.3}
"""Share of each kind; if a kind has too few questions, the others fill its share."""


def sample_questions(questions: Sequence[SyntheticQuestion], number: int, seed: int) -> list[SyntheticQuestion]:
    """Return at most ``number`` distinct questions, in an order that depends on the seed alone.

    Within a kind, topics ("director date_of_birth") alternate, and within a topic questions on the least used documents
    come first.
    """
    by_kind: defaultdict[str, list[SyntheticQuestion]] = defaultdict(list)
    for question in {q.text: q for q in questions}.values():
        by_kind[question.kind].append(question)
    quotas = _kind_quotas({kind: len(by_kind[kind]) for kind in KIND_SHARES}, number)
    document_uses: Counter[str] = Counter()
    chosen = [q for kind in KIND_SHARES for q in _take_turns(by_kind[kind], quotas[kind], document_uses, seed)]
    return sorted(chosen, key=lambda q: seeded_digest(seed, q.id))


def _kind_quotas(available: Mapping[str, int], number: int) -> dict[str, int]:
    quotas = {kind: min(available[kind], round(share * number)) for kind, share in KIND_SHARES.items()}
    for kind in KIND_SHARES:
        quotas[kind] += min(available[kind] - quotas[kind], max(number - sum(quotas.values()), 0))
    while sum(quotas.values()) > number:  # rounding up three shares may exceed the number
        quotas[max(quotas, key=lambda kind: quotas[kind])] -= 1
    return quotas


def _take_turns(
    questions: Sequence[SyntheticQuestion], number: int, document_uses: Counter[str], seed: int
) -> list[SyntheticQuestion]:
    groups: defaultdict[str, list[SyntheticQuestion]] = defaultdict(list)
    for question in sorted(questions, key=lambda q: seeded_digest(seed, "turn", q.id)):
        groups[question.topic].append(question)
    order = sorted(groups, key=lambda topic: seeded_digest(seed, "group", topic))
    chosen: list[SyntheticQuestion] = []
    max_uses = 1
    while len(chosen) < number and any(groups.values()):
        before = len(chosen)
        for topic in order:
            if len(chosen) == number:
                break
            position = next(
                (n for n, q in enumerate(groups[topic]) if all(document_uses[d] < max_uses for d in q.documents)), None
            )
            if position is not None:
                question = groups[topic].pop(position)
                document_uses.update(question.documents)
                chosen.append(question)
        max_uses += len(chosen) == before  # only when no group has a question on less used documents
    return chosen
