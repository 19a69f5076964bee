"""Answers by following relations of any graph, by how well their names fit the words of the question, in order.

The reader of `kgrag.reader.graph` knows the predicates of this project and whole ways of asking for them. This one
knows neither: "what religion does Ada's other half have" goes from Ada along ``spouse`` and ``religion`` because
"other half" is nearest to the one and "religion" to the other. The words are taken in the order in which they lie
about the name: those after it as they come, then those before it from the last "of" back; every way of cutting them
into runs, one for each step, is tried, and the best one counts.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphs.vocabulary import Vocabulary
from kgrag.text import STOPWORDS, is_cjk, key, tokens

HOPS, WIDTH, LIMIT, LONGEST = 3, 100, 20, 5
"""Steps of a walk at most, chains kept at each step, answers returned, words that may stand for one relation."""
NODES = 500
"""Ends of one chain that are followed further."""
STARTS = 2
_ASKING = STOPWORDS - {"where", "when", "how", "why"}
_PARENTS = ("father", "mother")

Vectors = NDArray[np.float32]
Embed = Callable[[Sequence[str]], Vectors]


@dataclass(frozen=True)
class Reached:
    """An answer: the node, how well its best chains fit, in [0, 1], and these chains, the name they begin at first."""

    node: str
    score: float
    chains: tuple[tuple[str, ...], ...]


class RelationReader:
    """Reads answers off triples whose relations are words.

    Args:
        triples: (subject, relation, object), walked from subject to object; names may have underscores for blanks.
            Of a relation that is a path ("__people__person__gender") the last part is read.
        vocabulary: whose predicates say what else a relation is called, where it is one of theirs.
        embed: texts -> unit vectors, one a row; without it only equal words fit.
    """

    def __init__(self, triples: Iterable[tuple[str, str, str]], vocabulary: Vocabulary, embed: Embed | None) -> None:
        edges: defaultdict[str, defaultdict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
        nodes: dict[str, None] = {}
        for subject, relation, object in triples:
            if object not in edges[subject][relation]:
                edges[subject][relation].append(object)
            nodes.update({subject: None, object: None})
        self._edges = {node: dict(steps) for node, steps in edges.items()}
        self._relations = sorted({relation for steps in self._edges.values() for relation in steps})
        self._number = {relation: number for number, relation in enumerate(self._relations)}
        self._vocabulary, self._embed = vocabulary, embed
        self._called: defaultdict[str, list[str]] = defaultdict(list)
        for node in nodes:
            self._called[key(node.replace("_", " "))].append(node)
        self._longest = max((len(name.split()) for name in self._called), default=0)
        self._fits: dict[str, NDArray[np.float64]] = {}

    def prepare(self, questions: Iterable[str]) -> None:
        """Embed at once what `read` will ask for, which takes a fraction of the time of one question after another."""
        runs: dict[str, None] = {}
        for question in questions:
            for _, words in self._starts(question):
                runs.update(dict.fromkeys(" ".join(words[i:j]) for i, j in _cuts(len(words))))
        self._fit([run for run in runs if run not in self._fits])

    def read(self, question: str) -> list[Reached]:
        """At most `LIMIT` answers, best first; none where the question has no name of the graph, or nothing else.

        Equal answers are ordered by name, the one that was asked about last.
        """
        best: dict[str, tuple[float, list[tuple[str, ...]]]] = {}
        starts: set[str] = set()
        for name, words in self._starts(question):
            starts.update(self._called[name])
            for node in self._called[name]:
                for chain, score, ends in self._chains(node, words):
                    for end in ends:
                        known = best.get(end, (-1.0, []))
                        if score > known[0] + 1e-9:
                            best[end] = (score, [chain])
                        elif score > known[0] - 1e-9:
                            known[1].append(chain)
        order = sorted(best.items(), key=lambda item: (-round(item[1][0], 9), item[0] in starts, item[0]))
        return [Reached(node, score, tuple(chains)) for node, (score, chains) in order[:LIMIT]]

    def within(self, question: str) -> set[str]:
        """Every node at most `HOPS` steps from the names of a question, whatever the relations: what chance can draw."""
        found: set[str] = set()
        for name, _ in self._starts(question):
            here = set(self._called[name])
            for _ in range(HOPS):
                here = {end for node in here for ends in self._edges.get(node, {}).values() for end in ends}
                found |= here
        return found

    def _starts(self, question: str) -> list[tuple[str, list[str]]]:
        """The names in a question that are likeliest asked about, each with the other words in their order."""
        words = tokens(question)
        found = []
        taken: set[int] = set()
        for size in range(min(self._longest, len(words)), 0, -1):
            for first in range(len(words) - size + 1):
                run = words[first : first + size]
                name = " ".join(word.text for word in run)
                written = question[run[0].start : run[-1].end]
                if name in STOPWORDS and (first == 0 or written.islower()):
                    continue  # the band "Them" is a name only where it has its capital
                if name in self._called and taken.isdisjoint(range(first, first + size)):
                    taken.update(range(first, first + size))
                    rest = _ordered(question[: run[0].start], question[run[-1].end :])
                    found.append((not written[:1].isupper(), -len(written), name, rest))
        return [(name, rest) for _, _, name, rest in sorted(found) if rest][:STARTS]

    def _chains(self, node: str, words: Sequence[str]) -> list[tuple[tuple[str, ...], float, list[str]]]:
        """Chains of relations from a node, how well each fits all the words, and where it ends."""
        size = len(words)
        fits = np.full((len(self._relations), size + 1, size + 1), -np.inf)
        for i, j in _cuts(size):
            fits[:, i, j] = (j - i) * self._fit([" ".join(words[i:j])])[0]
        begin = np.full(size + 1, -np.inf)
        begin[0] = 0.0
        beam: list[tuple[tuple[str, ...], NDArray[np.float64], list[str]]] = [((), begin, [node])]
        done = []
        ahead = size - np.arange(size + 1)
        for _ in range(HOPS):
            further = []
            for chain, so_far, here in beam:
                for relation in sorted({step for end in here for step in self._edges.get(end, ())}):
                    score = (so_far[:, None] + fits[self._number[relation]]).max(0)
                    further.append(((score + ahead).max(), (*chain, relation), score, here))
            further.sort(key=lambda state: (-state[0], state[1]))
            beam = []
            for hope, chain, score, here in further[:WIDTH]:
                if np.isfinite(hope):
                    ends = dict.fromkeys(e for n in here for e in self._edges.get(n, {}).get(chain[-1], ()))
                    beam.append((chain, score, list(ends)[:NODES]))
            done += [
                (chain, float(score[size]) / size, ends) for chain, score, ends in beam if np.isfinite(score[size])
            ]
        return done

    def _fit(self, runs: Sequence[str]) -> list[NDArray[np.float64]]:
        """For each run of words, how well it fits each relation, in [0, 1]."""
        new = [run for run in dict.fromkeys(runs) if run not in self._fits]
        if new:
            near = np.zeros((len(new), len(self._relations)))
            if self._embed is not None:
                near = np.clip(self._embed(new) @ self._vectors.T, 0.0, 1.0).astype(np.float64)
            for run, cosines in zip(new, near, strict=True):
                heard = sorted(map(_stem, run.split()))
                equal = np.array([_likeness(heard, names) for names in self._names])
                self._fits[run] = np.maximum(cosines, equal)
        return [self._fits[run] for run in runs]

    @cached_property
    def _vectors(self) -> Vectors:
        assert self._embed is not None
        return self._embed([spoken(relation) for relation in self._relations])

    @cached_property
    def _names(self) -> list[list[list[str]]]:
        """What each relation is called, first by its own words: stems, sorted."""
        called = []
        for relation in self._relations:
            own = spoken(relation)
            names = dict.fromkeys([own, *_other_names(own, self._vocabulary)])
            called.append([sorted(_stem(t.text) for t in tokens(n) if t.text not in _ASKING) for n in names])
        return called


def spoken(relation: str) -> str:
    """The words of a relation: ``spoken("__people__person__place_of_birth") == "place of birth"``."""
    last = [part for part in re.split(r"__+|[/.:#]", relation) if part.strip("_ ")] or [relation]
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", last[-1]).replace("_", " ").strip().lower()


def _ordered(before: str, after: str) -> list[str]:
    """The words of a question about a name, in the order in which they lead away from it."""
    groups = re.split(r"\bof\b", before, flags=re.IGNORECASE)
    words = [t.text for part in (after, *reversed(groups)) for t in tokens(part.replace("_", " "))]
    return [word for word in words if word not in _ASKING]


def _cuts(size: int) -> list[tuple[int, int]]:
    return [(i, j) for i in range(size) for j in range(i + 1, min(size, i + LONGEST) + 1)]


def _likeness(heard: Sequence[str], names: Sequence[Sequence[str]]) -> float:
    """1 for a relation's own words, 0.95 for another name of it, else the share of words in common with its own."""
    for place, name in enumerate(names):
        if name and list(name) == list(heard):
            return 0.95 if place else 1.0
    rest = list(names[0])
    common = 0
    for word in heard:
        if word in rest:
            rest.remove(word)
            common += 1
    return common / max(1, len(heard) + len(rest))


def _other_names(own: str, vocabulary: Vocabulary) -> list[str]:
    """What else the vocabulary calls a relation, where one of its predicates is called so."""
    stem = " ".join(map(_stem, own.split()))
    found: list[str] = []
    for predicate in vocabulary.predicates.values():
        nouns = [predicate.name.replace("_", " "), *(n for n in predicate.nouns if not is_cjk(n))]
        if stem in {" ".join(map(_stem, noun.lower().split())) for noun in nouns} or (
            stem == "parent" and predicate.name in _PARENTS
        ):
            found += nouns
    return found


@lru_cache(maxsize=1)
def _stemmer() -> Any:
    import Stemmer

    return Stemmer.Stemmer("english")


def _stem(word: str) -> str:
    return str(_stemmer().stemWord(word))
