"""Map index rows to passages and documents, in the order of the store's passages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple, overload

import numpy as np
from numpy.typing import NDArray

from indices.copy_groups import CopyGroups
from kgrag.storage.arrays import load_arrays, pack_strings, save_arrays, unpack_strings
from kgrag.storage.string_table import StringTable


class RowKey(NamedTuple):
    """The passage and the document of one index row."""

    passage_id: str
    document_id: str


class RowMap(Sequence[RowKey]):
    """A sequence of `RowKey` in arrays that may be memory-mapped.

    Args:
        passages: passage ids by row.
        documents: distinct document ids.
        owner: (rows,), the position of each passage's document in ``documents``.
        copies: the groups of rows whose passages are copies of each other.
    """

    def __init__(
        self, passages: StringTable, documents: StringTable, owner: NDArray[np.int32], copies: CopyGroups
    ) -> None:
        self._passages, self._documents, self._owner, self.copies = passages, documents, owner, copies

    @staticmethod
    def of(pairs: Iterable[tuple[str, str]], copies: CopyGroups | None = None) -> RowMap:
        """Pack (passage id, document id) pairs in row order; ``copies`` are of these rows, none by default."""
        document_numbers: dict[str, int] = {}
        numbered_pairs = [
            (passage, document_numbers.setdefault(document, len(document_numbers))) for passage, document in pairs
        ]
        owner = np.fromiter((document for _, document in numbered_pairs), np.int32, len(numbered_pairs))
        return RowMap(
            StringTable.from_strings(passage for passage, _ in numbered_pairs),
            StringTable.from_strings(document_numbers),
            owner,
            copies or CopyGroups.from_leaders(np.arange(len(owner), dtype=np.int32)),
        )

    def __len__(self) -> int:
        return len(self._owner)

    @overload
    def __getitem__(self, place: int) -> RowKey: ...
    @overload
    def __getitem__(self, place: slice) -> list[RowKey]: ...
    def __getitem__(self, place: int | slice) -> RowKey | list[RowKey]:
        """Return one row, or the list of rows of a slice.

        Raises:
            IndexError: ``place`` is out of range.
        """
        if isinstance(place, slice):
            return [self[number] for number in range(*place.indices(len(self)))]
        return RowKey(self._passages[place], self._documents[int(self._owner[place])])

    def document_ids(self) -> Sequence[str]:
        """Return the distinct document ids; a document's number is its place here."""
        return self._documents

    def select_rows(self, documents: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return (rows,): whether each row's document is selected in ``documents``, by document number."""
        return np.asarray(documents[self._owner])

    def passage_ids(self) -> Sequence[str]:
        """Return the passage ids by row."""
        return self._passages

    def save(self, folder: Path) -> None:
        """Write the rows to ``folder``, atomically."""
        parts = pack_strings("passages", self._passages) | pack_strings("documents", self._documents)
        save_arrays(folder, parts | self.copies.arrays() | {"owner": self._owner})

    @staticmethod
    def load(folder: Path) -> RowMap:
        """Load saved rows; the arrays are read from disk on demand."""
        arrays = load_arrays(folder)
        passages, documents = unpack_strings("passages", arrays), unpack_strings("documents", arrays)
        return RowMap(passages, documents, arrays["owner"], CopyGroups.from_arrays(arrays))
