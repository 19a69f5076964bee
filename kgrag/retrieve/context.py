"""What is known of each candidate once the best are known: what these say of it, and what they leave unanswered.

Evidence is a set: the second passage of a chain is worth what it adds to the first. So the candidates are ordered
twice, and the second time each is seen beside the best of the first order.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from kgrag.retrieve.features import inverse_rank, relative
from kgrag.retrieve.matches import Column, Matches

LEAD = 3
"""How many of the best are looked at one by one."""


def context(matches: Matches, chance: NDArray[np.float64]) -> tuple[list[str], NDArray[np.float32]]:
    """Names of the features, and their values of shape (n, features); no value is NaN.

    Args:
        matches: of the candidates.
        chance: (n,) how likely each is to be evidence, by the first order, in (0, 1).
    """
    count = len(chance)
    sure = np.clip(chance, 1e-6, 1 - 1e-6)
    order = np.argsort(-chance, kind="stable")
    lead = order[:LEAD]
    weight = chance.astype(np.float32)
    columns: dict[str, Column] = {
        "chance": np.log(sure / (1 - sure)),
        "chance/best": relative(weight),
        "chance/rank": inverse_rank(weight),
    }
    for place in range(LEAD + 1):
        columns[f"chance of {place + 1}"] = np.full(count, chance[order[place]] if place < count else 0.0)
    twins = (matches.title[:, None] == matches.title[None]) & ~np.eye(count, dtype=bool)
    columns["best of same title"] = (twins * weight[None]).max(axis=1, initial=0)
    columns["better of same title"] = (twins & (chance[None] > chance[:, None])).sum(axis=1)
    columns["same title"] = twins.sum(axis=1)

    bridges = matches.bridges()
    told = (weight[:, None] * bridges).max(axis=0, initial=0)
    tells = (bridges * weight[None]).max(axis=1, initial=0)
    columns |= {"told": told, "told/best": relative(told), "tells": tells, "tells/best": relative(tells)}
    columns["told further"] = (told[:, None] * bridges).max(axis=0, initial=0)
    columns["shares"] = (weight[:, None] * matches.shared).max(axis=0, initial=0)
    columns["shares in all"] = (weight[:, None] * matches.shared).sum(axis=0)
    for place in range(LEAD):
        here = lead[place] if place < count else None
        none = np.zeros(count, np.float32)
        columns[f"told by {place + 1}"] = none if here is None else bridges[here]
        columns[f"tells of {place + 1}"] = none if here is None else bridges[:, here]
        columns[f"shares with {place + 1}"] = none if here is None else matches.shared[here]
    columns |= _unanswered(matches, order)
    columns |= _residual(matches, order)
    names = list(columns)
    values = [columns[name] for name in names]
    return names, np.stack(values, axis=1).astype(np.float32) if count else np.zeros((0, len(names)), np.float32)


def _others(order: NDArray[np.int64], size: int, candidate: int) -> Sequence[int]:
    """The best ``size`` besides one of them."""
    return [int(other) for other in order[: size + 1] if other != candidate][:size]


def _unanswered(matches: Matches, order: NDArray[np.int64]) -> dict[str, Column]:
    """Which part of the question each candidate, and its best sentence, adds to the words that the best have."""
    covered, said = matches.covered(), matches.words.astype(np.float32)
    columns: dict[str, Column] = {}
    for size in range(1, LEAD + 1):
        left = matches.weight * (1 - covered[order[:size]].max(axis=0, initial=0))
        adds, sentence = covered @ left, matches.best_sentence(said @ left)
        for best in order[:size]:  # beside the others, not beside itself
            rest = matches.weight * (1 - covered[_others(order, size, best)].max(axis=0, initial=0))
            adds[best] = covered[best] @ rest
            sentence[best] = (said[matches.owner == best] @ rest).max(initial=0)
        columns[f"adds to {size}"], columns[f"adds to {size}/best"] = adds, relative(adds)
        columns[f"sentence adds to {size}"] = sentence
        columns[f"left by {size}"] = np.full(len(order), left.sum())
    return columns


def _residual(matches: Matches, order: NDArray[np.int64]) -> dict[str, Column]:
    """Cosines with what is left of the question's vector without its part in the span of the best ones' vectors."""
    columns: dict[str, Column] = {}
    for size in (1, 2):
        rest = _without(matches, order[:size])
        for best in order[:size]:
            rest[best] = _without(matches, _others(order, size, best))[best]
        columns[f"asks beyond {size}"] = rest
        columns[f"asks beyond {size}/gap"] = rest - rest.max(initial=-1)
    for place in range(2):
        like = matches.alike[order[place]] if place < len(order) else np.zeros(len(order), np.float32)
        both = like + matches.asked
        columns[f"like {place + 1}"], columns[f"like {place + 1} and asked/gap"] = like, both - both.max(initial=-1)
    return columns


def _without(matches: Matches, span: Sequence[int] | NDArray[np.int64]) -> Column:
    """(n,): the products of candidates with the question less its projection on the vectors of ``span``."""
    span = list(span)
    if not span or not matches.asked.any():
        return matches.asked.copy()
    gram = matches.alike[np.ix_(span, span)] + 1e-4 * np.eye(len(span), dtype=np.float32)  # two may be the same
    parts = np.linalg.solve(gram, matches.asked[span])
    return np.asarray(matches.asked - matches.alike[:, span] @ parts, np.float32)
