"""Quantities as the ends of facts: which a piece of text is, and where a sentence has it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from ingest.patterns import vocabulary
from kgrag.quantities import AMOUNT, COUNT, quantity
from kgrag.text import key
from kgrag.types import Mention, Passage, Triple

_ANY = re.compile(f"{AMOUNT}|{COUNT}[万亿]?", re.IGNORECASE)


def amount(text: str, unit: str) -> str:
    """The entity of a quantity in a unit (`graphs.vocabulary.Predicate.unit`), "" if it is in another.

    People are counted without saying so: "a population of 3,769".
    """
    found = quantity(text)
    if found is None:
        return ""
    if unit == "people" and not found.unit:
        found = found._replace(unit=unit)
    fits = found.unit == unit or (unit == "money" and found.unit.isupper()) or not unit
    return key(str(found)) if found.unit and fits else ""


def amounts(passage: Passage, triples: Iterable[Triple], extra: str = "") -> Iterator[Mention]:
    """The places in a passage that have the quantities of its facts; ``extra`` as in `ingest.patterns.vocabulary`."""
    known = vocabulary(extra).predicates
    for triple in triples:
        predicate = known.get(triple.predicate)
        if predicate is None or predicate.value != "QUANTITY":
            continue
        for match in _ANY.finditer(passage.text, triple.start - passage.start, triple.end - passage.start):
            if amount(match.group(), predicate.unit) == triple.object:
                start, end = passage.start + match.start(), passage.start + match.end()
                yield Mention(triple.object, passage.id, start, end, "QUANTITY", match.group())
                break
