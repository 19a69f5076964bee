"""Walks over facts from a name, one predicate a step, and how sure each walk is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from graphs.facts import Facts
from graphs.vocabulary import Predicate, Vocabulary
from kgrag.types import Path, Triple

WIDTH = 8
"""How many readings of a path are kept at each step."""


class Candidate(NamedTuple):
    """An answer, the walk that gives it, and how sure it is, in (0, 1]; a comparison rests on a second walk ``also``."""

    text: str
    path: Path
    confidence: float
    also: tuple[Path, ...] = ()


class Known(NamedTuple):
    """A fact that was looked up, and what its sentence calls its object."""

    triple: Triple
    name: str


LooksUp = Callable[[str, str, str], Known | None]
"""Looks up what an entity, called so, has by a predicate; None where nothing says it (`kgrag.lookup.Lookup`)."""


@dataclass(frozen=True, slots=True)
class Walk:
    """A partial path: nodes in order, and the facts between them."""

    nodes: tuple[str, ...]
    triples: tuple[Triple, ...]
    confidence: float


class Walker:
    """Follows predicates through the facts of a store.

    Args:
        facts: the typed facts.
        vocabulary: the predicates, which say how facts read the other way and what else leads to the same thing.
        lookup: asked for a step that the facts do not know, of the surest walk; by default none is.
        hidden: documents whose facts are out of view.
    """

    def __init__(
        self,
        facts: Facts,
        vocabulary: Vocabulary,
        lookup: LooksUp | None = None,
        hidden: frozenset[str] = frozenset(),
    ) -> None:
        self._hidden = hidden
        self._facts = facts
        self._vocabulary = vocabulary
        self._lookup = lookup
        self._names: dict[str, str] = {}

    def walks(self, name: str, steps: Iterable[str]) -> list[Walk]:
        """The walks from what a name may mean through predicates, the surest first."""
        walks = [Walk((entity,), (), sure) for entity, sure in self._facts.readings(name)[:WIDTH]]
        for step in steps:
            further = [walk for w in walks for walk in self._step(w, step)]
            if not further and walks and self._lookup is not None:
                further = self._looked_up(self._lookup, walks[0], step)
            walks = sorted(further, key=lambda w: -w.confidence)[:WIDTH]
        return walks

    def name(self, node: str) -> str:
        """How an entity is called for people."""
        return self._names.get(node) or self._facts.name(node)

    def path(self, walk: Walk) -> Path:
        """A walk with the names of its nodes."""
        return Path(walk.nodes, tuple(map(self.name, walk.nodes)), walk.triples)

    def _looked_up(self, lookup: LooksUp, walk: Walk, step: str) -> list[Walk]:
        """A walk taken further by a fact that is looked up: of the document about where it is, if there is one."""
        here = next(iter(_readings(self._facts, walk)), walk.nodes[-1]) if walk.triples else walk.nodes[-1]
        known = lookup(here, self._facts.title(here) or self.name(walk.nodes[-1]), step)
        if known is None:
            return []
        triple = known.triple
        self._names.setdefault(triple.object, known.name)
        sure = walk.confidence if here == walk.nodes[-1] else walk.confidence * self._sure(walk.nodes[-1], here)
        return [Walk((*walk.nodes, triple.object), (*walk.triples, triple), sure * triple.confidence)]

    def _step(self, walk: Walk, step: str) -> list[Walk]:
        """A walk taken one predicate further; by a derived way only where the facts do not say it outright."""
        predicate = self._vocabulary.predicates[step]
        here = [walk.nodes[-1]]
        if walk.triples:
            here = [e for e, _ in self._facts.readings(walk.nodes[-1], known=walk.triples[-1])]
        direct: list[Walk] = []
        for entity in dict.fromkeys(here):
            direct += self._direct(walk, entity, predicate)
        if direct:
            return direct
        for chain in predicate.derived:
            there = [walk]
            for name in chain:
                there = [
                    w
                    for t in there
                    for e in _readings(self._facts, t)
                    for w in self._direct(t, e, self._vocabulary.predicates[name])
                ]
            there = [w for w in there if w.nodes[-1] != walk.nodes[-1] and w.nodes[-1] not in here]
            if there:
                return [Walk(w.nodes, w.triples, w.confidence * 0.8) for w in there]
        if predicate.value == "COUNTRY" and step in ("country", "nationality"):
            other = self._vocabulary.predicates["nationality" if step == "country" else "country"]
            return [w for e in dict.fromkeys(here) for w in self._direct(walk, e, other)]
        return []

    def _direct(self, walk: Walk, entity: str, predicate: Predicate) -> list[Walk]:
        sure = walk.confidence if entity == walk.nodes[-1] else walk.confidence * self._sure(walk.nodes[-1], entity)
        ends: dict[str, tuple[float, Triple]] = {}
        for triple in self._seen(self._facts.about(entity, {predicate.name})):
            _keep(ends, triple.object, triple.confidence, triple)
        back = self._read_back(predicate)
        for triple in self._seen(self._facts.pointing_at(entity, back)):
            _keep(ends, triple.subject, triple.confidence * back[triple.predicate], triple)
        if not ends:
            # another document may call this entity otherwise
            return []
        several = 1.0 if not predicate.functional or len(ends) == 1 else 0.92
        return [
            Walk((*walk.nodes, end), (*walk.triples, triple), sure * confidence * several)
            for end, (confidence, triple) in sorted(ends.items(), key=lambda item: -item[1][0])
        ]

    def _seen(self, triples: Sequence[Triple]) -> Sequence[Triple]:
        """Those of documents in view; a passage's id begins with its document's."""
        return [t for t in triples if t.passage_id.rpartition("#")[0] not in self._hidden] if self._hidden else triples

    def _read_back(self, wanted: Predicate) -> dict[str, float]:
        """The predicates of facts that say as much when they are read the other way, and how sure they are then."""
        if wanted.symmetric:
            return {wanted.name: 0.95}
        back = {p.name: 0.95 for p in self._vocabulary.predicates.values() if p.inverse == wanted.name}
        if wanted.inverse and wanted.inverse not in back:
            # "child" does not say which of the two parents speaks
            back[wanted.inverse] = 0.7 if wanted.name in ("father", "mother") else 0.95
        back.pop(wanted.name, None)
        return back

    def _sure(self, name: str, entity: str) -> float:
        return max((sure for e, sure in self._facts.readings(name) if e == entity), default=0.7)


def _keep(ends: dict[str, tuple[float, Triple]], end: str, confidence: float, triple: Triple) -> None:
    if end not in ends or ends[end][0] < confidence:
        ends[end] = (confidence, triple)


def _readings(facts: Facts, walk: Walk) -> list[str]:
    known = walk.triples[-1] if walk.triples else None
    return list(dict.fromkeys(e for e, _ in facts.readings(walk.nodes[-1], known=known)))
