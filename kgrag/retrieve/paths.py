"""Why a passage was found: the shortest walk from a name in the question to it, with the sentence of each step."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from graphs.adjacency import Adjacency
from graphs.gazetteer import without_bracket
from kgrag.text import key, sentences
from kgrag.types import Heading, Passage, Path, Triple

Rows = NDArray[np.int64]
LONGEST = 3
"""Passages on a path, at most."""


class Text(NamedTuple):
    """A passage, and what stands above it."""

    passage: Passage
    heading: Heading


class Explainer:
    """Finds paths among the passages that were ranked best.

    Args:
        graph: passages and names.
        triples: gives the triples that passages state, by their ids.
    """

    def __init__(
        self,
        graph: Adjacency,
        triples: Callable[[Iterable[str]], list[Triple]],
    ) -> None:
        self._graph, self._triples = graph, triples

    def paths(self, question: str, texts: Mapping[int, Text], hits: Rows) -> list[tuple[Path, ...]]:
        """For each of ``hits`` (rows) the best path through ``texts`` (by row, best first), or none if no name leads there."""
        graph = self._graph
        found = graph.gazetteer.find(question, any_case=question.islower())
        spoken = {f.name: question[f.start : f.end] for f in found if graph.idf[f.name] > 0}
        if not spoken or not texts:
            return [() for _ in hits]
        routes = self._routes(spoken, np.fromiter(texts, np.int64, len(texts)))
        if not any(int(hit) in routes for hit in hits):
            return [() for _ in hits]
        ranks = {text.passage.id: rank for rank, text in enumerate(texts.values())}
        facts = sorted(self._triples(ranks), key=lambda triple: ranks[triple.passage_id])
        out: list[tuple[Path, ...]] = []
        for hit in hits:
            route = routes.get(int(hit))
            out.append((self._path(route, spoken, texts, facts),) if route else ())
        return out

    def _routes(self, spoken: Mapping[int, str], pool: Rows) -> dict[int, list[tuple[int, int]]]:
        """row -> its cheapest route: pairs (passage, the name by which it was entered), first to last.

        A step costs 1, more by way of a common name, less by way of a passage's own title.
        """
        graph = self._graph
        near = graph.among(pool)
        names, columns = near.names.tolist(), near.ties.tocsc()
        usable = (np.diff(columns.indptr) > 1) | np.isin(near.names, sorted(spoken))
        members = {
            names[place]: columns.indices[columns.indptr[place] : columns.indptr[place + 1]]
            for place in np.flatnonzero(usable)
        }

        def of(matrix: sparse.csr_array, row: int) -> list[int]:
            return [names[place] for place in matrix.indices[matrix.indptr[row] : matrix.indptr[row + 1]]]

        own = [set(of(near.titles, row)) for row in range(len(pool))]
        has = [[name for name in of(near.ties, row) if name in members] for row in range(len(pool))]
        top = float(graph.idf.max()) or 1.0
        entered: dict[int, tuple[float, list[tuple[int, int]]]] = {}
        queue: list[tuple[float, int, int, list[tuple[int, int]]]] = []

        def step(cost: float, name: int, route: list[tuple[int, int]]) -> None:
            rare = 1 - float(graph.idf[name]) / top
            for place in members.get(name, ()):
                price = cost + 1 + rare - (0.6 if name in own[place] else 0.0)
                heapq.heappush(queue, (price, int(place), name, route))

        for name in sorted(spoken):
            step(0.0, name, [])
        while queue:
            cost, place, name, route = heapq.heappop(queue)
            row = int(pool[place])
            if row in entered:
                continue
            here = [*route, (row, name)]
            entered[row] = (cost, here)
            if len(here) < LONGEST:
                for onward in has[place]:
                    if onward != name and onward not in spoken:
                        step(cost, onward, here)
        return {row: route for row, (_, route) in entered.items()}

    def _path(
        self, route: list[tuple[int, int]], spoken: Mapping[int, str], texts: Mapping[int, Text], facts: list[Triple]
    ) -> Path:
        """Names and triples along a route; a step inside a passage goes by way of its title's entity."""
        first = route[0][1]
        nodes = [self._entity(first, texts[route[0][0]].heading)]
        names = [spoken[first]]
        triples: list[Triple] = []
        for step, (row, _) in enumerate(route):
            passage, heading = texts[row]
            onward = route[step + 1][1] if step + 1 < len(route) else None
            stops = [(heading.entity_id, without_bracket(heading.title))]
            if onward is not None:
                name = self._graph.names[onward]
                stops.append(
                    (
                        self._entity(onward, texts[route[step + 1][0]].heading),
                        _spelling(passage, self._graph, onward) or name,
                    )
                )
            for node, name in stops:
                if node != nodes[-1] and key(name) != key(names[-1]):
                    triples.append(self._triple(passage, heading.entity_id, facts, nodes[-1], node, names[-1], name))
                    nodes.append(node)
                    names.append(name)
        return Path(tuple(nodes), tuple(names), tuple(triples))

    def _entity(self, name: int, heading: Heading) -> str:
        """The entity that a name means in a document: its own, if that goes by it."""
        text = self._graph.names[name]
        own = (heading.entity_id, key(without_bracket(heading.title)), key(heading.title))
        return heading.entity_id if text in own else text

    def _triple(
        self, passage: Passage, title_id: str, facts: list[Triple], left: str, right: str, *spelt: str
    ) -> Triple:
        """The typed triple between two entities, from this passage before any other; else that it mentions one."""
        ends = {left, key(spelt[0])}, {right, key(spelt[1])}
        fitting = [
            t
            for t in facts
            if (t.subject in ends[0] and t.object in ends[1]) or (t.subject in ends[1] and t.object in ends[0])
        ]
        if fitting:
            return max(fitting, key=lambda t: (t.confidence, t.passage_id == passage.id, t.predicate))
        other, name = (right, spelt[1]) if left == title_id else (left, spelt[0])
        start, end = _sentence_with(passage, key(name))
        return Triple(title_id, "mentions", other, passage.id, start, end, 1.0)


def _spelling(passage: Passage, graph: Adjacency, name: int) -> str:
    for found in graph.gazetteer.find(passage.text):
        if found.name == name:
            return passage.text[found.start : found.end]
    return ""


def _sentence_with(passage: Passage, name: str) -> tuple[int, int]:
    """The span, in the document, of the first sentence with a name; the whole passage if only its title has it."""
    for start, end in sentences(passage.text):
        if f" {name} " in f" {key(passage.text[start:end])} ":
            return passage.start + start, passage.start + end
    return passage.start, passage.end
