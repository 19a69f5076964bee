"""Deferred handling of Ctrl-C."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def deferred_interrupt() -> Iterator[Callable[[], bool]]:
    """Yield a function that tells whether Ctrl-C was pressed; a second Ctrl-C interrupts at once."""
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    stop_requested = threading.Event()

    def request_stop(number: int, frame: Any) -> None:
        stop_requested.set()
        signal.signal(signal.SIGINT, previous_handler)

    previous_handler = signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, request_stop)
    try:
        yield stop_requested.is_set
    finally:
        signal.signal(signal.SIGINT, previous_handler)
