"""What is freed stays with the process while it trains: pages given back and asked for anew are a part of the time."""

from __future__ import annotations

import ctypes
import sys

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4
"""Of glibc's `mallopt`."""
HEAP_GROWTH_BYTES = 64 * 1024 * 1024
"""Bytes by which the heap grows at the least."""


def disable_malloc_trim() -> bool:
    """Have the C library keep what is freed for what is asked for next; whether it does: glibc's does, on Linux.

    A layer's activations are tens of megabytes each. By itself the library maps every block of that size from the system and
    gives it back at once, and the system clears each page of it at its first use.
    """
    if sys.platform != "linux":
        return False
    try:
        library = ctypes.CDLL(None)
        settings = ((M_MMAP_MAX, 0), (M_TRIM_THRESHOLD, -1), (M_TOP_PAD, HEAP_GROWTH_BYTES))
        return all([library.mallopt(name, value) for name, value in settings])
    except (OSError, AttributeError):  # another C library
        return False
