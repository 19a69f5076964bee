"""Checks of a transaction that replaces all vectors of a store, shared by the backends."""

from __future__ import annotations

from kgrag.errors import StoreError


def check_generation(found: int, expected: int) -> None:
    """Check that the store is still the one whose texts were encoded.

    Raises:
        StoreError: another process has changed it.
    """
    if found != expected:
        raise StoreError(
            f"Expected the store at generation {expected}, found {found}, since another process wrote to it: run the "
            "same command again; no vector was changed."
        )


def check_vector_count(found: int, expected: int) -> None:
    """Check that every passage has a new vector.

    Raises:
        StoreError: some passage has none.
    """
    if found != expected:
        raise StoreError(
            f"Expected vectors for all {expected:,} passages, found {found:,}: run it again; no vector was changed."
        )
