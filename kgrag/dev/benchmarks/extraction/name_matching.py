"""Comparison forms of names and values, and our triples with all names of their ends."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from graphs.predicates import PredicateSchema
from kgrag.text import normalize_name
from kgrag.text.dates import parse_written_date
from kgrag.types import Extraction, Triple

_THOUSANDS = re.compile(r"\d{1,3}(?: \d{3})+")


@lru_cache(maxsize=1 << 16)
def comparison_form(name: str) -> str:
    """Return the normalized form of a name, date or number for comparison.

    Names: `kgrag.text.normalize_name`, underscores as blanks. Dates: "13 March 1963" and "March 13, 1963" are
    "1963-03-13", a month of a year "1963-03". Whole numbers lose the commas of their thousands.
    """
    normalized = normalize_name(name.replace("_", " "))
    if iso_date := parse_written_date(normalized):
        return iso_date
    return normalized.replace(" ", "") if _THOUSANDS.fullmatch(normalized) else normalized


class NormalizedTriple(NamedTuple):
    """A triple of ours, with the comparison forms of all names that its ends have in their document."""

    subject: frozenset[str]
    predicate: str
    object: frozenset[str]
    triple: Triple

    def direction_between(self, a: frozenset[str], b: frozenset[str]) -> int:
        """Return 1 if the triple leads from a name in ``a`` to a name in ``b``, -1 if back, 0 if neither."""
        if self.subject & a and self.object & b:
            return 1
        return -1 if self.subject & b and self.object & a else 0


def comparison_forms(names: Sequence[str]) -> frozenset[str]:
    """Return `comparison_form` of each name that has any letter or number."""
    return frozenset(v for v in map(comparison_form, names) if v)


def entity_name_forms(extraction: Extraction) -> Mapping[str, frozenset[str]]:
    """Return the comparison forms of each entity of a document: of its id, its mentions, and its other names.

    The id that stands for the title of an untitled document is no name.
    """
    untitled_id = normalize_name(extraction.document.id) if not normalize_name(extraction.document.title) else None
    forms_by_entity: defaultdict[str, set[str]] = defaultdict(set)
    for entity, name, _ in extraction.names:
        forms_by_entity[entity].add(comparison_form(name))
    for mention in extraction.mentions:
        forms_by_entity[mention.entity_id] |= {comparison_form(mention.entity_id), comparison_form(mention.surface)}
    for triple in extraction.triples:
        for end in (triple.subject, triple.object):
            forms_by_entity[end].add(comparison_form(end))
        if triple.predicate == "also_known_as":
            forms_by_entity[triple.subject].add(comparison_form(triple.object))
    if untitled_id is not None:
        forms_by_entity[untitled_id].discard(comparison_form(untitled_id))
    return {entity: frozenset(v for v in names if v) for entity, names in forms_by_entity.items()}


def normalize_triples(extraction: Extraction, vocabulary: PredicateSchema) -> list[NormalizedTriple]:
    """Return the triples of a document, with all names of their ends.

    If the object is a nationality and means the country, it also has the country's names. A triple that only names the
    subject of an untitled document is left out: it links nothing.
    """
    name_forms = entity_name_forms(extraction)
    is_untitled = not normalize_name(extraction.document.title)
    normalized = []
    for triple in extraction.triples:
        if (
            is_untitled
            and triple.predicate == "also_known_as"
            and triple.subject == normalize_name(extraction.document.id)
        ):
            continue
        predicate = vocabulary.predicates.get(triple.predicate)
        end_forms = [name_forms.get(triple.subject, frozenset()), name_forms.get(triple.object, frozenset())]
        if predicate is not None and predicate.value == "COUNTRY":
            end_forms[1] |= country_forms(end_forms[1], vocabulary)
        normalized.append(NormalizedTriple(end_forms[0], triple.predicate, end_forms[1], triple))
    return normalized


def country_forms(names: frozenset[str], vocabulary: PredicateSchema) -> frozenset[str]:
    """Return the comparison forms of the countries that any of the names stands for: "american" -> "united states"."""
    return frozenset(comparison_form(vocabulary.countries[name]) for name in names if name in vocabulary.countries)
