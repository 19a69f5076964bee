"""Walks over facts from a name, one predicate a step, and how sure each walk is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from graphs.facts.fact_index import FactIndex
from graphs.predicates import Predicate, PredicateSchema
from kgrag.types import Path, Triple

BEAM_WIDTH = 8
"""How many readings of a path are kept at each step."""


class GraphAnswer(NamedTuple):
    """An answer, the walk that gives it, and how sure it is, in (0, 1]; a comparison rests on a second walk ``also``."""

    text: str
    path: Path
    confidence: float
    second_paths: tuple[Path, ...] = ()


class LookedUpFact(NamedTuple):
    """A fact that was looked up, and what its sentence calls its object."""

    triple: Triple
    name: str


FactLookupFn = Callable[[str, str, str], LookedUpFact | None]
"""Looks up what an entity, called so, has by a predicate; None where nothing says it (`kgrag.answering.stages.fact_lookup.Lookup`)."""


@dataclass(frozen=True, slots=True)
class PartialPath:
    """A partial path: nodes in order, and the facts between them."""

    nodes: tuple[str, ...]
    triples: tuple[Triple, ...]
    confidence: float


class PathExecutor:
    """Follows predicates through the facts of a store.

    Args:
        facts: the typed facts.
        vocabulary: the predicates, which say how facts read the other way and what else leads to the same thing.
        lookup: asked for a step that the facts do not know, of the surest walk; by default none is.
        hidden: documents whose facts are out of view.
    """

    def __init__(
        self,
        facts: FactIndex,
        vocabulary: PredicateSchema,
        lookup: FactLookupFn | None = None,
        hidden: frozenset[str] = frozenset(),
    ) -> None:
        self._hidden = hidden
        self._facts = facts
        self._vocabulary = vocabulary
        self._lookup = lookup
        self._names: dict[str, str] = {}

    def follow(self, name: str, steps: Iterable[str]) -> list[PartialPath]:
        """The walks from what a name may mean through predicates, the surest first."""
        walks = [PartialPath((entity,), (), sure) for entity, sure in self._facts.candidate_entities(name)[:BEAM_WIDTH]]
        for step in steps:
            further = [walk for w in walks for walk in self._extend(w, step)]
            if not further and walks and self._lookup is not None:
                further = self._extend_by_lookup(self._lookup, walks[0], step)
            walks = sorted(further, key=lambda w: -w.confidence)[:BEAM_WIDTH]
        return walks

    def name(self, node: str) -> str:
        """How an entity is called for people."""
        return self._names.get(node) or self._facts.display_name(node)

    def path(self, walk: PartialPath) -> Path:
        """A walk with the names of its nodes."""
        return Path(walk.nodes, tuple(map(self.name, walk.nodes)), walk.triples)

    def _extend_by_lookup(self, lookup: FactLookupFn, walk: PartialPath, step: str) -> list[PartialPath]:
        """A walk taken further by a fact that is looked up: of the document about where it is, if there is one."""
        entity = next(iter(_candidate_entities(self._facts, walk)), walk.nodes[-1]) if walk.triples else walk.nodes[-1]
        fact = lookup(entity, self._facts.title(entity) or self.name(walk.nodes[-1]), step)
        if fact is None:
            return []
        triple = fact.triple
        self._names.setdefault(triple.object, fact.name)
        confidence = (
            walk.confidence
            if entity == walk.nodes[-1]
            else walk.confidence * self._reading_confidence(walk.nodes[-1], entity)
        )
        return [PartialPath((*walk.nodes, triple.object), (*walk.triples, triple), confidence * triple.confidence)]

    def _extend(self, walk: PartialPath, step: str) -> list[PartialPath]:
        """A walk taken one predicate further; by a derived way only where the facts do not say it outright."""
        predicate = self._vocabulary.predicates[step]
        entities = [walk.nodes[-1]]
        if walk.triples:
            entities = [e for e, _ in self._facts.candidate_entities(walk.nodes[-1], source_fact=walk.triples[-1])]
        direct_paths: list[PartialPath] = []
        for entity in dict.fromkeys(entities):
            direct_paths += self._extend_directly(walk, entity, predicate)
        if direct_paths:
            return direct_paths
        for chain in predicate.equivalent_paths:
            partial_paths = [walk]
            for name in chain:
                partial_paths = [
                    w
                    for t in partial_paths
                    for e in _candidate_entities(self._facts, t)
                    for w in self._extend_directly(t, e, self._vocabulary.predicates[name])
                ]
            partial_paths = [w for w in partial_paths if w.nodes[-1] != walk.nodes[-1] and w.nodes[-1] not in entities]
            if partial_paths:
                return [PartialPath(w.nodes, w.triples, w.confidence * 0.8) for w in partial_paths]
        if predicate.value == "COUNTRY" and step in ("country", "nationality"):
            other_predicate = self._vocabulary.predicates["nationality" if step == "country" else "country"]
            return [w for e in dict.fromkeys(entities) for w in self._extend_directly(walk, e, other_predicate)]
        return []

    def _extend_directly(self, walk: PartialPath, entity: str, predicate: Predicate) -> list[PartialPath]:
        entity_confidence = (
            walk.confidence
            if entity == walk.nodes[-1]
            else walk.confidence * self._reading_confidence(walk.nodes[-1], entity)
        )
        ends: dict[str, tuple[float, Triple]] = {}
        for triple in self._visible(self._facts.outgoing(entity, {predicate.name})):
            _keep_best(ends, triple.object, triple.confidence, triple)
        inverse_predicates = self._inverse_predicates(predicate)
        for triple in self._visible(self._facts.incoming(entity, inverse_predicates)):
            _keep_best(ends, triple.subject, triple.confidence * inverse_predicates[triple.predicate], triple)
        if not ends:
            # another document may call this entity otherwise
            return []
        multiplicity_factor = 1.0 if not predicate.functional or len(ends) == 1 else 0.92
        return [
            PartialPath(
                (*walk.nodes, end), (*walk.triples, triple), entity_confidence * confidence * multiplicity_factor
            )
            for end, (confidence, triple) in sorted(ends.items(), key=lambda item: -item[1][0])
        ]

    def _visible(self, triples: Sequence[Triple]) -> Sequence[Triple]:
        """Those of documents in view; a passage's id begins with its document's."""
        return [t for t in triples if t.passage_id.rpartition("#")[0] not in self._hidden] if self._hidden else triples

    def _inverse_predicates(self, predicate: Predicate) -> dict[str, float]:
        """The predicates of facts that say as much when they are read the other way, and how sure they are then."""
        if predicate.symmetric:
            return {predicate.name: 0.95}
        confidence_by_predicate = {
            p.name: 0.95 for p in self._vocabulary.predicates.values() if p.inverse == predicate.name
        }
        if predicate.inverse and predicate.inverse not in confidence_by_predicate:
            # "child" does not say which of the two parents speaks
            confidence_by_predicate[predicate.inverse] = 0.7 if predicate.name in ("father", "mother") else 0.95
        confidence_by_predicate.pop(predicate.name, None)
        return confidence_by_predicate

    def _reading_confidence(self, name: str, entity: str) -> float:
        return max((sure for e, sure in self._facts.candidate_entities(name) if e == entity), default=0.7)


def _keep_best(ends: dict[str, tuple[float, Triple]], end: str, confidence: float, triple: Triple) -> None:
    if end not in ends or ends[end][0] < confidence:
        ends[end] = (confidence, triple)


def _candidate_entities(facts: FactIndex, walk: PartialPath) -> list[str]:
    last_triple = walk.triples[-1] if walk.triples else None
    return list(dict.fromkeys(e for e, _ in facts.candidate_entities(walk.nodes[-1], source_fact=last_triple)))
