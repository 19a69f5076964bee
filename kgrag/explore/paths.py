"""The best paths between two entities: the product of their facts' confidences, fewer steps first."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from math import log

from graphs.facts import Facts
from kgrag.dates import date
from kgrag.explore.mentions import Mentions
from kgrag.types import Path, Triple

STEP = 0.35
"""What a step costs beside the logarithm of its confidence: three sure facts are worth one of half the confidence."""
MENTION = 0.2
"""What a mention weighs beside facts: that two things are named together says little."""
EXPANDED = 20_000
"""Ways that are looked at further before the search gives up."""


@dataclass(frozen=True, slots=True)
class Joined:
    """Paths, best first; ``complete`` unless the search gave up before it had looked everywhere."""

    paths: tuple[Path, ...]
    complete: bool


def paths(
    facts: Facts, start: str, goal: str, *, most: int, longest: int, mentions: Callable[[], Mentions] | None = None
) -> Joined:
    """The ``most`` best paths of at most ``longest`` steps, in either direction, best first; no entity twice in one,
    and none by way of a date.

    Where no facts alone join the two, ``mentions`` are steps as well, if given. An entity is not joined to itself.
    """

    def typed(entity: str) -> Iterable[Triple]:
        return (*facts.about(entity), *facts.pointing_at(entity))

    found = _search(typed, facts.name, start, goal, most, longest)
    if found.paths or mentions is None:
        return found
    named = mentions()
    found = _search(lambda entity: (*typed(entity), *named.near(entity)), facts.name, start, goal, most, longest)
    spelt = named.names(frozenset(node for path in found.paths for node in path.nodes))
    told = []
    for path in found.paths:
        names = (facts.name(node) for node in path.nodes)
        triples = (named.in_sentence(t) if t.predicate == "mentions" else t for t in path.triples)
        shown = (spelt.get(node, name) if name == node else name for node, name in zip(path.nodes, names, strict=True))
        told.append(Path(path.nodes, tuple(shown), tuple(triples)))
    return Joined(tuple(told), found.complete)


def _search(
    edges: Callable[[str], Iterable[Triple]],
    name: Callable[[str], str],
    start: str,
    goal: str,
    most: int,
    longest: int,
) -> Joined:
    """Uniform-cost search (Dijkstra 1959) over simple paths, to those entities alone from which the goal is near enough;
    ties by id, so that the same store gives the same paths."""

    @cache
    def around(entity: str) -> list[tuple[str, float, Triple]]:
        """(neighbour, cost, the surest edge to it), by neighbour."""
        best: dict[str, Triple] = {}
        if entity not in (start, goal) and date(entity):
            return []  # that two things fell into one year joins nothing
        for t in edges(entity):
            other = t.object if t.subject == entity else t.subject
            if other != entity and (other not in best or _worth(best[other]) < _worth(t)):
                best[other] = t
        return [(other, STEP - log(_worth(t)), t) for other, t in sorted(best.items())]

    away = {goal: 0}
    edge, known, left = [goal], longest // 2, EXPANDED
    for distance in range(1, known + 1):
        reached: list[str] = []
        for entity in edge:
            left -= 1
            if left < 0:
                known = distance - 1  # what is as far as that was not all seen: no way may be ruled out by it
                break
            for other, _, _ in around(entity):
                if other not in away:
                    away[other] = distance
                    reached.append(other)
        if left < 0:
            break
        edge = reached
    found: list[Path] = []
    waiting: list[tuple[float, tuple[str, ...], tuple[Triple, ...]]] = [(0.0, (start,), ())]
    expanded = 0
    while waiting and len(found) < most:
        cost, nodes, triples = heapq.heappop(waiting)
        if nodes[-1] == goal:
            if triples:
                found.append(Path(nodes, tuple(map(name, nodes)), triples))
            continue
        expanded += 1
        if expanded > EXPANDED:
            return Joined(tuple(found), complete=False)
        for other, price, triple in around(nodes[-1]):
            if other not in nodes and len(triples) + 1 + away.get(other, known + 1) <= longest:
                heapq.heappush(waiting, (round(cost + price, 9), (*nodes, other), (*triples, triple)))
    return Joined(tuple(found), complete=True)


def _worth(triple: Triple) -> float:
    return MENTION if triple.predicate == "mentions" else triple.confidence
