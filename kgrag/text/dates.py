"""Parse English and Chinese dates into one comparable form."""

from __future__ import annotations

import re

from kgrag.text import has_cjk, normalize_name

_MONTH_WORDS = (
    "january february march april may june july august september october november december "
    "jan feb mar apr may jun jul aug sep oct nov dec"
)
MONTH_NAMES = tuple(name.capitalize() for name in _MONTH_WORDS.split()[:12])
"""January to December."""
CALENDAR_WORDS = frozenset(name.lower() for name in MONTH_NAMES) | frozenset(
    ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
)
"""Months and weekdays in lower case: capitalised English words that are not names."""
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
"""A date within a text that is more precise than a year."""
_TWO_DIGIT_MONTHS = frozenset(f"{number:02d}" for number in range(1, 13))
_YEAR_PATTERN = re.compile(r"\d{3,4}")
_LENIENT_CHINESE_DATE = re.compile(r"(前)?(\d{1,4})\s*年(?:\s*(\d{1,2})\s*月)?(?:\s*(\d{1,2})\s*日)?")
_CHINESE_DATE = re.compile(r"(?P<y>\d{1,4})年(?:(?P<n>\d{1,2})月(?:(?P<d>\d{1,2})[日号])?)?")


def normalize_date(name: str) -> str:
    """Return a date as "1912-03-03", "1912-03" or "1912", as precise as it is written; "" if the name is not a date.

    A bare year in English needs three or four digits. Years before the common era are not dates here.
    """
    normalized = normalize_name(name)
    if match := _CHINESE_DATE.fullmatch(normalized.replace(" ", "")):
        return _to_iso(match)
    return f"{int(normalized):04d}" if _YEAR_PATTERN.fullmatch(normalized) else parse_written_date(normalized)


def date_entity_id(name: str) -> str:
    """Return the entity id of a date, equal for all spellings: "1912 06 23", "june 1912" or "1912".

    Names that are not dates get their `normalize_name`. The month is a word, since "1912 06" may also be a range of
    years.
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
    """Parse a normalised name (`normalize_name`) that is a date with at least a month, in English or ISO 8601 order.

    Returns:
        The date as in `normalize_date`; "" if the name is not such a date.
    """
    for pattern in _DATE_PATTERNS:
        if match := pattern.fullmatch(normalized):
            return _to_iso(match)
    return ""


def parse_date_tuple(text: str) -> tuple[int, ...]:
    """Parse a date leniently into (year,), (year, month) or (year, month, day); () if the text has none.

    Unlike `normalize_date`, it accepts any word order, text around a Chinese date, short years and Chinese years
    before the common era (as negative numbers). It does not accept dates in ISO 8601 order.
    """
    if has_cjk(text):
        match = _LENIENT_CHINESE_DATE.search(text)
        if not match:
            return ()
        year, month, day = match.group(2, 3, 4)
        return tuple(int(p) for p in ((f"-{year}" if match.group(1) else year), month, day) if p)
    words = normalize_name(text).split()
    month_number = next((MONTH_NUMBERS[w] for w in words if w in MONTH_NUMBERS), 0)
    numbers = [int(w) for w in words if w.isdigit()]
    if not numbers:
        return ()
    if not month_number:
        return (numbers[-1],) if len(words) == 1 else ()
    if len(numbers) == 1:
        return (numbers[0], month_number)
    first, last = numbers[0], numbers[-1]
    return (last, month_number, first) if first <= 31 else (first, month_number)


def most_precise_date(name: str, text: str) -> str:
    """Return the more precise spelling of a date in a text, or ``name`` if there is none.

    For example "3 March 1912" for 1912 or March 1912. If the text has several such dates, the right one is unknown and
    ``name`` is returned.
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
