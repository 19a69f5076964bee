"""Compact table of many strings: one buffer of UTF-8 bytes and the offset of each string."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import overload

import numpy as np
from numpy.typing import NDArray

STRINGS_PER_CHUNK = 65536


class StringTable(Sequence[str]):
    """A sequence of strings over two arrays, which may be memory-mapped; equal to any sequence of the same strings.

    Args:
        blob: the strings in UTF-8, concatenated.
        offsets: (strings + 1,), start of each string, and the end of the last one.
    """

    def __init__(self, blob: NDArray[np.uint8], offsets: NDArray[np.int64]) -> None:
        self.blob, self.offsets = blob, offsets

    @staticmethod
    def from_strings(strings: Iterable[str]) -> StringTable:
        """Pack ``strings`` into a table."""
        pieces: list[NDArray[np.uint8]] = [np.zeros(0, np.uint8)]
        lengths: list[NDArray[np.int64]] = [np.zeros(1, np.int64)]
        remaining = iter(strings)
        while chunk := [text.encode() for text in islice(remaining, STRINGS_PER_CHUNK)]:
            pieces.append(np.frombuffer(b"".join(chunk), np.uint8))
            lengths.append(np.fromiter(map(len, chunk), np.int64, len(chunk)))
        return StringTable(np.concatenate(pieces), np.cumsum(np.concatenate(lengths)))

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        """Return the string at an index, or the list of strings of a slice.

        Raises:
            IndexError: the index is out of range.
        """
        if isinstance(index, slice):
            return [self[position] for position in range(*index.indices(len(self)))]
        position = index + len(self) if index < 0 else index
        if not 0 <= position < len(self):
            raise IndexError(f"Expected an index into {len(self)} strings, found {index}.")
        return self.blob[self.offsets[position] : self.offsets[position + 1]].tobytes().decode()

    def __eq__(self, other: object) -> bool:
        if isinstance(other, StringTable):
            return np.array_equal(self.offsets, other.offsets) and np.array_equal(self.blob, other.blob)
        return isinstance(other, Sequence) and len(self) == len(other) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]
