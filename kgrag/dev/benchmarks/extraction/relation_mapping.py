"""What the relations and types of public sets are called here, and when two predicates say the same."""

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
    """How a relation of CoNLL-04 shows here: our predicates, and the types that their subject may have."""

    predicates: tuple[str, ...]
    subjects: tuple[str, ...]


@lru_cache(maxsize=1)
def _load_tables() -> dict[str, Any]:
    return tomllib.loads(RELATION_NAMES_PATH.read_text("utf-8"))


def relation_predicates(name: str) -> Mapping[str, tuple[str, ...]]:
    """The relations of a set (``webnlg`` or ``2wiki``) -> our predicates; ``^p`` is our ``p`` read backwards."""
    return {relation: tuple(ours) for relation, ours in _load_tables()[name].items()}


def conll04_relations() -> Mapping[str, RelationMapping]:
    """The relations of CoNLL-04, in the order in which a triple of ours is tried against them."""
    return {
        name: RelationMapping(tuple(k["predicates"]), tuple(k["subjects"]))
        for name, k in _load_tables()["conll04"].items()
    }


def entity_types(name: str) -> Mapping[str, str]:
    """The types of a set -> ours, "" where there is none of ours."""
    return dict(_load_tables()["types"][name])


def relation_name_words(relation: str) -> str:
    """The words of a relation's or predicate's name: ``words("birthPlace") == words("birth_place") == "birth place"``."""
    return normalize_name(re.sub(r"(?<=[a-z])(?=[A-Z])", " ", relation).replace("_", " "))


def is_same_relation(
    relation: str,
    predicate: str,
    predicate_table: Mapping[str, tuple[str, ...]],
    vocabulary: PredicateSchema,
    *,
    is_reversed: bool,
) -> bool:
    """Whether our ``predicate`` says what a set's ``relation`` does.

    A relation without a predicate of ours agrees only with one that is called by the same words.

    Args:
        table: see `predicates_of`.
        turned: whether our subject is the set's object, and the other way round. A predicate then agrees if it is
            the inverse of the right one, or symmetric; father and mother are both the inverse of child.
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
