"""Parse English and Chinese quantities into one comparable form.

The units and conversions are few and fixed, and half of them are Chinese, so a table replaces a units library.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from kgrag.text import normalize_name

_UNITS: dict[tuple[str, float], str] = {
    ("m", 1): "m metre metres meter meters 米 公尺",
    ("m", 1000): "km kilometre kilometres kilometer kilometers 公里 千米",
    ("m", 0.01): "cm centimetre centimetres centimeter centimeters 厘米 公分",
    ("m", 0.001): "mm millimetre millimetres millimeter millimeters 毫米",
    ("m", 0.3048): "ft foot feet 英尺",
    ("m", 0.0254): "inch inches 英寸",
    ("m", 0.9144): "yd yard yards 码",
    ("m", 1609.344): "mi mile miles 英里",
    ("m", 1852): "nmi 海里",
    ("m2", 1): "m² m2 平方米",
    ("m2", 1e6): "km² km2 平方公里 平方千米",
    ("m2", 1e4): "ha hectare hectares 公顷",
    ("m2", 4046.8564): "acre acres 英亩",
    ("m2", 2589988.11): "mi² 平方英里",
    ("m2", 2000 / 3): "亩",
    ("kg", 1): "kg kilogram kilograms 公斤 千克",
    ("kg", 1000): "t tonne tonnes ton tons 吨",
    ("kg", 0.001): "g gram grams 克",
    ("kg", 0.45359237): "lb lbs",
    ("min", 1): "min minute minutes 分钟",
    ("min", 60): "hour hours 小时",
    ("km/h", 1): "km/h kph",
    ("km/h", 1.609344): "mph",
    (
        "people",
        1,
    ): "people inhabitants residents persons students pupils employees workers staff members seats spectators 人 名 位 户",
    ("%", 1): "% percent 个百分点",
    ("USD", 1): "dollars 美元 美金",
    ("GBP", 1): "pounds 英镑",
    ("EUR", 1): "euros euro 欧元",
    ("CNY", 1): "yuan rmb 元 人民币 元人民币",
    ("JPY", 1): "yen 日元",
    ("INR", 1): "rupees crore 卢比",
}
_SQUARE_UNITS = {
    "m": "m2",
    "metre": "m2",
    "km": "km2",
    "kilomet": "km2",
    "mi": "mi²",
    "mile": "mi²",
    "ft": "sqft",
    "feet": "sqft",
}
_CURRENCY_CODES = {
    "us$": "USD",
    "$": "USD",
    "£": "GBP",
    "€": "EUR",
    "¥": "CNY",
    "rmb": "CNY",
    "₹": "INR",
    "usd": "USD",
    "eur": "EUR",
    "gbp": "GBP",
}
_SCALE_FACTORS = {
    "thousand": 1e3, "million": 1e6, "billion": 1e9, "trillion": 1e12, "m": 1e6, "bn": 1e9,
    "千": 1e3, "万": 1e4, "萬": 1e4, "百万": 1e6, "千万": 1e7, "亿": 1e8, "億": 1e8, "万亿": 1e12,
}  # fmt: skip
_UNIT_BY_WORD = {word: unit for unit, words in _UNITS.items() for word in words.split()} | {"sqft": ("m2", 0.09290304)}
_ENGLISH_UNITS = "|".join(
    sorted((re.escape(w) for w in _UNIT_BY_WORD if w.isascii() or "²" in w), key=len, reverse=True)
)
_CHINESE_UNITS = "|".join(sorted((w for w in _UNIT_BY_WORD if w > "\u2fff"), key=len, reverse=True))
UNIT_ZH_PATTERN = f"(?:{_CHINESE_UNITS})"
"""Regular expression of a Chinese unit."""
NUMBER_PATTERN = r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?"
_SCALE_WORDS = r"thousand|million|billion|trillion|bn"
_SCALE_WORDS_ZH = "万亿|百万|千万|千|万|萬|亿|億"
SCALE_ZH_PATTERN = f"(?:{_SCALE_WORDS_ZH})"
"""Regular expression of a Chinese scale word, such as 万."""
_SQUARE_PREFIX = r"(?P<square>(?:square|sq\.?) )?"
_CURRENCY_PREFIX = r"(?P<money>US\$|\$|£|€|¥|₹|(?:USD|EUR|GBP|RMB) ?)"
UNIT_PATTERN = rf"(?:(?:square|sq\.?) )?(?:{_ENGLISH_UNITS})(?![\w/²])"
"""Regular expression of an English unit."""
AMOUNT_PATTERN = (
    rf"(?:(?:US\$|[$£€¥₹]|(?:USD|EUR|GBP|RMB) ?)(?:{NUMBER_PATTERN})(?:[ -]?(?:{_SCALE_WORDS}))?"
    rf"|(?:{NUMBER_PATTERN})(?: (?:{_SCALE_WORDS}))?[ -]?{UNIT_PATTERN}"
    rf"|(?:{NUMBER_PATTERN})(?:多|余)?{SCALE_ZH_PATTERN}?(?:多|余)?{UNIT_ZH_PATTERN})"
)
"""Regular expression of a quantity with a unit, in either language."""
COUNT_PATTERN = rf"(?:{NUMBER_PATTERN})(?: (?:{_SCALE_WORDS}))?"
"""Regular expression of a number without a unit; the words around it say what it counts."""
_QUANTITY_PATTERN = re.compile(
    rf"{_CURRENCY_PREFIX}?(?P<number>{NUMBER_PATTERN})(?:多|余)?[ -]?(?P<scale>{_SCALE_WORDS}|{_SCALE_WORDS_ZH})?(?:多|余)?[ -]?"
    rf"{_SQUARE_PREFIX}(?P<unit>{_ENGLISH_UNITS}|{_CHINESE_UNITS})?",
    re.IGNORECASE,
)


class Quantity(NamedTuple):
    """A number with a unit: m, m2, kg, min, km/h, ``people``, %, an ISO 4217 currency, or "" for a bare number."""

    value: float
    unit: str

    def __str__(self) -> str:
        number = f"{self.value:.10f}".rstrip("0").rstrip(".")
        return f"{number} {self.unit}".strip()


@lru_cache(maxsize=1 << 14)
def parse_quantity(text: str) -> Quantity | None:
    """Parse a text as a quantity; return None if it is not one.

    Values in other units are converted and rounded to four significant digits: "1,063 ft" is 324 m.
    """
    match = _QUANTITY_PATTERN.fullmatch(" ".join(text.split()))
    if not match:
        return None
    value = float(match["number"].replace(",", ""))
    if match["scale"]:
        value *= _SCALE_FACTORS[match["scale"].lower()]
    if match["money"]:
        return Quantity(value, _CURRENCY_CODES[match["money"].strip().lower()]) if not match["unit"] else None
    if not match["unit"]:
        return Quantity(value, "")
    unit_word = match["unit"].lower()
    if match["square"]:
        unit_word = next(
            (square for word, square in sorted(_SQUARE_UNITS.items(), reverse=True) if unit_word.startswith(word)), ""
        )
    unit, factor = _UNIT_BY_WORD.get(unit_word, ("", 0.0))
    if not factor:
        return None
    return Quantity(value if factor == 1 else float(f"{value * factor:.4g}"), unit)


def unit_name(word: str) -> str:
    """Return the name that all words of a unit share ("metre", "米": ``1 m``); "" for an unknown word."""
    unit, factor = _UNIT_BY_WORD.get(word.lower(), ("", 0.0))
    return f"{factor:g} {unit}" if unit else ""


def quantity_entity_id(text: str) -> str:
    """Return the entity id of a quantity, equal for all units; for other texts, their `normalize_name`."""
    parsed = parse_quantity(text)
    return normalize_name(str(parsed)) if parsed else normalize_name(text)
