"""What the relations and types of public sets are called here, and when two predicates say the same."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from graphs.vocabulary import Vocabulary
from kgrag.text import key

FILE = Path(__file__).parents[1] / "data" / "relation_names.toml"


class Kind(NamedTuple):
    """How a relation of CoNLL-04 shows here: our predicates, and the types that their subject may have."""

    predicates: tuple[str, ...]
    subjects: tuple[str, ...]


@lru_cache(maxsize=1)
def _data() -> dict[str, Any]:
    return tomllib.loads(FILE.read_text("utf-8"))


def predicates_of(name: str) -> Mapping[str, tuple[str, ...]]:
    """The relations of a set (``webnlg`` or ``2wiki``) -> our predicates; ``^p`` is our ``p`` read backwards."""
    return {relation: tuple(ours) for relation, ours in _data()[name].items()}


def kinds() -> Mapping[str, Kind]:
    """The relations of CoNLL-04, in the order in which a triple of ours is tried against them."""
    return {name: Kind(tuple(k["predicates"]), tuple(k["subjects"])) for name, k in _data()["conll04"].items()}


def types_of(name: str) -> Mapping[str, str]:
    """The types of a set -> ours, "" where there is none of ours."""
    return dict(_data()["types"][name])


def words(relation: str) -> str:
    """The words of a relation's or predicate's name: ``words("birthPlace") == words("birth_place") == "birth place"``."""
    return key(re.sub(r"(?<=[a-z])(?=[A-Z])", " ", relation).replace("_", " "))


def agrees(
    relation: str, predicate: str, table: Mapping[str, tuple[str, ...]], vocabulary: Vocabulary, *, turned: bool
) -> bool:
    """Whether our ``predicate`` says what a set's ``relation`` does.

    A relation without a predicate of ours agrees only with one that is called by the same words.

    Args:
        table: see `predicates_of`.
        turned: whether our subject is the set's object, and the other way round. A predicate then agrees if it is
            the inverse of the right one, or symmetric; father and mother are both the inverse of child.
    """
    known = vocabulary.predicates.get(predicate)
    for wanted in table.get(relation, ()):
        backwards = wanted.startswith("^")
        right = wanted.removeprefix("^")
        if backwards != turned:
            other = vocabulary.predicates.get(right)
            if predicate == right and other is not None and other.symmetric:
                return True
            if (other is not None and other.inverse == predicate) or (known is not None and known.inverse == right):
                return True
        elif predicate == right:
            return True
    return relation not in table and not turned and words(relation) == words(predicate)
