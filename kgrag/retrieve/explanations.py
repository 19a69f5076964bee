"""Explain hits: find the shortest path from a name in the question to a passage, with the sentence of each step."""

from __future__ import annotations

import heapq
import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from graphs.gazetteer import without_bracket
from graphs.walk.adjacency import Adjacency
from kgrag.text import has_cjk, normalize_name, sentence_spans
from kgrag.types import DocumentHeader, Passage, Path, Triple

RowNumbers = NDArray[np.int64]
MAX_PATH_PASSAGES = 3
"""Maximum passages on a path."""


class PassageWithHeader(NamedTuple):
    """A passage with its document's header."""

    passage: Passage
    header: DocumentHeader


class PathExplainer:
    """Finds paths among the best-ranked passages.

    Args:
        graph: adjacency of passages and names.
        triples_in: returns the triples that passages state, by passage ids.
    """

    def __init__(
        self,
        graph: Adjacency,
        triples_in: Callable[[Iterable[str]], list[Triple]],
    ) -> None:
        self._graph, self._triples_in = graph, triples_in

    def find_paths(
        self, question: str, texts: Mapping[int, PassageWithHeader], hits: RowNumbers
    ) -> list[tuple[Path, ...]]:
        """Return for each hit its best path through ``texts``; no path if no name of the question leads there.

        Args:
            question: the user's question.
            texts: passages to search, by row, best first.
            hits: rows.
        """
        graph = self._graph
        name_matches = graph.gazetteer.find(question, any_case=question.islower())
        surface_forms = {f.name: question[f.start : f.end] for f in name_matches if graph.idf[f.name] > 0}
        if not surface_forms or not texts:
            return [() for _ in hits]
        routes = self._cheapest_routes(surface_forms, np.fromiter(texts, np.int64, len(texts)))
        if not any(int(hit) in routes for hit in hits):
            return [() for _ in hits]
        ranks = {text.passage.id: rank for rank, text in enumerate(texts.values())}
        facts = sorted(self._triples_in(ranks), key=lambda triple: ranks[triple.passage_id])
        paths_by_hit: list[tuple[Path, ...]] = []
        for hit in hits:
            route = routes.get(int(hit))
            paths_by_hit.append((self._build_path(route, surface_forms, texts, facts),) if route else ())
        return paths_by_hit

    def _cheapest_routes(self, surface_forms: Mapping[int, str], pool: RowNumbers) -> dict[int, list[tuple[int, int]]]:
        """Return row -> its cheapest route: pairs (passage, the name by which it was entered), first to last.

        A step costs 1, more through a common name, less through a passage's own title.
        """
        graph = self._graph
        neighbourhood = graph.neighbourhood(pool)
        names, columns = neighbourhood.names.tolist(), neighbourhood.edges.tocsc()
        usable = (np.diff(columns.indptr) > 1) | np.isin(neighbourhood.names, sorted(surface_forms))
        members = {
            names[place]: columns.indices[columns.indptr[place] : columns.indptr[place + 1]]
            for place in np.flatnonzero(usable)
        }

        def names_of_row(matrix: sparse.csr_array, row: int) -> list[int]:
            return [names[place] for place in matrix.indices[matrix.indptr[row] : matrix.indptr[row + 1]]]

        title_names = [set(names_of_row(neighbourhood.titles, row)) for row in range(len(pool))]
        usable_names = [
            [name for name in names_of_row(neighbourhood.edges, row) if name in members] for row in range(len(pool))
        ]
        max_idf = float(graph.idf.max(initial=0)) or 1.0
        entered: dict[int, tuple[float, list[tuple[int, int]]]] = {}
        queue: list[tuple[float, int, int, list[tuple[int, int]]]] = []

        def enter_by_name(cost: float, name: int, route: list[tuple[int, int]]) -> None:
            rare = 1 - float(graph.idf[name]) / max_idf
            for place in members.get(name, ()):
                price = cost + 1 + rare - (0.6 if name in title_names[place] else 0.0)
                heapq.heappush(queue, (price, int(place), name, route))

        for name in sorted(surface_forms):
            enter_by_name(0.0, name, [])
        while queue:
            cost, place, name, route = heapq.heappop(queue)
            row = int(pool[place])
            if row in entered:
                continue
            extended_route = [*route, (row, name)]
            entered[row] = (cost, extended_route)
            if len(extended_route) < MAX_PATH_PASSAGES:
                for next_name in usable_names[place]:
                    if next_name != name and next_name not in surface_forms:
                        enter_by_name(cost, next_name, extended_route)
        return {row: route for row, (_, route) in entered.items()}

    def _build_path(
        self,
        route: list[tuple[int, int]],
        surface_forms: Mapping[int, str],
        texts: Mapping[int, PassageWithHeader],
        facts: list[Triple],
    ) -> Path:
        """Return the names and triples along a route; a step inside a passage passes through its title's entity."""
        first = route[0][1]
        nodes = [self._entity_in_document(first, texts[route[0][0]].header)]
        names = [surface_forms[first]]
        triples: list[Triple] = []
        for step, (row, _) in enumerate(route):
            passage, header = texts[row]
            next_name = route[step + 1][1] if step + 1 < len(route) else None
            waypoints = [(header.entity_id, without_bracket(header.title))]
            if next_name is not None:
                name = self._graph.names[next_name]
                waypoints.append(
                    (
                        self._entity_in_document(next_name, texts[route[step + 1][0]].header),
                        _surface_form(passage, self._graph, next_name) or name,
                    )
                )
            for node, name in waypoints:
                if node != nodes[-1] and normalize_name(name) != normalize_name(names[-1]):
                    triples.append(
                        self._connecting_triple(passage, header.entity_id, facts, nodes[-1], node, names[-1], name)
                    )
                    nodes.append(node)
                    names.append(name)
        return Path(tuple(nodes), tuple(names), tuple(triples))

    def _entity_in_document(self, name: int, header: DocumentHeader) -> str:
        """Return the entity that a name refers to in a document: the document's own entity if it has that name."""
        text = self._graph.names[name]
        title_forms = (header.entity_id, normalize_name(without_bracket(header.title)), normalize_name(header.title))
        return header.entity_id if text in title_forms else text

    def _connecting_triple(
        self, passage: Passage, title_id: str, facts: list[Triple], left: str, right: str, *surface_forms: str
    ) -> Triple:
        """Return a typed triple between two entities, preferably of this passage, or else a `mentions` triple."""
        ends = {left, normalize_name(surface_forms[0])}, {right, normalize_name(surface_forms[1])}
        connecting = [
            t
            for t in facts
            if (t.subject in ends[0] and t.object in ends[1]) or (t.subject in ends[1] and t.object in ends[0])
        ]
        if connecting:
            return max(connecting, key=lambda t: (t.confidence, t.passage_id == passage.id, t.predicate))
        other_entity, name = (right, surface_forms[1]) if left == title_id else (left, surface_forms[0])
        start, end = _find_sentence(passage, normalize_name(name))
        return Triple(title_id, "mentions", other_entity, passage.id, start, end, 1.0)


def _surface_form(passage: Passage, graph: Adjacency, name: int) -> str:
    """Return a name as the passage writes it; "" if the passage lacks it."""
    text, normalized = passage.text, graph.names[name]
    for match in _pattern_of(normalized).finditer(text):
        if " " in normalized or has_cjk(normalized) or not match.group()[0].islower():
            return match.group()
    for name_match in graph.gazetteer.find(text):  # written with accents or other characters than the normalised name
        if name_match.name == name:
            return text[name_match.start : name_match.end]
    return ""


def _find_sentence(passage: Passage, name: str) -> tuple[int, int]:
    """Return the document span of the first sentence with a name, or the whole passage if no sentence has it."""
    spans, match = sentence_spans(passage.text), _pattern_of(name).search(passage.text)
    if match is not None:
        for start, end in spans:
            if start <= match.start() and match.end() <= end:
                return passage.start + start, passage.start + end
    for start, end in spans:
        if f" {name} " in f" {normalize_name(passage.text[start:end])} ":
            return passage.start + start, passage.start + end
    return passage.start, passage.end


@lru_cache(maxsize=1024)
def _pattern_of(name: str) -> re.Pattern[str]:
    """Return a pattern of a normalised name in running text, which is far faster than a search for all names."""
    words = r"[\W_]{0,3}".join(re.escape(word) for word in name.split())
    return re.compile(words if has_cjk(name) else rf"(?<![^\W_]){words}(?![^\W_])", re.IGNORECASE)
