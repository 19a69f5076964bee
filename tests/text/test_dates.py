"""Dates in either language and any spelling have one value."""

from __future__ import annotations

import pytest

from kgrag.text.dates import CALENDAR_WORDS, date_entity_id, normalize_date, parse_date_tuple


@pytest.mark.parametrize("text", ["23 June 1912", "June 23, 1912", "23rd of June 1912", "1912-06-23", "1912年6月23日"])
def test_spellings_of_a_date_have_one_entity_id(text: str) -> None:
    assert normalize_date(text) == "1912-06-23" and date_entity_id(text) == "1912 06 23"


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("23 June 1912", (1912, 6, 23)),
        ("June 1912", (1912, 6)),
        ("1912", (1912,)),
        ("生于1912年6月23日", (1912, 6, 23)),
        ("公元前221年", (-221,)),
        ("Ada Lovelace", ()),
    ],
)
def test_parse_date_tuple_is_as_precise_as_its_text(text: str, date: tuple[int, ...]) -> None:
    assert parse_date_tuple(text) == date


def test_calendar_words_are_months_and_weekdays() -> None:
    assert len(CALENDAR_WORDS) == 19 and {"may", "sunday"} <= CALENDAR_WORDS
