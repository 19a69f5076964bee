"""Candidates and the question, sentence by sentence: who says what of whom, and in which words of the question.

A passage answers by a sentence, not as a whole: what counts is the one sentence that names the next thing and has the
words that ask for it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from indices.bm25_index import index_tokens
from kgrag.retrieve.candidates import Candidates, IndexSet

Column = NDArray[np.float32]
MENTION_PRIOR = 0.05
"""What a sentence's naming a candidate counts for when it has no word of the question: little, but more than nothing."""


@dataclass(frozen=True)
class SentenceMatches:
    """What is known of ``n`` candidates with ``s`` sentences, for a question of ``t`` distinct words.

    ``owner``: (s,) the candidate that each sentence is of. ``words``: (s, t), whether the sentence, or its passage's
    title, has the word. ``names``: (s, n), whether it names what another candidate is about. ``weight``: (t,) inverse
    document frequencies of the words that are in no name of the question, scaled to add up to 1, and 0 for the others.
    ``count``: n.
    """

    sentence_owners: NDArray[np.int32]
    has_word: NDArray[np.bool_]
    names_candidate: NDArray[np.bool_]
    word_weights: Column
    candidate_count: int

    def best_sentence(self, values: Column) -> Column:
        """(n, ...): for each candidate the greatest of its sentences' ``values`` (s, ...), which are 0 or more."""
        best = np.zeros((self.candidate_count, *values.shape[1:]), np.float32)
        np.maximum.at(best, self.sentence_owners, values)
        return best

    def bridge_scores(self) -> Column:
        """(n, n): how well the first's best sentence that names the second has the words of the question, in [0, 1.05]."""
        sentence_scores = MENTION_PRIOR + self.has_word @ self.word_weights
        return self.best_sentence((self.names_candidate * sentence_scores[:, None]).astype(np.float32))


def match_sentences(question: str, candidates: Candidates, indices: IndexSet) -> SentenceMatches:
    """Lay the candidates' sentences beside the question and the candidates.

    Args:
        question: as it was asked.
        found: its candidates; parts that it went without say nothing here either.
        indices: of one store.
    """
    graph, rows = indices.graph, candidates.rows
    words = list(dict.fromkeys(index_tokens(question)))
    name_words = {word for name in candidates.linked_names for word in index_tokens(graph.names[int(name)])}
    weight = np.array([0.0 if word in name_words else indices.words.idf(word) for word in words], np.float32)
    total = float(weight.sum())
    neighbourhood = candidates.neighbourhood
    title_groups = _row_groups(neighbourhood.titles)
    with_sentences = "sentences" in candidates.components
    sentence_rows = (
        indices.sentences.rows_for(rows, words) if with_sentences else indices.sentences.rows_for(rows[:0], words)
    )
    has_word = sentence_rows.words if "words" in candidates.components else np.zeros_like(sentence_rows.words)
    names_candidate = np.zeros((len(sentence_rows.owner), len(rows)), bool)
    if "graph" in candidates.components and len(rows):
        is_known_name = np.isin(sentence_rows.names, neighbourhood.names)
        row_offsets = np.concatenate([[0], np.cumsum(is_known_name)])[sentence_rows.begin]
        columns = np.searchsorted(neighbourhood.names, sentence_rows.names[is_known_name])
        sentence_names = sparse.csr_array(
            (np.ones(len(columns), np.float32), columns, row_offsets), (len(names_candidate), len(neighbourhood.names))
        )
        names_candidate = np.asarray((sentence_names @ neighbourhood.titles.T).todense()) > 0
        names_candidate &= title_groups[sentence_rows.owner][:, None] != title_groups[None]
    return SentenceMatches(
        sentence_rows.owner, has_word, names_candidate, weight / total if total > 0 else weight, len(rows)
    )


def _row_groups(titles: sparse.csr_array) -> NDArray[np.int32]:
    """A number for each row of a matrix; equal rows have equal numbers."""
    group_numbers: dict[bytes, int] = {}
    spans = zip(titles.indptr[:-1].tolist(), titles.indptr[1:].tolist(), strict=True)
    row_keys = [titles.indices[start:end].tobytes() for start, end in spans]
    return np.array([group_numbers.setdefault(each, len(group_numbers)) for each in row_keys], np.int32)
