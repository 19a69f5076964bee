"""What is freed stays with the process while it trains: pages given back and asked for anew are a part of the time."""

from __future__ import annotations

import ctypes
import sys

TRIM, TOP_PAD, MMAP_MAX = -1, -2, -4
"""Of glibc's `mallopt`."""
MORE = 64 * 1024 * 1024
"""Bytes by which the heap grows at the least."""


def keep_freed() -> bool:
    """Have the C library keep what is freed for what is asked for next; whether it does: glibc's does, on Linux.

    A layer's activations are tens of megabytes each. By itself the library maps every block of that size from the system and
    gives it back at once, and the system clears each page of it at its first use.
    """
    if sys.platform != "linux":
        return False
    try:
        library = ctypes.CDLL(None)
        settings = ((MMAP_MAX, 0), (TRIM, -1), (TOP_PAD, MORE))
        return all([library.mallopt(name, value) for name, value in settings])
    except (OSError, AttributeError):  # another C library
        return False
