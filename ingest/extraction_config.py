"""User settings for extraction: custom predicates and patterns, and names that must not be merged."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ExtractionConfig:
    """Everything that extraction depends on besides the document.

    Kept small, since every worker process receives it with every batch.

    Attributes:
        never_merge: pairs of normalised names that stay separate entities within a document.
        predicates_toml: text of a ``predicates.toml`` (see `ingest.relations.pattern_library`), already validated.
    """

    never_merge: frozenset[frozenset[str]] = frozenset()
    predicates_toml: str = ""


DEFAULT = ExtractionConfig()
