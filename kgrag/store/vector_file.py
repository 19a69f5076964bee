"""File of vectors by the digest of their texts, which keeps finished work of an interrupted computation."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from kgrag.protocols import Matrix

_KEY_BYTES = 16
_MAX_LENGTH_ERROR = 1e-2
"""Vectors have length 1: a larger difference is a record that was not written completely."""
_RECORDS_PER_BLOCK = 4096


class VectorFile:
    """Unit vectors in a file that only grows.

    Args:
        path: the file; created if it does not exist. A damaged end is cut off.
        dimensions: the length of the vectors.
    """

    def __init__(self, path: Path, dimensions: int) -> None:
        self._path = path
        self._record = np.dtype([("key", f"V{_KEY_BYTES}"), ("vector", "<f4", (dimensions,))])
        self._number_of: dict[bytes, int] = {}
        path.touch()
        self._count = self._read_keys(path.stat().st_size // self._record.itemsize)
        with path.open("r+b") as file:
            file.truncate(self._count * self._record.itemsize)

    def _read_keys(self, count: int) -> int:
        """Record the keys of the first ``count`` vectors; return the number before the first damaged one."""
        for start in range(0, count, _RECORDS_PER_BLOCK):
            number = min(_RECORDS_PER_BLOCK, count - start)
            records = np.fromfile(self._path, self._record, number, offset=start * self._record.itemsize)
            is_damaged = ~(np.abs(np.linalg.norm(records["vector"], axis=1) - 1.0) < _MAX_LENGTH_ERROR)
            whole = int(np.argmax(is_damaged)) if is_damaged.any() else number
            for row in range(whole):
                self._number_of[records["key"][row].tobytes()] = start + row
            if whole < number:
                return start + whole
        return count

    def __contains__(self, text_key: bytes) -> bool:
        """Whether the vector of a text is in the file."""
        return text_key in self._number_of

    def add(self, text_keys: Sequence[bytes], vectors: Matrix) -> None:
        """Append vectors, (keys, dimensions), by the keys of their texts.

        Raises:
            OSError: the disk is full.
        """
        records = np.zeros(len(text_keys), self._record)
        records["key"] = np.frombuffer(b"".join(text_keys), f"V{_KEY_BYTES}")
        records["vector"] = vectors
        with self._path.open("ab") as file:
            file.write(records.tobytes())
        for key in text_keys:
            self._number_of[key] = self._count
            self._count += 1

    def vectors(self, text_keys: Iterable[bytes]) -> Iterable[Matrix]:
        """Yield the vector of each key, in order, read from the disk as needed.

        Raises:
            KeyError: the file has no vector of a key.
        """
        if not self._count:
            return
        records = np.memmap(self._path, self._record, "r", shape=(self._count,))
        for key in text_keys:
            vector: Matrix = records["vector"][self._number_of[key]]
            yield vector


def text_key(text: str) -> bytes:
    """Return the key of a text: the first 16 bytes of its sha256."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:_KEY_BYTES]
