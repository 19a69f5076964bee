"""Limits of unpacking: bytes as they are unpacked, not as an archive declares them."""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO, ClassVar
from weakref import WeakKeyDictionary

from ingest.readers.read_log import ReadLog
from kgrag.errors import ReadError

_CHUNK_BYTES = 1 << 20


class UnpackBudget:
    """Bytes that may still be unpacked from one source, archives inside archives included."""

    MAX_BYTES = 1 << 30
    """Maximum bytes unpacked from one source."""
    MAX_MEMBER_BYTES = 256 << 20
    """Maximum bytes of one file."""
    MAX_RATIO = 200
    """Maximum ratio of unpacked to packed bytes; text reaches 20, and logs 100."""
    MIN_RATIO_BYTES = 16 << 20
    """Bytes below which the ratio is not tested."""
    MEMBER_COST = 2048
    """Bytes that every file costs besides its own, so that very many empty ones meet the limit too."""
    SIZE_MESSAGE = f"expected a file of at most {MAX_MEMBER_BYTES >> 20} MB, found a larger one: unpack and split it"

    _by_log: ClassVar[WeakKeyDictionary[ReadLog, UnpackBudget]] = WeakKeyDictionary()

    def __init__(self) -> None:
        self._left = self.MAX_BYTES

    @classmethod
    def of(cls, log: ReadLog) -> UnpackBudget:
        """Return the budget of the source that ``log`` belongs to."""
        return cls._by_log.setdefault(log, cls())

    @property
    def is_spent(self) -> bool:
        """Whether nothing more may be unpacked."""
        return self._left < 0

    def spend(self, count: int) -> None:
        """Subtract bytes.

        Raises:
            ReadError: more were unpacked than allowed.
        """
        self._left -= count
        if self.is_spent:
            raise ReadError(
                f"expected at most {self.MAX_BYTES >> 30} GB in an archive, found more: unpack and split it"
            )


class LimitedStream:
    """A stream of unpacked bytes that raises at the limits.

    Args:
        stream: unpacked bytes.
        budget: the budget of the source.
        packed_count: returns the packed bytes read so far.
    """

    def __init__(self, stream: BinaryIO, budget: UnpackBudget, packed_count: Callable[[], int]) -> None:
        self._stream = stream
        self._budget = budget
        self._packed_count = packed_count
        self._count = 0
        budget.spend(budget.MEMBER_COST)

    def read(self, size: int) -> bytes:
        """Return up to ``size`` bytes.

        Raises:
            ReadError: a limit is reached.
        """
        chunk = self._stream.read(min(size, _CHUNK_BYTES))
        self._count += len(chunk)
        self._budget.spend(len(chunk))
        ratio = self._count / max(self._packed_count(), 1)
        if self._count > self._budget.MIN_RATIO_BYTES and ratio > self._budget.MAX_RATIO:
            raise ReadError(f"expected a file, found a zip bomb that grows {ratio:.0f} times: leave it out")
        return chunk

    def read_member(self) -> bytes:
        """Return all bytes of a file.

        Raises:
            ReadError: a limit is reached.
        """
        content = bytearray()
        while chunk := self.read(_CHUNK_BYTES):
            content += chunk
            if len(content) > self._budget.MAX_MEMBER_BYTES:
                raise ReadError(self._budget.SIZE_MESSAGE)
        return bytes(content)
