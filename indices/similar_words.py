"""Find the words of a vocabulary within a small edit distance of a misspelt word."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from kgrag.storage.string_table import StringTable

MIN_LETTERS, MIN_LETTERS_TWO_EDITS = 5, 8
"""Letters from which one edit, and two, are forgiven."""
MAX_LETTERS = 30
_LETTER_BITS = (1 << 26) - 1
_BIT_COUNTS = np.array([number.bit_count() for number in range(1 << 13)], np.uint8)


def word_signatures(words: StringTable) -> NDArray[np.uint32]:
    """Return (words,): a bit for each letter of a word, and above them its length; 0 unless it is a to z."""
    return np.fromiter((_signature(words[number]) for number in range(len(words))), np.uint32, len(words))


@lru_cache(maxsize=4096)
def _signature(word: str) -> int:
    if not (word.isascii() and word.isalpha() and word.islower() and len(word) <= MAX_LETTERS):
        return 0
    bits = 0
    for letter in word:
        bits |= 1 << ord(letter) - ord("a")
    return bits | len(word) << 26


def similar_words(
    stem: str, max_edits: int, words: StringTable, signatures: NDArray[np.uint32]
) -> list[tuple[int, int]]:
    """Return (distance, number) of the words within ``max_edits`` of a stem, by distance, then by number.

    The distance counts insertions, deletions, substitutions and swaps of neighbours (optimal string alignment). Two
    edits are forgiven only behind an equal first letter. A final y equals i, as in a stem.
    """
    own = _signature(stem)
    if not own:
        return []
    # the length is in the upper bits: a range of lengths is a range of signatures
    shortest = np.uint32(max(1, len(stem) - max_edits) << 26)
    near = np.flatnonzero((signatures >= shortest) & (signatures < np.uint32((len(stem) + max_edits + 1) << 26)))
    letters_differ = (signatures[near] ^ np.uint32(own)) & np.uint32(_LETTER_BITS)
    different = _BIT_COUNTS[letters_differ >> np.uint32(13)] + _BIT_COUNTS[letters_differ & np.uint32((1 << 13) - 1)]
    is_same_start = words.blob[words.offsets[near]] == ord(stem[0]) if len(near) else np.zeros(0, bool)
    near = near[(different <= 2) | (is_same_start & (different <= 2 * max_edits))]
    letters, starts = words.blob, words.offsets[near]
    width = len(stem) + max_edits
    positions = np.minimum(starts[:, None] + np.arange(width), len(letters) - 1)
    matrix = letters[positions] if len(near) else np.zeros((0, width), np.uint8)
    lengths = (signatures[near] >> np.uint32(26)).astype(np.int64)
    distances = _alignment_distances(stem, matrix, lengths)
    if stem.endswith("y"):
        distances = np.minimum(distances, _alignment_distances(stem[:-1] + "i", matrix, lengths))
    is_same_start = matrix[:, 0] == ord(stem[0])
    is_close = (distances <= 1) | ((distances <= max_edits) & is_same_start)
    found = [(int(d), int(n)) for d, n in zip(distances[is_close], near[is_close], strict=True)]
    return sorted(found)


def _alignment_distances(word: str, matrix: NDArray[np.uint8], lengths: NDArray[np.int64]) -> NDArray[np.int16]:
    """Return (n,): the optimal string alignment distance of ``word`` to each row of ``matrix``, (n, letters)."""
    count, width = matrix.shape
    steps = np.arange(width + 1, dtype=np.int16)
    before: NDArray[np.int16] | None = None
    current = np.tile(steps, (count, 1))
    for row, letter in enumerate(word.encode(), 1):
        is_equal = matrix == letter
        following = np.empty_like(current)
        following[:, 0] = row
        following[:, 1:] = np.minimum(current[:, 1:] + 1, current[:, :-1] + ~is_equal)
        if before is not None:
            is_swapped = is_equal[:, :-1] & (matrix[:, 1:] == ord(word[row - 2]))
            following[:, 2:] = np.where(is_swapped, np.minimum(following[:, 2:], before[:, :-2] + 1), following[:, 2:])
        # an insertion follows its left neighbour: a running minimum of the distance less the column
        following = np.minimum.accumulate(following - steps, axis=1) + steps
        before, current = current, following
    return current[np.arange(count), lengths]
