"""What facts can say: the predicates, and the words by which people ask for them."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from kgrag.text import normalize_name
from kgrag.text.dates import date_entity_id
from kgrag.text.quantities import quantity_entity_id


@dataclass(frozen=True, slots=True)
class Predicate:
    """A kind of fact; ``unit`` is what a QUANTITY is in ("money": any currency; "": whatever it is): what it means and how questions ask for it (see ``graphs/predicates.toml``)."""

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


@lru_cache(maxsize=1)
def _load_predicate_tables() -> dict[str, Any]:
    return tomllib.loads((Path(__file__).parent / "predicates.toml").read_text("utf-8"))


@lru_cache(maxsize=8)
def load_predicate_schema(user_predicates: str = "") -> PredicateSchema:
    """The predicates, with the words that ask for them, and the countries that peoples' names stand for.

    Args:
        extra: the text of a user's own predicates.toml, which `check` found good; "" for none.
    """
    data, user_data = _load_predicate_tables(), tomllib.loads(user_predicates)
    predicates = {name: _make_predicate(name, fields) for name, fields in data["predicate"].items()}
    for name, fields in user_data.get("predicate", {}).items():
        shipped_predicate = predicates.get(name)
        predicates[name] = (
            _make_predicate(name, fields) if shipped_predicate is None else _extend_predicate(shipped_predicate, fields)
        )
    kin = {noun: tuple(chain) for noun, chain in {**data["kin"], **user_data.get("kin", {})}.items()}
    countries = {
        called: country
        for country, fields in data["countries"].items()
        for called in [country.lower(), *fields["people"], *fields["names"]]
    }
    demonyms = frozenset(people for fields in data["countries"].values() for people in fields["people"])
    non_country_names = frozenset(data["country_parts"]["words"].split()) | {
        people.replace(" ", "_") for people in demonyms
    }
    country_names = {
        called: land for called, land in countries.items() if called.replace(" ", "_") not in non_country_names
    }
    return PredicateSchema(predicates, kin, countries, demonyms, country_names)


def _make_predicate(name: str, fields: Mapping[str, Any]) -> Predicate:
    list_fields: dict[str, Any] = {field: tuple(fields.get(field, ())) for field in ("nouns", "asks")}
    derived = tuple(tuple(chain) for chain in fields.get("derived", ()))
    scalar_fields = {
        field: fields[field] for field in ("inverse", "symmetric", "functional", "value", "unit") if field in fields
    }
    return Predicate(
        name=name, meaning=fields.get("meaning", ""), equivalent_paths=derived, **list_fields, **scalar_fields
    )


def _extend_predicate(predicate: Predicate, fields: Mapping[str, Any]) -> Predicate:
    """A predicate with a user's words besides its own, and the user's word on what it is."""
    user_predicate = _make_predicate(predicate.name, fields)
    overrides: dict[str, Any] = {
        field: getattr(user_predicate, field) for field in fields if field not in ("nouns", "asks", "derived")
    }
    list_fields: dict[str, Any] = {
        field: (*getattr(predicate, field), *getattr(user_predicate, field))
        for field in ("nouns", "asks", "equivalent_paths")
    }
    return replace(predicate, **list_fields, **overrides)
