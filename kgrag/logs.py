"""Logging of the package: stage timings and prompts at DEBUG, to standard error."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager

from kgrag.errors import UsageError

LEVELS = ("debug", "info", "warning", "error")
LOG_VARIABLE = "KGRAG_LOG"
"""Environment variable with one of `LEVELS`."""
_FORMAT = "%(asctime)s.%(msecs)03d %(levelname)s %(name)s: %(message)s"


def configure_logging(level: str) -> None:
    """Send the package's log records of ``level`` and above to standard error.

    Raises:
        UsageError: ``level`` is not one of `LEVELS`.
    """
    if level.lower() not in LEVELS:
        raise UsageError(
            f"Expected {LOG_VARIABLE} to be one of {', '.join(LEVELS)}, found {level!r}: set it or unset it."
        )
    logger = logging.getLogger("kgrag")
    for handler in [h for h in logger.handlers if isinstance(h, logging.StreamHandler)]:
        logger.removeHandler(handler)
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter(_FORMAT, datefmt="%H:%M:%S"))
    logger.addHandler(handler)
    logger.setLevel(level.upper())


@contextmanager
def log_stage(logger: logging.Logger, stage: str) -> Iterator[None]:
    """Log the seconds that the body of the ``with`` block takes, at DEBUG."""
    start = time.perf_counter()
    try:
        yield
    finally:
        logger.debug("%s: %.3f s", stage, time.perf_counter() - start)
