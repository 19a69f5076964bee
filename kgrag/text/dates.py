"""Dates as documents write them, in English and Chinese, as one form that can be compared."""

from __future__ import annotations

import re

from kgrag.text import normalize_name

_MONTH_WORDS = (
    "january february march april may june july august september october november december "
    "jan feb mar apr may jun jul aug sep oct nov dec"
)
MONTH_NAMES = tuple(name.capitalize() for name in _MONTH_WORDS.split()[:12])
"""January to December."""
MONTH_NUMBERS = {name: place % 12 + 1 for place, name in enumerate(_MONTH_WORDS.split())} | {"sept": 9}
_MONTH_PATTERN = "|".join(MONTH_NUMBERS)
_DATE_PATTERNS = (
    re.compile(rf"(?P<d>\d{{1,2}})(?:st|nd|rd|th)? (?:of )?(?P<m>{_MONTH_PATTERN}) (?P<y>\d{{3,4}})"),
    re.compile(rf"(?P<m>{_MONTH_PATTERN}) (?P<d>\d{{1,2}})(?:st|nd|rd|th)? (?P<y>\d{{3,4}})"),
    re.compile(rf"(?P<m>{_MONTH_PATTERN}) (?P<y>\d{{3,4}})"),
    re.compile(r"(?P<y>\d{4}) (?P<n>\d{2}) (?P<d>\d{2})"),
)
WRITTEN_DATE = re.compile(
    rf"\b(?:\d{{1,2}}(?:st|nd|rd|th)?\s+(?:of\s+)?)?(?:{_MONTH_PATTERN})\b(?:\s+\d{{1,2}}(?:st|nd|rd|th)?,?)?,?\s+\d{{3,4}}\b"
    r"|\d{1,4}年\d{1,2}月(?:\d{1,2}日)?",
    re.IGNORECASE,
)
"""A date that has more than a year, in a text."""
_TWO_DIGIT_MONTHS = frozenset(f"{number:02d}" for number in range(1, 13))
_YEAR_PATTERN = re.compile(r"\d{3,4}")
_CHINESE_DATE = re.compile(r"(?P<y>\d{1,4})年(?:(?P<n>\d{1,2})月(?:(?P<d>\d{1,2})[日号])?)?")


def normalize_date(name: str) -> str:
    """A date as "1912-03-03", "1912-03" or "1912", as exact as it is written; "" for what is none.

    A year alone has three or four digits in English; years before our era are no dates here.
    """
    normalized = normalize_name(name)
    if match := _CHINESE_DATE.fullmatch(normalized.replace(" ", "")):
        return _to_iso(match)
    return f"{int(normalized):04d}" if _YEAR_PATTERN.fullmatch(normalized) else parse_written_date(normalized)


def date_entity_id(name: str) -> str:
    """The entity id of a date, the same however it is written: "1912 06 23", "june 1912" or "1912"; else `key`.

    A month is in words, since "1912 06" may as well be a span of years.
    """
    iso_date = normalize_date(name)
    if len(iso_date) == 7:
        return (
            f"{_MONTH_WORDS.split()[int(iso_date[5:]) - 1]} {int(iso_date[:4])}"
            if iso_date[5:] in _TWO_DIGIT_MONTHS
            else normalize_name(name)
        )
    return iso_date.replace("-", " ") if len(iso_date) > 7 else str(int(iso_date)) if iso_date else normalize_name(name)


def parse_written_date(normalized: str) -> str:
    """`date` of a normalised name (`kgrag.text.key`) that has more than a year, in English or as ISO 8601 has it."""
    for pattern in _DATE_PATTERNS:
        if match := pattern.fullmatch(normalized):
            return _to_iso(match)
    return ""


def most_precise_date(name: str, text: str) -> str:
    """The same date as a text writes it, if it does so more exactly: "3 March 1912" for 1912 or March 1912; else ``name``.

    A text that has several such dates does not say which is meant.
    """
    iso_date = normalize_date(name)
    written_by_date = {normalize_date(m.group()): m.group() for m in WRITTEN_DATE.finditer(text)} if iso_date else {}
    matches = [written for day, written in written_by_date.items() if day.startswith(f"{iso_date}-")]
    return matches[0] if len(matches) == 1 else name


def _to_iso(match: re.Match[str]) -> str:
    parts = match.groupdict()
    month = int(parts["n"]) if parts.get("n") else MONTH_NUMBERS.get(parts.get("m") or "", 0)
    day = f"-{int(parts['d']):02d}" if parts.get("d") else ""
    return f"{int(parts['y']):04d}" + (f"-{month:02d}{day}" if month else "")
