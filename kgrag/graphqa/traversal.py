"""Follow predicates from a name through the facts, and compute the confidence of each path."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from graphs.facts.fact_index import FactIndex
from graphs.predicates import Predicate, PredicateSchema
from kgrag.types import Path, Triple

BEAM_WIDTH = 8
"""Number of partial paths kept at each step."""


class GraphAnswer(NamedTuple):
    """An answer with its path and its confidence in (0, 1]; ``second_paths`` are the other paths of a comparison."""

    text: str
    path: Path
    confidence: float
    second_paths: tuple[Path, ...] = ()


class LookedUpFact(NamedTuple):
    """A looked-up fact, and its object's name in the source sentence."""

    triple: Triple
    name: str


FactLookupFn = Callable[[str, str, str], LookedUpFact | None]
"""Looks up a fact by entity, name and predicate; None if no sentence states it.

Implemented by `kgrag.answering.stages.fact_lookup.FactLookup`.
"""


@dataclass(frozen=True, slots=True)
class PartialPath:
    """A partial path: its nodes in order, and the facts between them."""

    nodes: tuple[str, ...]
    triples: tuple[Triple, ...]
    confidence: float


class PathExecutor:
    """Follows predicates through the facts of a store.

    Args:
        facts: the typed facts.
        schema: the predicates, with their inverses and equivalent paths.
        lookup: called for a step that the facts lack, on the most confident path; None disables lookups.
        hidden: ids of documents whose facts are ignored.
    """

    def __init__(
        self,
        facts: FactIndex,
        schema: PredicateSchema,
        lookup: FactLookupFn | None = None,
        hidden: frozenset[str] = frozenset(),
    ) -> None:
        self._hidden = hidden
        self._facts = facts
        self._schema = schema
        self._lookup = lookup
        self._names: dict[str, str] = {}

    def follow(self, name: str, steps: Iterable[str]) -> list[PartialPath]:
        """Return the paths from the entities of a name through a chain of predicates, most confident first."""
        paths = [
            PartialPath((entity,), (), confidence)
            for entity, confidence in self._facts.candidate_entities(name)[:BEAM_WIDTH]
        ]
        for step in steps:
            extended_paths = [path for w in paths for path in self._extend(w, step)]
            if not extended_paths and paths and self._lookup is not None:
                extended_paths = self._extend_by_lookup(self._lookup, paths[0], step)
            paths = sorted(extended_paths, key=lambda w: -w.confidence)[:BEAM_WIDTH]
        return paths

    def name(self, node: str) -> str:
        """Return the display name of an entity."""
        return self._names.get(node) or self._facts.display_name(node)

    def path(self, path: PartialPath) -> Path:
        """Return a partial path with the names of its nodes."""
        return Path(path.nodes, tuple(map(self.name, path.nodes)), path.triples)

    def _extend_by_lookup(self, lookup: FactLookupFn, path: PartialPath, step: str) -> list[PartialPath]:
        """Extend a path by a looked-up fact, about the entity that its end refers to."""
        entity = next(iter(_candidate_entities(self._facts, path)), path.nodes[-1]) if path.triples else path.nodes[-1]
        fact = lookup(entity, self._facts.title(entity) or self.name(path.nodes[-1]), step)
        if fact is None:
            return []
        triple = fact.triple
        self._names.setdefault(triple.object, fact.name)
        confidence = (
            path.confidence
            if entity == path.nodes[-1]
            else path.confidence * self._reading_confidence(path.nodes[-1], entity)
        )
        return [PartialPath((*path.nodes, triple.object), (*path.triples, triple), confidence * triple.confidence)]

    def _extend(self, path: PartialPath, step: str) -> list[PartialPath]:
        """Extend a path by one predicate; by an equivalent chain only if no fact states the predicate directly."""
        predicate = self._schema.predicates[step]
        entities = [path.nodes[-1]]
        if path.triples:
            entities = [e for e, _ in self._facts.candidate_entities(path.nodes[-1], source_fact=path.triples[-1])]
        direct_paths: list[PartialPath] = []
        for entity in dict.fromkeys(entities):
            direct_paths += self._extend_directly(path, entity, predicate)
        if direct_paths:
            return direct_paths
        for chain in predicate.equivalent_paths:
            partial_paths = [path]
            for name in chain:
                partial_paths = [
                    w
                    for t in partial_paths
                    for e in _candidate_entities(self._facts, t)
                    for w in self._extend_directly(t, e, self._schema.predicates[name])
                ]
            partial_paths = [w for w in partial_paths if w.nodes[-1] != path.nodes[-1] and w.nodes[-1] not in entities]
            if partial_paths:
                return [PartialPath(w.nodes, w.triples, w.confidence * 0.8) for w in partial_paths]
        if predicate.value == "COUNTRY" and step in ("country", "nationality"):
            other_predicate = self._schema.predicates["nationality" if step == "country" else "country"]
            return [w for e in dict.fromkeys(entities) for w in self._extend_directly(path, e, other_predicate)]
        return []

    def _extend_directly(self, path: PartialPath, entity: str, predicate: Predicate) -> list[PartialPath]:
        """Extend a path by facts of one predicate and of its inverses."""
        entity_confidence = (
            path.confidence
            if entity == path.nodes[-1]
            else path.confidence * self._reading_confidence(path.nodes[-1], entity)
        )
        ends: dict[str, tuple[float, Triple]] = {}
        for triple in self._visible(self._facts.outgoing(entity, {predicate.name})):
            _keep_best(ends, triple.object, triple.confidence, triple)
        inverse_predicates = self._inverse_predicates(predicate)
        for triple in self._visible(self._facts.incoming(entity, inverse_predicates)):
            _keep_best(ends, triple.subject, triple.confidence * inverse_predicates[triple.predicate], triple)
        if not ends:
            # another document may use another name for this entity
            return []
        multiplicity_factor = 1.0 if not predicate.functional or len(ends) == 1 else 0.92
        return [
            PartialPath(
                (*path.nodes, end), (*path.triples, triple), entity_confidence * confidence * multiplicity_factor
            )
            for end, (confidence, triple) in sorted(ends.items(), key=lambda item: -item[1][0])
        ]

    def _visible(self, triples: Sequence[Triple]) -> Sequence[Triple]:
        """Return the triples whose documents are not hidden; a passage's id begins with its document's."""
        return [t for t in triples if t.passage_id.rpartition("#")[0] not in self._hidden] if self._hidden else triples

    def _inverse_predicates(self, predicate: Predicate) -> dict[str, float]:
        """Return the predicates whose facts imply this one in reverse, each with a confidence factor."""
        if predicate.symmetric:
            return {predicate.name: 0.95}
        confidence_by_predicate = {
            p.name: 0.95 for p in self._schema.predicates.values() if p.inverse == predicate.name
        }
        if predicate.inverse and predicate.inverse not in confidence_by_predicate:
            # "child" does not tell the father from the mother
            confidence_by_predicate[predicate.inverse] = 0.7 if predicate.name in ("father", "mother") else 0.95
        confidence_by_predicate.pop(predicate.name, None)
        return confidence_by_predicate

    def _reading_confidence(self, name: str, entity: str) -> float:
        """Return the confidence that a name refers to an entity."""
        return max((confidence for e, confidence in self._facts.candidate_entities(name) if e == entity), default=0.7)


def _keep_best(ends: dict[str, tuple[float, Triple]], end: str, confidence: float, triple: Triple) -> None:
    if end not in ends or ends[end][0] < confidence:
        ends[end] = (confidence, triple)


def _candidate_entities(facts: FactIndex, path: PartialPath) -> list[str]:
    """Return the entities that the end of a path may refer to."""
    last_triple = path.triples[-1] if path.triples else None
    return list(dict.fromkeys(e for e, _ in facts.candidate_entities(path.nodes[-1], source_fact=last_triple)))
