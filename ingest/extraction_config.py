"""How a user changes the reading: predicates and patterns of their own, and names that are never one thing."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ExtractionConfig:
    """What reading depends on besides the document; small, since every worker process gets it with every batch.

    ``apart``: pairs of normalised names that stay two things within a document. ``predicates``: the text of a
    ``predicates.toml`` (see `ingest.relations.pattern_library`), checked before.
    """

    never_merge: frozenset[frozenset[str]] = frozenset()
    predicates_toml: str = ""


DEFAULT = ExtractionConfig()
