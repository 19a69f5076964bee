"""Load the schema of predicates, with the words that questions use for them."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from kgrag.text import normalize_name
from kgrag.text.dates import date_entity_id
from kgrag.text.quantities import quantity_entity_id


@dataclass(frozen=True, slots=True)
class Predicate:
    """A predicate: its meaning and the question words for it (see ``graphs/predicates.toml``).

    ``unit`` is the dimension of a QUANTITY ("money": any currency; "": any unit). ``equivalent_paths`` are chains of
    predicates that lead to the same object.
    """

    name: str
    meaning: str
    inverse: str = ""
    symmetric: bool = False
    functional: bool = False
    value: str = "NAME"
    unit: str = ""
    nouns: tuple[str, ...] = ()
    asks: tuple[str, ...] = ()
    holders: tuple[str, ...] = ()
    equivalent_paths: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class PredicateSchema:
    """All predicates, kinship words for several steps, and the names of countries.

    ``compound_relations`` maps a kinship noun to its chain of predicates. ``countries`` maps lower-case names and
    adjectives to the country. ``demonyms`` are the adjectives among them. ``country_names`` are those names that mean
    the whole country and nothing else (England is not the UK, and the Dutch are not a country).
    """

    predicates: Mapping[str, Predicate]
    compound_relations: Mapping[str, tuple[str, ...]]
    countries: Mapping[str, str]
    demonyms: frozenset[str] = frozenset()
    country_names: Mapping[str, str] = field(default_factory=dict)

    def entity_id(self, name: str, kind: str) -> str:
        """Return the entity id of a name, given its type as in `kgrag.types.Mention`.

        Each date, quantity and country has one id, however it is spelt. Other names use `kgrag.text.normalize_name`.
        """
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
    """Load the shipped predicates and countries, extended by the user's.

    Args:
        user_predicates: the text of a user's own predicates.toml, already validated; "" for none.
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
        name: country
        for country, fields in data["countries"].items()
        for name in [country.lower(), *fields["people"], *fields["names"]]
    }
    demonyms = frozenset(demonym for fields in data["countries"].values() for demonym in fields["people"])
    non_country_names = frozenset(data["country_parts"]["words"].split()) | {
        demonym.replace(" ", "_") for demonym in demonyms
    }
    country_names = {
        name: country for name, country in countries.items() if name.replace(" ", "_") not in non_country_names
    }
    return PredicateSchema(predicates, kin, countries, demonyms, country_names)


def add_document_predicates(schema: PredicateSchema, names: Iterable[str]) -> PredicateSchema:
    """Return a schema with the predicates that only the documents define: the headers of their tables.

    A header is its own noun: "the condition name of 25P02" asks for the cell under "Condition Name".

    Args:
        schema: the store's predicates.
        names: predicates of the store's facts.
    """
    added = {
        name: Predicate(name, f"the column {name.replace('_', ' ')!r} of a table", nouns=(name.replace("_", " "),))
        for name in names
        if name not in schema.predicates and name != "mentions"
    }
    return replace(schema, predicates={**schema.predicates, **added}) if added else schema


def _make_predicate(name: str, fields: Mapping[str, Any]) -> Predicate:
    derived = tuple(tuple(chain) for chain in fields.get("derived", ()))
    scalar_fields = {
        field: fields[field] for field in ("inverse", "symmetric", "functional", "value", "unit") if field in fields
    }
    return Predicate(
        name=name,
        meaning=fields.get("meaning", ""),
        nouns=tuple(fields.get("nouns", ())),
        asks=tuple(fields.get("asks", ())),
        holders=tuple(fields.get("holders", ())),
        equivalent_paths=derived,
        **scalar_fields,
    )


def _extend_predicate(predicate: Predicate, fields: Mapping[str, Any]) -> Predicate:
    """Add a user's question words to a predicate and override its other fields."""
    user_predicate = _make_predicate(predicate.name, fields)
    overrides = {
        field: getattr(user_predicate, field)
        for field in fields
        if field not in ("nouns", "asks", "holders", "derived")
    }
    return replace(
        predicate,
        nouns=(*predicate.nouns, *user_predicate.nouns),
        asks=(*predicate.asks, *user_predicate.asks),
        holders=(*predicate.holders, *user_predicate.holders),
        equivalent_paths=(*predicate.equivalent_paths, *user_predicate.equivalent_paths),
        **overrides,
    )
