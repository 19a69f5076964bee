"""One error tree. A message says what was expected, what was found, and what to do; users see no traceback.

KgragError            exit code 1: it failed
 |- UsageError        exit code 2: it was asked for in the wrong way
 |- ReadError         a file or a row that cannot be read
 |- StoreError        a store that is missing, busy, damaged or of another version
 |- ModelError        a model that is unknown, incomplete or does not fit
"""

from __future__ import annotations


class KgragError(Exception):
    """Something a person can act on; ``str(error)`` is one sentence for them."""

    exit_code = 1


class UsageError(KgragError):
    """The command was misused: a missing path, an unknown key, an empty question."""

    exit_code = 2


class ReadError(KgragError):
    """A file, or a row of one, cannot be read as text."""


class StoreError(KgragError):
    """The store cannot be used as it is."""


class StoreBusyError(StoreError):
    """Another process holds the store."""


class ModelError(KgragError):
    """The model cannot be had, verified or run."""
