"""Reader of answers by relation paths: follows the relations whose names fit the words of the question.

The reader of `kgrag.graphqa.reader` knows the predicates of this project and whole question templates. This one knows
neither: "what religion does Ada's other half have" goes from Ada along ``spouse`` and ``religion`` because
"other half" is nearest to the one and "religion" to the other. It takes the words in the order of their distance from
the name: those after it as they come, then those before it from the last "of" back. It tries every way to cut them
into runs, one for each step, and keeps the best.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from graphs.predicates import PredicateSchema
from kgrag.text import STOPWORDS, has_cjk, normalize_name, tokenize
from kgrag.text.stemming import stem_word

MAX_HOPS, BEAM_WIDTH, MAX_ANSWERS, MAX_RELATION_WORDS = 3, 100, 20, 5
"""Steps of a path at most, chains kept at each step, answers returned, words that may stand for one relation."""
MAX_CHAIN_ENDS = 500
"""Ends of one chain that are followed further."""
MAX_START_NAMES = 2
_IGNORED_WORDS = STOPWORDS - {"where", "when", "how", "why"}
_PARENT_PREDICATES = ("father", "mother")

Vectors = NDArray[np.float32]
Embed = Callable[[Sequence[str]], Vectors]


@dataclass(frozen=True)
class RelationPathAnswer:
    """An answer node, the fit of its best chains in [0, 1], and these chains, those from the first name first."""

    node: str
    score: float
    chains: tuple[tuple[str, ...], ...]


class RelationPathReader:
    """A reader that finds answers in triples whose relations are words.

    Args:
        triples: (subject, relation, object), followed from subject to object. Names may have underscores for blanks. If
            a relation is a path ("__people__person__gender"), its last part is used.
        vocabulary: its predicates provide other names of a relation that is one of theirs.
        embed: texts -> unit vectors, one a row; without it only equal words fit.
    """

    def __init__(
        self, triples: Iterable[tuple[str, str, str]], vocabulary: PredicateSchema, embed: Embed | None
    ) -> None:
        edges: defaultdict[str, defaultdict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
        nodes: dict[str, None] = {}
        for subject, relation, object_node in triples:
            if object_node not in edges[subject][relation]:
                edges[subject][relation].append(object_node)
            nodes.update({subject: None, object_node: None})
        self._edges = {node: dict(steps) for node, steps in edges.items()}
        self._relations = sorted({relation for steps in self._edges.values() for relation in steps})
        self._relation_index = {relation: number for number, relation in enumerate(self._relations)}
        self._vocabulary, self._embed = vocabulary, embed
        self._nodes_by_name: defaultdict[str, list[str]] = defaultdict(list)
        for node in nodes:
            self._nodes_by_name[normalize_name(node.replace("_", " "))].append(node)
        self._max_name_words = max((len(name.split()) for name in self._nodes_by_name), default=0)
        self._fit_cache: dict[str, NDArray[np.float64]] = {}

    def precompute_fits(self, questions: Iterable[str]) -> None:
        """Embed at once the word runs that `answer` needs, in a fraction of the time of one question after another."""
        runs: dict[str, None] = {}
        for question in questions:
            for _, words in self._start_names(question):
                runs.update(dict.fromkeys(" ".join(words[i:j]) for i, j in _word_runs(len(words))))
        self._relation_fits([run for run in runs if run not in self._fit_cache])

    def answer(self, question: str) -> list[RelationPathAnswer]:
        """Return at most `MAX_ANSWERS` answers, best first.

        There are none if the question has no name of the graph, or no other word. Answers of equal fit are ordered by
        name, with the start node last.
        """
        best: dict[str, tuple[float, list[tuple[str, ...]]]] = {}
        starts: set[str] = set()
        for name, words in self._start_names(question):
            starts.update(self._nodes_by_name[name])
            for node in self._nodes_by_name[name]:
                for chain, score, ends in self._relation_chains(node, words):
                    for end in ends:
                        current_best = best.get(end, (-1.0, []))
                        if score > current_best[0] + 1e-9:
                            best[end] = (score, [chain])
                        elif score > current_best[0] - 1e-9:
                            current_best[1].append(chain)
        order = sorted(best.items(), key=lambda item: (-round(item[1][0], 9), item[0] in starts, item[0]))
        return [RelationPathAnswer(node, score, tuple(chains)) for node, (score, chains) in order[:MAX_ANSWERS]]

    def reachable_nodes(self, question: str) -> set[str]:
        """Return every node at most `MAX_HOPS` steps from the names of a question: the pool of a random answer."""
        reachable: set[str] = set()
        for name, _ in self._start_names(question):
            frontier = set(self._nodes_by_name[name])
            for _ in range(MAX_HOPS):
                frontier = {end for node in frontier for ends in self._edges.get(node, {}).values() for end in ends}
                reachable |= frontier
        return reachable

    def _start_names(self, question: str) -> list[tuple[str, list[str]]]:
        """Return the names that a question most likely asks about, each with the other words in their order."""
        words = tokenize(question)
        name_candidates = []
        used_positions: set[int] = set()
        for size in range(min(self._max_name_words, len(words)), 0, -1):
            for first in range(len(words) - size + 1):
                run = words[first : first + size]
                name = " ".join(word.text for word in run)
                written = question[run[0].start : run[-1].end]
                if name in STOPWORDS and (first == 0 or written.islower()):
                    continue  # the band "Them" is a name only if it is capitalized
                if name in self._nodes_by_name and used_positions.isdisjoint(range(first, first + size)):
                    used_positions.update(range(first, first + size))
                    rest = _words_outward(question[: run[0].start], question[run[-1].end :])
                    name_candidates.append((not written[:1].isupper(), -len(written), name, rest))
        return [(name, rest) for _, _, name, rest in sorted(name_candidates) if rest][:MAX_START_NAMES]

    def _relation_chains(self, node: str, words: Sequence[str]) -> list[tuple[tuple[str, ...], float, list[str]]]:
        """Return chains of relations from a node, the fit of each to all the words, and its end nodes."""
        size = len(words)
        fits = np.full((len(self._relations), size + 1, size + 1), -np.inf)
        for i, j in _word_runs(size):
            fits[:, i, j] = (j - i) * self._relation_fits([" ".join(words[i:j])])[0]
        initial_scores = np.full(size + 1, -np.inf)
        initial_scores[0] = 0.0
        beam: list[tuple[tuple[str, ...], NDArray[np.float64], list[str]]] = [((), initial_scores, [node])]
        complete_chains = []
        words_left = size - np.arange(size + 1)
        for _ in range(MAX_HOPS):
            extensions = []
            for chain, so_far, nodes in beam:
                for relation in sorted({step for end in nodes for step in self._edges.get(end, ())}):
                    score = (so_far[:, None] + fits[self._relation_index[relation]]).max(0)
                    extensions.append(((score + words_left).max(), (*chain, relation), score, nodes))
            extensions.sort(key=lambda state: (-state[0], state[1]))
            beam = []
            for upper_bound, chain, score, nodes in extensions[:BEAM_WIDTH]:
                if np.isfinite(upper_bound):
                    ends = dict.fromkeys(e for n in nodes for e in self._edges.get(n, {}).get(chain[-1], ()))
                    beam.append((chain, score, list(ends)[:MAX_CHAIN_ENDS]))
            complete_chains += [
                (chain, float(score[size]) / size, ends) for chain, score, ends in beam if np.isfinite(score[size])
            ]
        return complete_chains

    def _relation_fits(self, runs: Sequence[str]) -> list[NDArray[np.float64]]:
        """Return for each run of words its fit to each relation, in [0, 1]."""
        new_runs = [run for run in dict.fromkeys(runs) if run not in self._fit_cache]
        if new_runs:
            cosines_by_run = np.zeros((len(new_runs), len(self._relations)))
            if self._embed is not None:
                cosines_by_run = np.clip(self._embed(new_runs) @ self._relation_vectors.T, 0.0, 1.0).astype(np.float64)
            for run, cosines in zip(new_runs, cosines_by_run, strict=True):
                stems = sorted(map(stem_word, run.split()))
                word_matches = np.array([_name_similarity(stems, names) for names in self._relation_names])
                self._fit_cache[run] = np.maximum(cosines, word_matches)
        return [self._fit_cache[run] for run in runs]

    @cached_property
    def _relation_vectors(self) -> Vectors:
        assert self._embed is not None
        return self._embed([relation_words(relation) for relation in self._relations])

    @cached_property
    def _relation_names(self) -> list[list[list[str]]]:
        """The names of each relation, its own words first: stems, sorted."""
        names_by_relation = []
        for relation in self._relations:
            relation_name = relation_words(relation)
            names = dict.fromkeys([relation_name, *_other_names(relation_name, self._vocabulary)])
            names_by_relation.append(
                [sorted(stem_word(t.text) for t in tokenize(n) if t.text not in _IGNORED_WORDS) for n in names]
            )
        return names_by_relation


def relation_words(relation: str) -> str:
    """Return the words of a relation: ``relation_words("__people__person__place_of_birth") == "place of birth"``."""
    last = [part for part in re.split(r"__+|[/.:#]", relation) if part.strip("_ ")] or [relation]
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", last[-1]).replace("_", " ").strip().lower()


def _words_outward(before: str, after: str) -> list[str]:
    """Return the words of a question about a name, in the order of their distance from it."""
    groups = re.split(r"\bof\b", before, flags=re.IGNORECASE)
    words = [t.text for part in (after, *reversed(groups)) for t in tokenize(part.replace("_", " "))]
    return [word for word in words if word not in _IGNORED_WORDS]


def _word_runs(size: int) -> list[tuple[int, int]]:
    return [(i, j) for i in range(size) for j in range(i + 1, min(size, i + MAX_RELATION_WORDS) + 1)]


def _name_similarity(stems: Sequence[str], names: Sequence[Sequence[str]]) -> float:
    """Return 1 for a relation's own words, 0.95 for another name of it, else the share of its own words in common."""
    for name_index, name in enumerate(names):
        if name and list(name) == list(stems):
            return 0.95 if name_index else 1.0
    rest = list(names[0])
    common = 0
    for word in stems:
        if word in rest:
            rest.remove(word)
            common += 1
    return common / max(1, len(stems) + len(rest))


def _other_names(relation_name: str, vocabulary: PredicateSchema) -> list[str]:
    """Return the other names of a relation, from the predicates that share its name."""
    stem = " ".join(map(stem_word, relation_name.split()))
    names: list[str] = []
    for predicate in vocabulary.predicates.values():
        nouns = [predicate.name.replace("_", " "), *(n for n in predicate.nouns if not has_cjk(n))]
        if stem in {" ".join(map(stem_word, noun.lower().split())) for noun in nouns} or (
            stem == "parent" and predicate.name in _PARENT_PREDICATES
        ):
            names += nouns
    return names
