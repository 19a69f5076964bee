"""Numbers with units have one value in all units and both languages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.extraction import extract_documents
from ingest.relations.quantity_mentions import quantity_entity
from kgrag.text import normalize_name
from kgrag.text.dates import date_entity_id, normalize_date
from kgrag.text.quantities import Quantity, parse_quantity, quantity_entity_id
from kgrag.types import Document


@pytest.mark.parametrize(
    ("text", "value", "unit"),
    [
        ("1,063 feet", 324, "m"),
        ("324 m", 324, "m"),
        ("200-metre", 200, "m"),
        ("105.4 km²", 105_400_000, "m2"),
        ("105.4 square kilometres", 105_400_000, "m2"),
        ("105.4平方公里", 105_400_000, "m2"),
        ("8.5 million people", 8_500_000, "people"),
        ("850万人", 8_500_000, "people"),
        ("US$3.5 million", 3_500_000, "USD"),
        ("3.2亿美元", 320_000_000, "USD"),
        ("£35 million", 35_000_000, "GBP"),
        ("2 hours", 120, "min"),
        ("94分钟", 94, "min"),
        ("12%", 12, "%"),
        ("3,769", 3769, ""),
    ],
)
def test_parse_quantity_converts_units(text: str, value: float, unit: str) -> None:
    assert parse_quantity(text) == Quantity(value, unit)
    assert normalize_name(quantity_entity_id(text)) == quantity_entity_id(text)


@pytest.mark.parametrize("text", ["", "feet", "about 3 m", "1912年", "3 parsecs", "$3 feet", "m 3"])
def test_parse_quantity_other_text_is_none(text: str) -> None:
    assert parse_quantity(text) is None and quantity_entity_id(text) == normalize_name(text)


@given(st.integers(1, 10**9))
def test_thousands_separators_do_not_matter(number: int) -> None:
    assert quantity_entity_id(f"{number:,} people") == quantity_entity_id(f"{number} people") == f"{number} people"


def test_quantity_entity_requires_unit_of_predicate() -> None:
    assert quantity_entity("3,769", "people") == "3769 people" and quantity_entity("3,769", "m") == ""
    assert (
        quantity_entity("40 acres", "m") == ""
        and quantity_entity("$5", "money") == "5 usd"
        and quantity_entity("5 m", "money") == ""
    )


@pytest.mark.parametrize(
    ("text", "lang", "predicate", "object_", "spelling"),
    [
        ("Calder is a town. It had a population of 3,769 in 2010.", "en", "population", "3769 people", "3,769"),
        ("Calder is a tower. It is 1,063 feet (324 m) tall.", "en", "height", "324 m", "1,063 feet"),
        ("考尔德是一座城市，人口约36.5万人。", "zh", "population", "365000 people", "36.5万人"),
    ],
)
def test_quantity_facts_have_mentions(text: str, lang: str, predicate: str, object_: str, spelling: str) -> None:
    extraction = extract_documents([Document("d", "考尔德" if lang == "zh" else "Calder", text, "d", lang, "0")], 500)[
        0
    ]
    (triple,) = [t for t in extraction.triples if t.predicate == predicate]
    assert triple.object == object_
    (mention,) = [m for m in extraction.mentions if m.type == "QUANTITY"]
    assert (mention.entity_id, mention.surface) == (object_, spelling)
    assert text[mention.start : mention.end] == spelling


@pytest.mark.parametrize(
    "spelling", ["23 June 1912", "June 23, 1912", "1912年6月23日", "1912-06-23", "23rd of June 1912"]
)
def test_spellings_of_a_date_have_one_entity_id(spelling: str) -> None:
    assert date_entity_id(spelling) == "1912 06 23" and normalize_date(date_entity_id(spelling)) == "1912-06-23"


def test_partial_dates_keep_their_precision() -> None:
    assert (
        date_entity_id("June 1912") == date_entity_id("1912年6月") == "june 1912"
        and normalize_date(date_entity_id("June 1912")) == "1912-06"
    )
    assert date_entity_id("1912") == date_entity_id("1912年") == "1912"
    assert date_entity_id("1912–06") == normalize_name("1912–06") != date_entity_id("June 1912")
    assert date_entity_id("1912年13月") == normalize_name("1912年13月")
    assert date_entity_id("in spring") == "in spring"


def test_years_and_quantities_are_not_confused() -> None:
    extraction = extract_documents(
        [Document("d", "Calder", "Calder rises 1,912 m. It was built in 1912 in Turin.", "d", "en", "0")], 500
    )[0]
    assert {m.surface for m in extraction.mentions if m.type == "DATE"} == {"1912"}
    extraction = extract_documents([Document("d", "Calder", "Calder rises 1912 metres.", "d", "en", "0")], 500)[0]
    assert not [m for m in extraction.mentions if m.type == "DATE"]
    extraction = extract_documents(
        [Document("d", "Calder", "Calder is 800 metres from Orly, built in 1912 with 850 seats.", "d", "en", "0")], 500
    )[0]
    assert {m.surface for m in extraction.mentions if m.type == "DATE"} == {"1912"}
