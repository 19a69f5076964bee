"""Words of each passage in order, to find phrases and words that stand close together."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from indices.tokens import STEM_BITS, SURFACE_BITS, stem_code
from kgrag.storage.arrays import expand_ranges

MAX_DISTANCE = 24
"""Distance in words from which two words no longer belong together."""
Rows = NDArray[np.int64]


class WordSequences:
    """The words of each passage in order; the arrays may be memory-mapped.

    Args:
        begin: (passages + 1,), offset of each passage in ``codes``.
        codes: the `word_codes` of the passages' words; 0 separates the fields of a passage.
    """

    def __init__(self, begin: NDArray[np.int64], codes: NDArray[np.uint32]) -> None:
        self.begin, self.codes = begin, codes

    def has_phrase(self, phrase: Sequence[int], rows: Rows) -> NDArray[np.bool_]:
        """Return (rows,): whether a passage has the words of ``phrase``, given as codes, one after the other."""
        owner, positions = expand_ranges(self.begin, rows)
        codes = self.codes[positions]
        count = max(0, len(codes) - len(phrase) + 1)
        is_match = owner[:count] == owner[len(phrase) - 1 : len(phrase) - 1 + count]
        for place, code in enumerate(phrase):
            is_match &= codes[place : place + count] == code
        found = np.zeros(len(rows), bool)
        found[owner[:count][is_match]] = True
        return found

    def proximity(self, pairs: Sequence[tuple[str, str, float]], rows: Rows) -> NDArray[np.float32]:
        """Return (rows,): the summed weights of pairs of stems, each times 1 / (1 + ln d) of their least distance d."""
        owner, positions = expand_ranges(self.begin, rows)
        stems = self.codes[positions] >> np.uint32(SURFACE_BITS)
        wanted = np.unique(np.array([stem_code(stem) for first, second, _ in pairs for stem in (first, second)]))
        number_by_stem = np.zeros(1 << STEM_BITS, np.int16)  # 0 for other stems
        number_by_stem[wanted] = np.arange(1, len(wanted) + 1)
        all_numbers = number_by_stem[stems]
        hits = np.flatnonzero(all_numbers)
        numbers, hit_owner = all_numbers[hits], owner[hits]
        places = hits + hit_owner * MAX_DISTANCE  # words of two passages are never close
        closeness = np.zeros(len(rows), np.float32)
        for first, second, weight in pairs:
            left = places[numbers == number_by_stem[stem_code(first)]]
            is_second = numbers == number_by_stem[stem_code(second)]
            right, right_owner = places[is_second], hit_owner[is_second]
            if not len(left) or not len(right):
                continue
            position = np.searchsorted(left, right)
            distance = np.minimum(
                np.abs(left[np.minimum(position, len(left) - 1)] - right),
                np.abs(right - left[np.maximum(position - 1, 0)]),
            )
            is_close = distance <= MAX_DISTANCE
            best = np.zeros(len(rows), np.float32)
            np.maximum.at(best, right_owner[is_close], _CLOSENESS[distance[is_close]])
            closeness += np.float32(weight) * best
        return closeness


_CLOSENESS = np.array([0] + [1 / (1 + math.log(d)) for d in range(1, MAX_DISTANCE + 1)], np.float32)
