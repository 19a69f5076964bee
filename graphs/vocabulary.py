"""What facts can say: the predicates, and the words by which people ask for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Predicate:
    """A kind of fact: what it means and how questions ask for it (see ``ingest/relations.toml``)."""

    name: str
    meaning: str
    inverse: str = ""
    symmetric: bool = False
    functional: bool = False
    value: str = "NAME"
    nouns: tuple[str, ...] = ()
    asks: tuple[str, ...] = ()
    derived: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """All predicates, words for more than one step (``kin``), and what countries and their peoples are called.

    ``countries`` maps lower-case names and adjectives to the country; ``peoples`` are the adjectives among them.
    """

    predicates: Mapping[str, Predicate]
    kin: Mapping[str, tuple[str, ...]]
    countries: Mapping[str, str]
    peoples: frozenset[str] = frozenset()
