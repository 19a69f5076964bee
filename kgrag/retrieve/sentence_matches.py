"""Match the candidates' sentences with the words of the question and with the other candidates.

A passage answers by one sentence, not as a whole: the sentence that names the next entity and has the words that ask
for it.
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
"""Score of a sentence that names a candidate without any word of the question."""


@dataclass(frozen=True)
class SentenceMatches:
    """Matches of ``s`` sentences of ``n`` candidates with a question of ``t`` distinct words.

    ``sentence_owners``: (s,) the candidate that each sentence belongs to. ``has_word``: (s, t) whether the sentence, or its
    passage's title, has the word. ``names_candidate``: (s, n) whether the sentence names the subject of another candidate.
    ``word_weights``: (t,) inverse document frequencies, normalized to sum 1, of the words outside the question's names; 0
    for the others. ``candidate_count``: n.
    """

    sentence_owners: NDArray[np.int32]
    has_word: NDArray[np.bool_]
    names_candidate: NDArray[np.bool_]
    word_weights: Column
    candidate_count: int

    def best_sentence(self, values: Column) -> Column:
        """Return for each candidate the maximum of its sentences' values, shape (n, ...).

        Args:
            values: non-negative, of shape (s, ...).
        """
        best = np.zeros((self.candidate_count, *values.shape[1:]), np.float32)
        np.maximum.at(best, self.sentence_owners, values)
        return best

    def bridge_scores(self) -> Column:
        """Return (n, n): the score, in [0, 1.05], of the first's best sentence that names the second.

        The score is the share of the question's words in that sentence, plus `MENTION_PRIOR`.
        """
        sentence_scores = MENTION_PRIOR + self.has_word @ self.word_weights
        return self.best_sentence((self.names_candidate * sentence_scores[:, None]).astype(np.float32))


def match_sentences(question: str, candidates: Candidates, indices: IndexSet) -> SentenceMatches:
    """Match the candidates' sentences with the question and with the candidates.

    Args:
        question: the user's question.
        candidates: its candidates; components that are disabled there are ignored here, too.
        indices: the indices of one store.
    """
    graph, rows = indices.graph, candidates.rows
    words = indices.words.question_tokens(question)
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
    """Return a group number for each row of a matrix; equal rows have equal numbers."""
    group_numbers: dict[bytes, int] = {}
    spans = zip(titles.indptr[:-1].tolist(), titles.indptr[1:].tolist(), strict=True)
    row_keys = [titles.indices[start:end].tobytes() for start, end in spans]
    return np.array([group_numbers.setdefault(key, len(group_numbers)) for key in row_keys], np.int32)
