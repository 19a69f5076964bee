"""Names and values as measurements compare them, and what our own triples join under all names of their ends."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from graphs.vocabulary import Vocabulary
from kgrag.dates import in_words
from kgrag.text import key
from kgrag.types import Extraction, Triple

_THOUSANDS = re.compile(r"\d{1,3}(?: \d{3})+")


@lru_cache(maxsize=1 << 16)
def value(name: str) -> str:
    """What a name, date or number is compared as.

    Names: `kgrag.text.key`, underscores as blanks. Dates: "13 March 1963" and "March 13, 1963" are "1963-03-13", a
    month of a year "1963-03". Whole numbers lose the commas of their thousands.
    """
    plain = key(name.replace("_", " "))
    if said := in_words(plain):
        return said
    return plain.replace(" ", "") if _THOUSANDS.fullmatch(plain) else plain


class Stated(NamedTuple):
    """A triple of ours, its ends as all values that they go by in their document."""

    subject: frozenset[str]
    predicate: str
    object: frozenset[str]
    triple: Triple

    def joins(self, a: frozenset[str], b: frozenset[str]) -> int:
        """1 if it goes from a thing called one of ``a`` to one called one of ``b``, -1 if back, 0 if neither."""
        if self.subject & a and self.object & b:
            return 1
        return -1 if self.subject & b and self.object & a else 0


def values(names: Sequence[str]) -> frozenset[str]:
    """`value` of each name that has any letter or number."""
    return frozenset(v for v in map(value, names) if v)


def called(extraction: Extraction) -> Mapping[str, frozenset[str]]:
    """All values that each entity of a document goes by: its id, its mentions, and its other names.

    The id that stands for the title of a document without one is no name.
    """
    nameless = key(extraction.document.id) if not key(extraction.document.title) else None
    found: defaultdict[str, set[str]] = defaultdict(set)
    for entity, name, _ in extraction.names:
        found[entity].add(value(name))
    for mention in extraction.mentions:
        found[mention.entity_id] |= {value(mention.entity_id), value(mention.surface)}
    for triple in extraction.triples:
        for end in (triple.subject, triple.object):
            found[end].add(value(end))
        if triple.predicate == "also_known_as":
            found[triple.subject].add(value(triple.object))
    if nameless is not None:
        found[nameless].discard(value(nameless))
    return {entity: frozenset(v for v in names if v) for entity, names in found.items()}


def stated(extraction: Extraction, vocabulary: Vocabulary) -> list[Stated]:
    """The triples of a document; an end that is a people is also called by its country where that is what is said.

    What only says how the subject of a document without a title is called is left out: it joins nothing.
    """
    names = called(extraction)
    nameless = not key(extraction.document.title)
    found = []
    for triple in extraction.triples:
        if nameless and triple.predicate == "also_known_as" and triple.subject == key(extraction.document.id):
            continue
        known = vocabulary.predicates.get(triple.predicate)
        ends = [names.get(triple.subject, frozenset()), names.get(triple.object, frozenset())]
        if known is not None and known.value == "COUNTRY":
            ends[1] |= countries(ends[1], vocabulary)
        found.append(Stated(ends[0], triple.predicate, ends[1], triple))
    return found


def countries(names: frozenset[str], vocabulary: Vocabulary) -> frozenset[str]:
    """The countries that any of the names stands for, as values: "american" -> "united states"."""
    return frozenset(value(vocabulary.countries[name]) for name in names if name in vocabulary.countries)
