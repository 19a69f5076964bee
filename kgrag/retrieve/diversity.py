"""Give copies one place: the best copy is a candidate and a hit, and the hit names the others.

A copy is left out only if it adds no word of the question. A passage that two pages share has another title on each:
"Warranty of the Z3" asks for one of the pages, and "Z3 or Z5" for both.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from indices.bm25_index import BM25Index
from indices.row_map import RowMap

RowNumbers = NDArray[np.int64]


class QuestionCopies:
    """The copies among the rows that are found for one question.

    Args:
        question: the user's question.
        rows: the rows of the store, with their copies.
        words: the words of these rows.
    """

    def __init__(self, question: str, rows: RowMap, words: BM25Index) -> None:
        self._question, self._copies, self._index = question, rows.copies, words
        self._words: list[str] | None = None
        self._chosen: dict[tuple[int, int], int] = {}

    def best(self, search: Callable[[int], RowNumbers], count: int) -> RowNumbers:
        """Return the first ``count`` rows of a search, each of its copies once; fewer if it finds fewer.

        The same copy stands for the others in every search, so that their ranks add up.

        Args:
            search: returns the best rows, as many as asked for, best first.
            count: number of rows.
        """
        wanted = count
        while True:
            rows = search(wanted)
            distinct = self._distinct(rows)
            if len(distinct) >= count or len(rows) < wanted:
                return distinct[:count]
            wanted *= 4

    def first_places(self, rows: RowNumbers) -> RowNumbers:
        """Return the places of the rows that no earlier row makes redundant; ``rows`` are best first."""
        places = np.arange(len(rows))
        groups = self._groups(rows)
        if groups is None:
            return places
        kept_words: dict[int, list[int]] = {}
        is_kept = np.ones(len(rows), bool)
        copied = np.flatnonzero(groups >= 0)
        for place, words in zip(copied.tolist(), self._words_of(rows[copied]), strict=True):
            earlier = kept_words.setdefault(int(groups[place]), [])
            is_kept[place] = all(words & ~others for others in earlier)
            if is_kept[place]:
                earlier.append(words)
        return places[is_kept]

    def _distinct(self, rows: RowNumbers) -> RowNumbers:
        """Return the rows without copies that have the same words of the question, each as the copy chosen first."""
        groups = self._groups(rows)
        if groups is None:
            return rows
        result = rows.copy()
        copied = np.flatnonzero(groups >= 0)
        for place, words in zip(copied.tolist(), self._words_of(rows[copied]), strict=True):
            result[place] = self._chosen.setdefault((int(groups[place]), words), int(rows[place]))
        return result[np.sort(np.unique(result, return_index=True)[1])]

    def _groups(self, rows: RowNumbers) -> RowNumbers | None:
        """Return the group of each row, -1 for a row without copies; None if no row has any."""
        groups = self._copies.group[rows].astype(np.int64)
        return groups if len(groups) and int(groups.max()) >= 0 else None

    def _words_of(self, rows: RowNumbers) -> list[int]:
        """Return the words of the question that each row has, as the bits of a number."""
        if self._words is None:
            self._words = self._index.question_tokens(self._question)
        present = self._index.scores_by_word(self._words, rows) > 0
        return [int.from_bytes(row.tobytes(), "big") for row in np.packbits(present, axis=1)]


def copy_ids(row: int, shown: set[int], rows: RowMap, allowed: NDArray[np.bool_] | None) -> tuple[str, ...]:
    """Return the passage ids of a row's copies that a filter leaves and that are not shown themselves.

    Args:
        row: the row of a hit.
        shown: the rows of all hits.
        rows: the rows of the store.
        allowed: (rows,), the rows that a filter leaves; None for all.
    """
    members = [int(member) for member in rows.copies.members(row) if allowed is None or allowed[member]]
    return tuple(rows[member].passage_id for member in members if member not in shown)
