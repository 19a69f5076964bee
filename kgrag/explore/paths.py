"""The best paths between two entities over typed facts: the product of their confidences, fewer steps first."""

from __future__ import annotations

import heapq
from math import log

from graphs.facts import Facts
from kgrag.types import Path, Triple

STEP = 0.35
"""What a step costs beside the logarithm of its confidence: three sure facts are worth one of half the confidence."""
HUB = 200
"""Facts of an entity that are followed at most, the surest first: through a country everything joins everything."""
EXPANDED = 20_000
"""Entities that are looked at before the search gives up."""


def paths(facts: Facts, start: str, goal: str, *, most: int, longest: int) -> list[Path]:
    """The ``most`` best paths of at most ``longest`` facts, in either direction, best first; no entity twice in one.

    Uniform-cost search (Dijkstra 1959) over simple paths; ties by id, so that the same store gives the same paths.
    """
    found: list[Path] = []
    waiting: list[tuple[float, tuple[str, ...], tuple[Triple, ...]]] = [(0.0, (start,), ())]
    ends: dict[str, int] = {}
    expanded = 0
    while waiting and len(found) < most and expanded < EXPANDED:
        cost, nodes, triples = heapq.heappop(waiting)
        here = nodes[-1]
        if here == goal and triples:
            found.append(Path(nodes, tuple(facts.name(node) for node in nodes), triples))
            continue
        # an entity reached often enough has better ways to it than any that would come later
        ends[here] = ends.get(here, 0) + 1
        if ends[here] > most or len(triples) == longest:
            continue
        expanded += 1
        for triple, other in _around(facts, here):
            if other not in nodes:
                further = cost + STEP - log(triple.confidence)
                heapq.heappush(waiting, (further, (*nodes, other), (*triples, triple)))
    return found


def _around(facts: Facts, entity: str) -> list[tuple[Triple, str]]:
    """The surest fact to each neighbour."""
    best: dict[str, Triple] = {}
    for triple in (*facts.about(entity), *facts.pointing_at(entity)):
        other = triple.object if triple.subject == entity else triple.subject
        if other != entity and (other not in best or best[other].confidence < triple.confidence):
            best[other] = triple
    kept = sorted(best.items(), key=lambda pair: (-pair[1].confidence, pair[0]))[:HUB]
    return [(triple, other) for other, triple in kept]
