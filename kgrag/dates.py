"""Dates as documents write them, in English and Chinese, as one form that can be compared."""

from __future__ import annotations

import re

from kgrag.text import key

_CALENDAR = (
    "january february march april may june july august september october november december "
    "jan feb mar apr may jun jul aug sep oct nov dec"
)
MONTH_NAMES = tuple(name.capitalize() for name in _CALENDAR.split()[:12])
"""January to December."""
MONTHS = {name: place % 12 + 1 for place, name in enumerate(_CALENDAR.split())} | {"sept": 9}
_MONTH = "|".join(MONTHS)
_FORMS = (
    re.compile(rf"(?P<d>\d{{1,2}})(?:st|nd|rd|th)? (?:of )?(?P<m>{_MONTH}) (?P<y>\d{{3,4}})"),
    re.compile(rf"(?P<m>{_MONTH}) (?P<d>\d{{1,2}})(?:st|nd|rd|th)? (?P<y>\d{{3,4}})"),
    re.compile(rf"(?P<m>{_MONTH}) (?P<y>\d{{3,4}})"),
    re.compile(r"(?P<y>\d{4}) (?P<n>\d{2}) (?P<d>\d{2})"),
)
WRITTEN = re.compile(
    rf"\b(?:\d{{1,2}}(?:st|nd|rd|th)?\s+(?:of\s+)?)?(?:{_MONTH})\b(?:\s+\d{{1,2}}(?:st|nd|rd|th)?,?)?,?\s+\d{{3,4}}\b"
    r"|\d{1,4}年\d{1,2}月(?:\d{1,2}日)?",
    re.IGNORECASE,
)
"""A date that has more than a year, in a text."""
_NUMBERS = frozenset(f"{number:02d}" for number in range(1, 13))
_YEAR = re.compile(r"\d{3,4}")
_CHINESE = re.compile(r"(?P<y>\d{1,4})年(?:(?P<n>\d{1,2})月(?:(?P<d>\d{1,2})[日号])?)?")


def date(name: str) -> str:
    """A date as "1912-03-03", "1912-03" or "1912", as exact as it is written; "" for what is none.

    A year alone has three or four digits in English; years before our era are no dates here.
    """
    plain = key(name)
    if match := _CHINESE.fullmatch(plain.replace(" ", "")):
        return _iso(match)
    return f"{int(plain):04d}" if _YEAR.fullmatch(plain) else in_words(plain)


def date_id(name: str) -> str:
    """The entity id of a date, the same however it is written: "1912 06 23", "june 1912" or "1912"; else `key`.

    A month is in words, since "1912 06" may as well be a span of years.
    """
    said = date(name)
    if len(said) == 7:
        return f"{_CALENDAR.split()[int(said[5:]) - 1]} {int(said[:4])}" if said[5:] in _NUMBERS else key(name)
    return said.replace("-", " ") if len(said) > 7 else str(int(said)) if said else key(name)


def in_words(plain: str) -> str:
    """`date` of a normalised name (`kgrag.text.key`) that has more than a year, in English or as ISO 8601 has it."""
    for form in _FORMS:
        if match := form.fullmatch(plain):
            return _iso(match)
    return ""


def exact(name: str, text: str) -> str:
    """The same date as a text writes it, if it does so more exactly: "3 March 1912" for 1912 or March 1912; else ``name``.

    A text that has several such dates does not say which is meant.
    """
    said = date(name)
    fuller = {date(m.group()): m.group() for m in WRITTEN.finditer(text)} if said else {}
    found = [written for day, written in fuller.items() if day.startswith(f"{said}-")]
    return found[0] if len(found) == 1 else name


def _iso(match: re.Match[str]) -> str:
    parts = match.groupdict()
    month = int(parts["n"]) if parts.get("n") else MONTHS.get(parts.get("m") or "", 0)
    day = f"-{int(parts['d']):02d}" if parts.get("d") else ""
    return f"{int(parts['y']):04d}" + (f"-{month:02d}{day}" if month else "")
