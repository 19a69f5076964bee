"""Find the documents that fulfil a filter: the distinct values of every metadata field, and who has them."""

from __future__ import annotations

import difflib
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kgrag.errors import UsageError
from kgrag.filters import Combination, Filter, Negation, Term
from kgrag.storage.arrays import load_arrays, pack_strings, save_arrays, unpack_strings
from kgrag.storage.string_table import StringTable
from kgrag.types import DocumentProperties

Mask = NDArray[np.bool_]


class DocumentIndex:
    """Metadata of all documents by column; documents have the numbers of `indices.row_map.RowMap`.

    Args:
        fields: names of the fields, sorted.
        values: distinct values of all fields, field after field.
        value_starts: (fields + 1,), the first value of each field, and the end of the last one.
        owners: documents that have a value, value after value.
        owner_starts: (values + 1,), the first owner of each value, and the end of the last one.
        length: number of documents.
    """

    def __init__(
        self,
        fields: StringTable,
        values: StringTable,
        value_starts: NDArray[np.int64],
        owners: NDArray[np.int32],
        owner_starts: NDArray[np.int64],
        length: int,
    ) -> None:
        self._fields, self._values, self._value_starts = fields, values, value_starts
        self._owners, self._owner_starts, self._length = owners, owner_starts, length

    @staticmethod
    def build(documents: Iterable[DocumentProperties], number_of: dict[str, int]) -> DocumentIndex:
        """Index documents.

        Args:
            documents: the properties of all documents.
            number_of: number of each document; those without one (they have no passages) are left out.
        """
        columns: defaultdict[str, defaultdict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
        for document in documents:
            number = number_of.get(document.id)
            if number is not None:
                for field, values in document.fields().items():
                    for value in values:
                        columns[field][value].append(number)
        fields = sorted(columns)
        ordered = [(value, columns[field][value]) for field in fields for value in sorted(columns[field])]
        value_counts = [len(columns[field]) for field in fields]
        owner_lists = [np.array(owners, np.int32) for _, owners in ordered]
        return DocumentIndex(
            StringTable.from_strings(fields),
            StringTable.from_strings(value for value, _ in ordered),
            np.concatenate([[0], np.cumsum(value_counts)]).astype(np.int64),
            np.concatenate([np.zeros(0, np.int32), *owner_lists]),
            np.concatenate([[0], np.cumsum([len(owners) for owners in owner_lists])]).astype(np.int64),
            len(number_of),
        )

    @property
    def fields(self) -> list[str]:
        """Names of the fields that some document has."""
        return list(self._fields)

    def __len__(self) -> int:
        return self._length

    def select(self, condition: Filter) -> Mask:
        """Return (documents,): whether each document fulfils the condition.

        Raises:
            UsageError: no document has a field of the condition.
        """
        if isinstance(condition, Negation):
            return ~self.select(condition.operand)
        if isinstance(condition, Combination):
            masks = [self.select(operand) for operand in condition.operands]
            return np.asarray((np.logical_and if condition.operator == "and" else np.logical_or).reduce(masks))
        return self._select_term(condition)

    def _select_term(self, term: Term) -> Mask:
        fields = self.fields
        if term.field not in fields:
            close = difflib.get_close_matches(term.field, fields, 1, 0.6)
            hint = f"did you mean {close[0]}? " if close else ""
            raise UsageError(
                f"Expected a field of the store's documents, found {term.field!r}: {hint}it has {', '.join(fields)}."
            )
        place = fields.index(term.field)
        first, last = int(self._value_starts[place]), int(self._value_starts[place + 1])
        mask = np.zeros(self._length, bool)
        for number in range(first, last):
            if term.matches(self._values[number]):
                mask[self._owners[self._owner_starts[number] : self._owner_starts[number + 1]]] = True
        return ~mask if term.operator == "!=" else mask

    def save(self, folder: Path) -> None:
        """Write the index to ``folder``, atomically."""
        arrays = pack_strings("fields", self._fields) | pack_strings("values", self._values)
        arrays |= {"value_starts": self._value_starts, "owners": self._owners, "owner_starts": self._owner_starts}
        save_arrays(folder, {**arrays, "length": np.array(self._length)})

    @staticmethod
    def load(folder: Path) -> DocumentIndex:
        """Load a saved index; the arrays are read from disk on demand."""
        arrays = load_arrays(folder)
        return DocumentIndex(
            unpack_strings("fields", arrays),
            unpack_strings("values", arrays),
            arrays["value_starts"],
            arrays["owners"],
            arrays["owner_starts"],
            int(arrays["length"]),
        )
