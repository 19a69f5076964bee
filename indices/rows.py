"""What every index row stands for: passages and their documents, in the order of the store's passages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple, overload

import numpy as np
from numpy.typing import NDArray

from kgrag.arrays import load_arrays, packed, save_arrays, unpacked
from kgrag.strings import Strings


class Row(NamedTuple):
    """What one row of every index stands for."""

    passage_id: str
    document_id: str


class Rows(Sequence[Row]):
    """A sequence of `Row` over arrays, which may be memory-mapped.

    Args:
        passages: the passages' ids by row.
        documents: distinct ids.
        owner: (rows,), the place of each passage's document in ``documents``.
    """

    def __init__(self, passages: Strings, documents: Strings, owner: NDArray[np.int32]) -> None:
        self._passages, self._documents, self._owner = passages, documents, owner

    @staticmethod
    def of(pairs: Iterable[tuple[str, str]]) -> Rows:
        """Pack (passage id, document id) in row order."""
        known: dict[str, int] = {}
        kept = [(passage, known.setdefault(document, len(known))) for passage, document in pairs]
        owner = np.fromiter((document for _, document in kept), np.int32, len(kept))
        return Rows(Strings.of(passage for passage, _ in kept), Strings.of(known), owner)

    def __len__(self) -> int:
        return len(self._owner)

    @overload
    def __getitem__(self, place: int) -> Row: ...
    @overload
    def __getitem__(self, place: slice) -> list[Row]: ...
    def __getitem__(self, place: int | slice) -> Row | list[Row]:
        """One row, or the list of a slice's.

        Raises:
            IndexError: there is none at ``place``.
        """
        if isinstance(place, slice):
            return [self[number] for number in range(*place.indices(len(self)))]
        return Row(self._passages[place], self._documents[int(self._owner[place])])

    def passages(self) -> Sequence[str]:
        """The passages' ids by row."""
        return self._passages

    def save(self, folder: Path) -> None:
        """Write the folder, whole or not at all."""
        parts = packed("passages", self._passages) | packed("documents", self._documents)
        save_arrays(folder, parts | {"owner": self._owner})

    @staticmethod
    def load(folder: Path) -> Rows:
        """Read what `save` wrote, from the disk as it is used."""
        arrays = load_arrays(folder)
        return Rows(unpacked("passages", arrays), unpacked("documents", arrays), arrays["owner"])
