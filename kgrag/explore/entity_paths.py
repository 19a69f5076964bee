"""The best paths between two entities: the product of their facts' confidences, fewer steps first."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from math import log

from graphs.facts.fact_index import FactIndex
from kgrag.explore.mention_edges import MentionEdges
from kgrag.text.dates import normalize_date
from kgrag.types import Path, Triple

STEP_COST = 0.35
"""What a step costs beside the logarithm of its confidence: three sure facts are worth one of half the confidence."""
MENTION_WEIGHT = 0.2
"""What a mention weighs beside facts: that two things are named together says little."""
MAX_EXPANSIONS = 20_000
"""Ways that are looked at further before the search gives up."""


@dataclass(frozen=True, slots=True)
class EntityPaths:
    """Paths, best first; ``complete`` unless the search gave up before it had looked everywhere."""

    paths: tuple[Path, ...]
    is_complete: bool


def find_paths(
    facts: FactIndex,
    start: str,
    goal: str,
    *,
    max_paths: int,
    max_steps: int,
    mentions: Callable[[], MentionEdges] | None = None,
) -> EntityPaths:
    """The ``most`` best paths of at most ``longest`` steps, in either direction, best first; no entity twice in one,
    and none by way of a date.

    Where no facts alone join the two, ``mentions`` are steps as well, if given. An entity is not joined to itself.
    """

    def fact_edges(entity: str) -> Iterable[Triple]:
        return (*facts.outgoing(entity), *facts.incoming(entity))

    search_result = _search(fact_edges, facts.display_name, start, goal, max_paths, max_steps)
    if search_result.paths or mentions is None:
        return search_result
    mention_edges = mentions()
    search_result = _search(
        lambda entity: (*fact_edges(entity), *mention_edges.edges_of(entity)),
        facts.display_name,
        start,
        goal,
        max_paths,
        max_steps,
    )
    spellings = mention_edges.spellings(frozenset(node for path in search_result.paths for node in path.nodes))
    named_paths = []
    for path in search_result.paths:
        names = (facts.display_name(node) for node in path.nodes)
        triples = (mention_edges.with_sentence_span(t) if t.predicate == "mentions" else t for t in path.triples)
        display_names = (
            spellings.get(node, name) if name == node else name for node, name in zip(path.nodes, names, strict=True)
        )
        named_paths.append(Path(path.nodes, tuple(display_names), tuple(triples)))
    return EntityPaths(tuple(named_paths), search_result.is_complete)


def _search(
    edges: Callable[[str], Iterable[Triple]],
    name: Callable[[str], str],
    start: str,
    goal: str,
    max_paths: int,
    max_steps: int,
) -> EntityPaths:
    """Uniform-cost search (Dijkstra 1959) over simple paths, to those entities alone from which the goal is near enough;
    ties by id, so that the same store gives the same paths."""

    @cache
    def neighbours(entity: str) -> list[tuple[str, float, Triple]]:
        """(neighbour, cost, the surest edge to it), by neighbour."""
        best: dict[str, Triple] = {}
        if entity not in (start, goal) and normalize_date(entity):
            return []  # that two things fell into one year joins nothing
        for t in edges(entity):
            other = t.object if t.subject == entity else t.subject
            if other != entity and (other not in best or _edge_weight(best[other]) < _edge_weight(t)):
                best[other] = t
        return [(other, STEP_COST - log(_edge_weight(t)), t) for other, t in sorted(best.items())]

    distance_to_goal = {goal: 0}
    frontier, known_distance, remaining = [goal], max_steps // 2, MAX_EXPANSIONS
    for distance in range(1, known_distance + 1):
        next_frontier: list[str] = []
        for entity in frontier:
            remaining -= 1
            if remaining < 0:
                known_distance = distance - 1  # what is as far as that was not all seen: no way may be ruled out by it
                break
            for other, _, _ in neighbours(entity):
                if other not in distance_to_goal:
                    distance_to_goal[other] = distance
                    next_frontier.append(other)
        if remaining < 0:
            break
        frontier = next_frontier
    found_paths: list[Path] = []
    queue: list[tuple[float, tuple[str, ...], tuple[Triple, ...]]] = [(0.0, (start,), ())]
    expansions = 0
    while queue and len(found_paths) < max_paths:
        cost, nodes, triples = heapq.heappop(queue)
        if nodes[-1] == goal:
            if triples:
                found_paths.append(Path(nodes, tuple(map(name, nodes)), triples))
            continue
        expansions += 1
        if expansions > MAX_EXPANSIONS:
            return EntityPaths(tuple(found_paths), is_complete=False)
        for other, edge_cost, triple in neighbours(nodes[-1]):
            if other not in nodes and len(triples) + 1 + distance_to_goal.get(other, known_distance + 1) <= max_steps:
                heapq.heappush(queue, (round(cost + edge_cost, 9), (*nodes, other), (*triples, triple)))
    return EntityPaths(tuple(found_paths), is_complete=True)


def _edge_weight(triple: Triple) -> float:
    return MENTION_WEIGHT if triple.predicate == "mentions" else triple.confidence
