"""Exceptions of the project; their messages name the expectation, the finding and the remedy.

Users see the message and no traceback.

KgragError            exit code 1: the command failed
 |- UsageError        exit code 2: wrong arguments or configuration
 |- ReadError         a file or a row cannot be read
 |- StoreError        the store is missing, damaged or of another version
 |   |- StoreBusyError  another process is using the store
 |- ModelError        a model is unknown, incomplete or does not fit
"""

from __future__ import annotations


class KgragError(Exception):
    """An error that the user can act on; ``str(error)`` is one sentence for the user."""

    exit_code = 1


class UsageError(KgragError):
    """The command or configuration is wrong: a missing path, an unknown key, an empty question."""

    exit_code = 2


class ReadError(KgragError):
    """A file, or a row of it, cannot be read as text."""


class StoreError(KgragError):
    """The store is missing, damaged or of another version."""


class StoreBusyError(StoreError):
    """Another process is using the store."""


class ModelError(KgragError):
    """A model cannot be found, verified or run."""
