"""Look up entities, paths and conflicts of the knowledge graph by name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from graphs.facts.fact_index import FactIndex
from graphs.predicates import PredicateSchema
from kgrag.errors import UsageError
from kgrag.protocols import GraphReader
from kgrag.types import Entity, Path, Triple

if TYPE_CHECKING:
    from kgrag.explore.conflicts import Conflict
    from kgrag.explore.entity_view import EntityView
    from kgrag.explore.networkx_view import NetworkXGraph
    from kgrag.explore.stats import GraphStats


class GraphView:
    """A read-only view of one generation of a store's graph, merges applied.

    Args:
        reader: the graph store with its merges.
        facts: its typed facts; `kgrag.store.Store.graph` gives those that the documents state.
        predicates: the store's predicates.
    """

    def __init__(self, reader: GraphReader, facts: FactIndex, predicates: PredicateSchema) -> None:
        self._reader, self._facts, self._predicates = reader, facts, predicates

    def entity(self, name: str, *, limit: int = 20) -> EntityView:
        """Return the entity that ``name`` means, with at most ``limit`` facts in each direction.

        Raises:
            UsageError: the documents do not contain the name; the message has similar names.
        """
        from kgrag.explore.entity_view import view_entity

        return view_entity(self._reader, self._facts, self._predicates, name, limit)

    def entities(self) -> Iterator[Entity]:
        """Yield all entities, ordered by id."""
        return self._reader.entities()

    def triples(self) -> Iterator[Triple]:
        """Yield all triples, ordered by passage and offset."""
        return self._reader.triples()

    def paths(self, first: str, second: str, *, max_paths: int = 3, max_steps: int = 4) -> list[Path]:
        """Return the best paths between two names over facts, else over mentions.

        Raises:
            UsageError: the documents do not contain a name, or both names mean the same entity.
        """
        from kgrag.explore.entity_paths import find_paths
        from kgrag.explore.entity_view import resolve_entities
        from kgrag.explore.mention_edges import MentionEdges

        start, goal = (resolve_entities(self._reader, self._facts, name)[0] for name in (first, second))
        if start == goal:
            raise UsageError(
                f"Expected two entities, found {first!r} and {second!r} to be the same: give another name."
            )
        found = find_paths(
            self._facts,
            start,
            goal,
            max_paths=max_paths,
            max_steps=max_steps,
            mentions=lambda: MentionEdges(self._reader),
        )
        return list(found.paths)

    def conflicts(self) -> list[Conflict]:
        """Return facts that cannot all be true, such as two dates of one birth."""
        from kgrag.explore.conflicts import find_conflicts

        return find_conflicts(self._reader, self._facts, self._predicates)

    def stats(self) -> GraphStats:
        """Return the sizes, components, hubs and communities of the graph."""
        from kgrag.explore.stats import compute_stats

        return compute_stats(self._reader, self._facts)

    def to_networkx(self, *, min_confidence: float = 0.0) -> NetworkXGraph:
        """Return the typed facts as a `networkx.MultiDiGraph`."""
        from kgrag.explore.networkx_view import to_networkx

        return to_networkx(self._facts, min_confidence)
