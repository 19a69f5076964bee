"""glibc settings that keep freed memory in the process; returning and clearing pages slows training down."""

from __future__ import annotations

import ctypes
import sys

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4
"""Parameters of glibc's `mallopt`."""
HEAP_GROWTH_BYTES = 64 * 1024 * 1024
"""Minimum growth of the heap."""


def disable_malloc_trim() -> bool:
    """Keep freed memory for later allocations; return whether the C library (glibc on Linux) supports it.

    A layer's activations are tens of megabytes each. By default glibc maps every block of that size from the system and
    returns it when it is freed, and the system clears each page at its first use.
    """
    if sys.platform != "linux":
        return False
    try:
        library = ctypes.CDLL(None)
        settings = ((M_MMAP_MAX, 0), (M_TRIM_THRESHOLD, -1), (M_TOP_PAD, HEAP_GROWTH_BYTES))
        return all([library.mallopt(name, value) for name, value in settings])
    except (OSError, AttributeError):  # another C library
        return False
