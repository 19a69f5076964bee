"""Candidates and the question, sentence by sentence: who says what of whom, and in which words of the question.

A passage answers by a sentence, not as a whole: what counts is the one sentence that names the next thing and has the
words that ask for it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from indices.bm25 import search_tokens
from kgrag.retrieve.candidates import Candidates, Indices

Column = NDArray[np.float32]
MENTION = 0.05
"""What a sentence's naming a candidate counts for when it has no word of the question: little, but more than nothing."""


@dataclass(frozen=True)
class Matches:
    """What is known of ``n`` candidates with ``s`` sentences, for a question of ``t`` distinct words.

    ``owner``: (s,) the candidate that each sentence is of. ``words``: (s, t), whether the sentence, or its passage's
    title, has the word. ``names``: (s, n), whether it names what another candidate is about. ``weight``: (t,) inverse
    document frequencies of the words that are in no name of the question, scaled to add up to 1, and 0 for the others.
    ``count``: n.
    """

    owner: NDArray[np.int32]
    words: NDArray[np.bool_]
    names: NDArray[np.bool_]
    weight: Column
    count: int

    def best_sentence(self, values: Column) -> Column:
        """(n, ...): for each candidate the greatest of its sentences' ``values`` (s, ...), which are 0 or more."""
        best = np.zeros((self.count, *values.shape[1:]), np.float32)
        np.maximum.at(best, self.owner, values)
        return best

    def bridges(self) -> Column:
        """(n, n): how well the first's best sentence that names the second has the words of the question, in [0, 1.05]."""
        said = MENTION + self.words @ self.weight
        return self.best_sentence((self.names * said[:, None]).astype(np.float32))


def match(question: str, found: Candidates, indices: Indices) -> Matches:
    """Lay the candidates' sentences beside the question and the candidates.

    Args:
        question: as it was asked.
        found: its candidates; parts that it went without say nothing here either.
        indices: of one store.
    """
    graph, rows = indices.graph, found.rows
    words = list(dict.fromkeys(search_tokens(question)))
    named = {word for name in found.linked for word in search_tokens(graph.names[int(name)])}
    weight = np.array([0.0 if word in named else indices.words.idf(word) for word in words], np.float32)
    total = float(weight.sum())
    near = found.near
    title = _groups(near.titles)
    with_sentences = "sentences" in found.parts
    seen = indices.sentences.of(rows, words) if with_sentences else indices.sentences.of(rows[:0], words)
    said = seen.words if "words" in found.parts else np.zeros_like(seen.words)
    names = np.zeros((len(seen.owner), len(rows)), bool)
    if "graph" in found.parts and len(rows):
        known = np.isin(seen.names, near.names)
        before = np.concatenate([[0], np.cumsum(known)])[seen.begin]
        columns = np.searchsorted(near.names, seen.names[known])
        spoken = sparse.csr_array((np.ones(len(columns), np.float32), columns, before), (len(names), len(near.names)))
        names = np.asarray((spoken @ near.titles.T).todense()) > 0
        names &= title[seen.owner][:, None] != title[None]
    return Matches(seen.owner, said, names, weight / total if total > 0 else weight, len(rows))


def _groups(titles: sparse.csr_array) -> NDArray[np.int32]:
    """A number for each row of a matrix; equal rows have equal numbers."""
    seen: dict[bytes, int] = {}
    spans = zip(titles.indptr[:-1].tolist(), titles.indptr[1:].tolist(), strict=True)
    own = [titles.indices[start:end].tobytes() for start, end in spans]
    return np.array([seen.setdefault(each, len(seen)) for each in own], np.int32)
