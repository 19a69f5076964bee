"""Find the best paths between two entities: by the product of confidences, with a cost per step."""

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
"""Cost of a step besides its negative log confidence: three certain facts cost as much as one of half confidence."""
MENTION_WEIGHT = 0.2
"""Weight of a mention, compared with confidences of facts: naming two entities together says little."""
MAX_EXPANSIONS = 20_000
"""Maximum number of partial paths that the search expands."""


@dataclass(frozen=True, slots=True)
class EntityPaths:
    """Paths, best first; ``is_complete`` unless the search stopped at `MAX_EXPANSIONS`."""

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
    """Return at most ``max_paths`` best paths of at most ``max_steps`` steps, best first.

    Steps follow facts in either direction. A path visits no entity twice and does not pass through a date. If facts
    alone do not connect the two entities, the edges of ``mentions``, if given, are steps as well. An entity has no path
    to itself.
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
    """Find simple paths by uniform-cost search (Dijkstra 1959), expanding only entities close enough to the goal.

    Ties are broken by id, so that the same store gives the same paths.
    """

    @cache
    def neighbours(entity: str) -> list[tuple[str, float, Triple]]:
        """Return (neighbour, cost, most confident edge to it), ordered by neighbour."""
        best: dict[str, Triple] = {}
        if entity not in (start, goal) and normalize_date(entity):
            return []  # events of the same year are not connected by it
        for t in edges(entity):
            neighbour = t.object if t.subject == entity else t.subject
            if neighbour != entity and (neighbour not in best or _edge_weight(best[neighbour]) < _edge_weight(t)):
                best[neighbour] = t
        return [(neighbour, STEP_COST - log(_edge_weight(t)), t) for neighbour, t in sorted(best.items())]

    distance_to_goal = {goal: 0}
    frontier, known_distance, remaining = [goal], max_steps // 2, MAX_EXPANSIONS
    for distance in range(1, known_distance + 1):
        next_frontier: list[str] = []
        for entity in frontier:
            remaining -= 1
            if remaining < 0:
                known_distance = distance - 1  # this distance is incomplete: it must not rule out any path
                break
            for neighbour, _, _ in neighbours(entity):
                if neighbour not in distance_to_goal:
                    distance_to_goal[neighbour] = distance
                    next_frontier.append(neighbour)
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
        for neighbour, edge_cost, triple in neighbours(nodes[-1]):
            remaining_steps = distance_to_goal.get(neighbour, known_distance + 1)
            if neighbour not in nodes and len(triples) + 1 + remaining_steps <= max_steps:
                heapq.heappush(queue, (round(cost + edge_cost, 9), (*nodes, neighbour), (*triples, triple)))
    return EntityPaths(tuple(found_paths), is_complete=True)


def _edge_weight(triple: Triple) -> float:
    return MENTION_WEIGHT if triple.predicate == "mentions" else triple.confidence
