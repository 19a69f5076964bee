"""Map words to short lists of numbers, in arrays that may be memory-mapped."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kgrag.storage.arrays import Arrays, pack_strings, unpack_strings
from kgrag.storage.string_table import StringTable


@dataclass(frozen=True)
class Postings:
    """A list of numbers for each word.

    ``words``: ascending and distinct. ``begin`` (words + 1,): offset of each word's list in ``numbers``.
    """

    words: StringTable
    begin: NDArray[np.int64]
    numbers: NDArray[np.int32]

    @staticmethod
    def of(numbers_by_word: Mapping[str, Sequence[int]]) -> Postings:
        """Pack a mapping; each list keeps its order."""
        words = sorted(numbers_by_word)
        lengths = np.fromiter((len(numbers_by_word[word]) for word in words), np.int64, len(words))
        numbers = (number for word in words for number in numbers_by_word[word])
        return Postings(
            StringTable.from_strings(words),
            np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)]),
            np.fromiter(numbers, np.int32, int(lengths.sum())),
        )

    def get(self, word: str) -> list[int]:
        """Return the numbers listed under ``word``, or [] if the word is unknown."""
        number = binary_search(self.words, word)
        return [] if number is None else self.numbers[self.begin[number] : self.begin[number + 1]].tolist()

    def to_arrays(self, name: str) -> Arrays:
        """Return the arrays of these lists, named for `from_arrays`."""
        return {**pack_strings(name, self.words), f"{name}_lists": self.begin, f"{name}_numbers": self.numbers}

    @staticmethod
    def from_arrays(name: str, arrays: Arrays) -> Postings:
        """Return the lists that `to_arrays` named ``name``.

        Raises:
            KeyError: there are none of that name.
        """
        return Postings(unpack_strings(name, arrays), arrays[f"{name}_lists"], arrays[f"{name}_numbers"])


def binary_search(words: Sequence[str], word: str) -> int | None:
    """Return the position of ``word`` in ascending ``words``, or None; about twenty comparisons for a million words."""
    number = bisect_left(words, word)
    return number if number < len(words) and words[number] == word else None
