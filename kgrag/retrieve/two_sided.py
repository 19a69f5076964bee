"""Show every side of a question that compares: "difference between A and B" needs a passage of A and one of B.

A passage covers a side if it has the words that the other sides lack, in its title, its headings or its text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from indices.bm25_index import index_tokens, top_k
from kgrag.protocols import Matrix
from kgrag.retrieve.candidates import Candidates, IndexSet, RowNumbers
from kgrag.text.two_sides import split_sides

FIRST_PLACES = 5
"""Number of first places among which every side has a passage."""
MIN_COVERED_SHARE = 0.6
"""Share of a side's words, weighted by idf, that a passage must have to cover it."""
SEARCHED_PER_SIDE = 20
"""Number of passages with a side's words that are looked at if no candidate covers it."""
Places = NDArray[np.int64]


class QuestionSides:
    """The sides of one question.

    Args:
        question: the user's question; one that compares nothing has no sides.
        indices: the indices of the store.
    """

    def __init__(self, question: str, indices: IndexSet) -> None:
        self._question, self._indices = question, indices
        phrases = split_sides(question)
        words = [dict.fromkeys(index_tokens(phrase)) for phrase in phrases]
        self._words = [
            [word for word in side if not any(word in other for other in words if other is not side)] for side in words
        ]
        # "index or unique index": one side has no word of its own
        self._phrases = [phrase for phrase, own in zip(phrases, self._words, strict=True) if own]
        self._words = [own for own in self._words if own]

    def __bool__(self) -> bool:
        return bool(self._words)

    def covered(self, rows: RowNumbers) -> NDArray[np.bool_]:
        """Return (rows, sides): whether each row covers each side."""
        columns = []
        for words in self._words:
            weights = np.array([self._indices.words.idf(word) for word in words], np.float32)
            present = self._indices.words.scores_by_word(words, rows) > 0
            columns.append(present @ weights >= MIN_COVERED_SHARE * float(weights.sum()))
        return np.stack(columns, axis=1)

    def add_candidates(self, candidates: Candidates, vector: Matrix | None) -> Candidates:
        """Return the candidates with the best passage for each side that none of them covers.

        Args:
            candidates: the candidates of the question.
            vector: the question's embedding, if there is one.
        """
        missing = np.flatnonzero(~self.covered(candidates.rows).any(axis=0))
        found = [row for side in missing for row in [self._best_row(int(side))] if row is not None]
        return _with_rows(candidates, sorted({*found}), self._question, vector, self._indices) if found else candidates

    def _best_row(self, side: int) -> int | None:
        """Return the best row for the words of one side that covers it; None if there is none."""
        scores = self._indices.words.scores(self._phrases[side])
        if self._indices.allowed_rows is not None:
            scores[~self._indices.allowed_rows] = 0
        excluded = self._indices.words.excluded_rows(self._question)
        if excluded is not None:
            scores[excluded] = 0
        rows, _ = top_k(scores, SEARCHED_PER_SIDE)
        covering = rows[self.covered(rows)[:, side]] if len(rows) else rows
        return int(covering[0]) if len(covering) else None

    def place(self, rows: RowNumbers) -> Places:
        """Return the order of rows in which each side has a row among the first `FIRST_PLACES`, if any row covers it.

        The row moves to the last of these places. It replaces the last row there that is not the first of all, that does
        not cover every side, and that no other side needs. All other rows keep their order.

        Args:
            rows: best first.
        """
        covered = self.covered(rows)
        order = list(range(len(rows)))
        for side in range(covered.shape[1]):
            first = order[:FIRST_PLACES]
            best = next((place for place in order if covered[place, side]), None)
            if best is None or best in first:
                continue
            for leaving in reversed(first[1:]):
                rest = [place for place in first if place != leaving]
                if not covered[leaving].all() and not (covered[leaving] & ~covered[rest].any(axis=0)).any():
                    order = [*rest, best, leaving, *(place for place in order[FIRST_PLACES:] if place != best)]
                    break
        return np.array(order, np.int64)


def _with_rows(
    candidates: Candidates, rows: Sequence[int], question: str, vector: Matrix | None, indices: IndexSet
) -> Candidates:
    """Return the candidates with more rows, ascending, which no walk and no fused ranking has found."""
    added = np.array(rows, np.int64)
    bm25 = indices.words.scores(question if "words" in candidates.components else "")[added]
    cosine = np.full(len(added), np.nan, np.float32)
    if vector is not None and "vectors" in candidates.components:
        cosine = indices.vectors.scores(vector, added)
    all_rows = np.concatenate([candidates.rows, added])
    order = np.argsort(all_rows)
    none = np.zeros((len(added), candidates.walk_scores.shape[1]), np.float32)
    return replace(
        candidates,
        rows=all_rows[order],
        bm25=np.concatenate([candidates.bm25, bm25])[order],
        cosine=np.concatenate([candidates.cosine, cosine])[order],
        fused=np.concatenate([candidates.fused, none[:, 0]])[order],
        walk_scores=np.concatenate([candidates.walk_scores, none])[order],
        neighbourhood=indices.graph.neighbourhood(all_rows[order]),
    )
