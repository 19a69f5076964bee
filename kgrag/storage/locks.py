"""Lock files that keep two processes from writing the same folder."""

from __future__ import annotations

from pathlib import Path

from filelock import FileLock, Timeout

from kgrag.errors import StoreBusyError


def acquire_lock(path: Path, busy_message: str) -> FileLock:
    """Create the parent folder, then acquire the lock file ``path`` without waiting; the caller releases it.

    Raises:
        StoreBusyError: another process holds the lock; its text is ``busy_message``.
        OSError: the folder or the file cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise StoreBusyError(busy_message) from error
    return lock
