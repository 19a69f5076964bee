"""Mapping of the relations and types of public datasets to our predicates and types."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from graphs.predicates import PredicateSchema
from kgrag.text import normalize_name

RELATION_NAMES_PATH = Path(__file__).parents[3] / "data" / "relation_names.toml"


class RelationMapping(NamedTuple):
    """The counterpart of a CoNLL-04 relation: our predicates, and the types that their subject may have."""

    predicates: tuple[str, ...]
    subjects: tuple[str, ...]


@lru_cache(maxsize=1)
def _load_tables() -> dict[str, Any]:
    return tomllib.loads(RELATION_NAMES_PATH.read_text("utf-8"))


def relation_predicates(name: str) -> Mapping[str, tuple[str, ...]]:
    """Return the relations of a dataset (``webnlg`` or ``2wiki``) -> our predicates; ``^p`` is our ``p`` reversed."""
    return {relation: tuple(ours) for relation, ours in _load_tables()[name].items()}


def conll04_relations() -> Mapping[str, RelationMapping]:
    """Return the relations of CoNLL-04, in the order in which a triple of ours is compared with them."""
    return {
        name: RelationMapping(tuple(k["predicates"]), tuple(k["subjects"]))
        for name, k in _load_tables()["conll04"].items()
    }


def entity_types(name: str) -> Mapping[str, str]:
    """Return the types of a dataset -> ours, "" for a type that we lack."""
    return dict(_load_tables()["types"][name])


def relation_name_words(relation: str) -> str:
    """Return the words of a relation's or predicate's name.

    ``relation_name_words("birthPlace") == relation_name_words("birth_place") == "birth place"``.
    """
    return normalize_name(re.sub(r"(?<=[a-z])(?=[A-Z])", " ", relation).replace("_", " "))


def is_same_relation(
    relation: str,
    predicate: str,
    predicate_table: Mapping[str, tuple[str, ...]],
    vocabulary: PredicateSchema,
    *,
    is_reversed: bool,
) -> bool:
    """Whether our ``predicate`` means the same as a dataset's ``relation``.

    A relation without a predicate of ours agrees only with a predicate of the same words.

    Args:
        relation: as the dataset calls it.
        predicate: as we call it.
        predicate_table: see `relation_predicates`.
        vocabulary: our predicates, with their inverses.
        is_reversed: whether our subject is the dataset's object, and the other way round. A predicate then agrees if it
            is the inverse of the right one, or symmetric; father and mother are both the inverse of child.
    """
    our_predicate = vocabulary.predicates.get(predicate)
    for mapped_name in predicate_table.get(relation, ()):
        is_inverse = mapped_name.startswith("^")
        mapped_predicate = mapped_name.removeprefix("^")
        if is_inverse != is_reversed:
            mapped_definition = vocabulary.predicates.get(mapped_predicate)
            if predicate == mapped_predicate and mapped_definition is not None and mapped_definition.symmetric:
                return True
            if (mapped_definition is not None and mapped_definition.inverse == predicate) or (
                our_predicate is not None and our_predicate.inverse == mapped_predicate
            ):
                return True
        elif predicate == mapped_predicate:
            return True
    return (
        relation not in predicate_table
        and not is_reversed
        and relation_name_words(relation) == relation_name_words(predicate)
    )
