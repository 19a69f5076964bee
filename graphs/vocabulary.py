"""What facts can say: the predicates, and the words by which people ask for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from kgrag.dates import date_entity_id
from kgrag.quantities import quantity_entity_id
from kgrag.text import normalize_name


@dataclass(frozen=True, slots=True)
class Predicate:
    """A kind of fact; ``unit`` is what a QUANTITY is in ("money": any currency; "": whatever it is): what it means and how questions ask for it (see ``ingest/predicates.toml``)."""

    name: str
    meaning: str
    inverse: str = ""
    symmetric: bool = False
    functional: bool = False
    value: str = "NAME"
    unit: str = ""
    nouns: tuple[str, ...] = ()
    asks: tuple[str, ...] = ()
    equivalent_paths: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class PredicateSchema:
    """All predicates, words for more than one step (``kin``), and what countries and their peoples are called.

    ``countries`` maps lower-case names and adjectives to the country; ``peoples`` are the adjectives among them,
    ``lands`` those names that mean the whole country and it alone (England is not the UK, and the Dutch are no country).
    """

    predicates: Mapping[str, Predicate]
    compound_relations: Mapping[str, tuple[str, ...]]
    countries: Mapping[str, str]
    demonyms: frozenset[str] = frozenset()
    country_names: Mapping[str, str] = field(default_factory=dict)

    def entity_id(self, name: str, kind: str) -> str:
        """The entity id of a name by itself, of a type as `kgrag.types.Mention` has it: dates, quantities and
        countries have one each, however they are called; else `kgrag.text.key`."""
        if kind == "DATE":
            return date_entity_id(name)
        if kind == "QUANTITY":
            return quantity_entity_id(name)
        country = self.country_names.get(" ".join(name.lower().split())) if kind == "PLACE" else None
        return normalize_name(country or name)
