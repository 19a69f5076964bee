"""Quantities as objects of facts: parse them and find their mentions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from graphs.predicates import load_predicate_schema
from kgrag.text import normalize_name
from kgrag.text.quantities import AMOUNT_PATTERN, COUNT_PATTERN, parse_quantity
from kgrag.types import Mention, Passage, Triple

_QUANTITY_TEXT = re.compile(f"{AMOUNT_PATTERN}|{COUNT_PATTERN}[万亿]?", re.IGNORECASE)


def quantity_entity(text: str, unit: str) -> str:
    """Return the entity of a quantity with the unit of a predicate, "" if it has another unit.

    Counts of inhabitants need no unit: "a population of 3,769".
    """
    parsed_quantity = parse_quantity(text)
    if parsed_quantity is None:
        return ""
    if unit == "people" and not parsed_quantity.unit:
        parsed_quantity = parsed_quantity._replace(unit=unit)
    is_unit_compatible = (
        parsed_quantity.unit == unit or (unit == "money" and parsed_quantity.unit.isupper()) or not unit
    )
    return normalize_name(str(parsed_quantity)) if parsed_quantity.unit and is_unit_compatible else ""


def quantity_mentions(passage: Passage, triples: Iterable[Triple], user_predicates: str = "") -> Iterator[Mention]:
    """Yield the mentions of the quantities in a passage's facts.

    Args:
        passage: the passage.
        triples: its facts.
        user_predicates: text of a ``predicates.toml`` (see `graphs.predicates.load_predicate_schema`).
    """
    predicates = load_predicate_schema(user_predicates).predicates
    for triple in triples:
        predicate = predicates.get(triple.predicate)
        if predicate is None or predicate.value != "QUANTITY":
            continue
        for match in _QUANTITY_TEXT.finditer(passage.text, triple.start - passage.start, triple.end - passage.start):
            if quantity_entity(match.group(), predicate.unit) == triple.object:
                start, end = passage.start + match.start(), passage.start + match.end()
                yield Mention(triple.object, passage.id, start, end, "QUANTITY", match.group())
                break
