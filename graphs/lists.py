"""Words, each with a short list of numbers, in arrays that may be memory-mapped."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kgrag.arrays import Arrays, packed, unpacked
from kgrag.strings import Strings


@dataclass(frozen=True)
class Lists:
    """``words``: ascending, each once. ``begin`` (words + 1,): where each word's part of ``numbers`` begins."""

    words: Strings
    begin: NDArray[np.int64]
    numbers: NDArray[np.int32]

    @staticmethod
    def of(lists: Mapping[str, Sequence[int]]) -> Lists:
        """Pack a mapping; the order within each list is kept."""
        words = sorted(lists)
        lengths = np.fromiter((len(lists[word]) for word in words), np.int64, len(words))
        numbers = (number for word in words for number in lists[word])
        return Lists(
            Strings.of(words),
            np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)]),
            np.fromiter(numbers, np.int32, int(lengths.sum())),
        )

    def get(self, word: str) -> list[int]:
        """What is listed under ``word``; nothing if it is not known."""
        number = place(self.words, word)
        return [] if number is None else self.numbers[self.begin[number] : self.begin[number + 1]].tolist()

    def arrays(self, name: str) -> Arrays:
        """The arrays of these lists, named so that `read` finds them."""
        return {**packed(name, self.words), f"{name}_lists": self.begin, f"{name}_numbers": self.numbers}

    @staticmethod
    def read(name: str, arrays: Arrays) -> Lists:
        """The lists whose `arrays` were named ``name``.

        Raises:
            KeyError: there are none.
        """
        return Lists(unpacked(name, arrays), arrays[f"{name}_lists"], arrays[f"{name}_numbers"])


def place(words: Sequence[str], word: str) -> int | None:
    """Where ``word`` stands among ascending ``words``, or None: some twenty looks among a million."""
    number = bisect_left(words, word)
    return number if number < len(words) and words[number] == word else None
