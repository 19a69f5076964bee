"""Show the values of spreadsheet cells by their number formats."""

from __future__ import annotations

import datetime
import re
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from fractions import Fraction
from functools import lru_cache

BUILT_IN_FORMATS = {
    0: "General", 1: "0", 2: "0.00", 3: "#,##0", 4: "#,##0.00", 9: "0%", 10: "0.00%", 11: "0.00E+00", 12: "# ?/?",
    13: "# ??/??", 14: "yyyy-mm-dd", 15: "d-mmm-yy", 16: "d-mmm", 17: "mmm-yy", 18: "h:mm AM/PM", 19: "h:mm:ss AM/PM",
    20: "h:mm", 21: "h:mm:ss", 22: "yyyy-mm-dd h:mm", 27: "yyyy-mm-dd", 28: "yyyy-mm-dd", 29: "yyyy-mm-dd",
    30: "yyyy-mm-dd", 31: "yyyy-mm-dd", 36: "yyyy-mm-dd", 37: "#,##0;-#,##0", 38: "#,##0;-#,##0",
    39: "#,##0.00;-#,##0.00", 40: "#,##0.00;-#,##0.00", 45: "mm:ss", 46: "[h]:mm:ss", 47: "mm:ss.0", 48: "##0.0E+0",
    49: "@", 50: "yyyy-mm-dd", 57: "yyyy-mm-dd", 58: "yyyy-mm-dd",
}  # fmt: skip
"""Formats that files refer to by number; dates that follow the system's language are ISO 8601."""
_MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]
_DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
_TOKEN = re.compile(
    r'"(?P<quoted>[^"]*)"?|\\(?P<escaped>.)|_(?:.)|\*(?:.)|\[(?P<bracket>[^\]]*)\]|(?P<ampm>AM/PM|A/P|上午/下午)|'
    r"(?P<digits>General|[#0?](?:[#0?.,/E+\-]|(?<=/)\d)*)|(?P<point>\.0+)|(?P<date>y+|m+|d+|h+|s+|e+|aaaa?)|(?P<other>.)",
    re.IGNORECASE | re.DOTALL,
)
_EPOCH = datetime.datetime(1899, 12, 30)
_EPOCH_1904 = datetime.datetime(1904, 1, 1)


@lru_cache(maxsize=4096)
def _sections(code: str) -> tuple[tuple[tuple[str, str], ...], ...]:
    """Return the tokens of each section (positive; negative; zero; text) as pairs of kind and value."""
    sections: list[list[tuple[str, str]]] = [[]]
    for match in _TOKEN.finditer(code):
        kind = match.lastgroup
        if kind == "other" and match[kind] == ";":
            sections.append([])
        elif kind is not None:
            sections[-1].append((kind, match[kind]))
    return tuple(map(tuple, sections))


def format_number(value: float, code: str, *, is_1904: bool = False) -> str:
    """Return a number as a format code shows it; dates count days from 1900, or from 1904."""
    sections = _sections(code)
    is_default_sign = len(sections) == 1 or (len(sections) == 2 and value >= 0)
    section = sections[0]
    if value < 0 and len(sections) > 1:
        section, value = sections[1], -value
    elif value == 0 and len(sections) > 2:
        section = sections[2]
    kinds = {kind for kind, _ in section}
    if not section:
        return "" if code else format_general(value)
    if "date" in kinds or any(kind == "bracket" and set(text.lower()) <= set("hms") and text for kind, text in section):
        return _format_date(value, section, is_1904)
    sign = "-" if value < 0 and is_default_sign else ""
    if "digits" not in kinds and "point" not in kinds:
        literals = "".join(_literal(kind, text) for kind, text in section)
        return literals.replace("@", format_general(value)) if "@" in literals else literals.strip()
    return sign + _format_digits(abs(value), section).strip()


def format_general(value: float) -> str:
    """Return a number with at most 11 significant digits."""
    if value == int(value) and abs(value) < 1e15:
        return str(int(value))
    text = f"{value:.11g}".upper()
    return text if "E" not in text or not 1e-9 < abs(value) < 1e11 else f"{value:.15f}".rstrip("0").rstrip(".")


def _literal(kind: str, text: str) -> str:
    if kind in ("quoted", "escaped", "other"):
        return text
    if kind == "bracket" and text.startswith("$"):
        return text[1:].split("-")[0]  # the sign of a currency; its language follows
    return ""


def _format_digits(value: float, section: tuple[tuple[str, str], ...]) -> str:
    pattern = "".join(text for kind, text in section if kind in ("digits", "point"))
    percents = sum(text == "%" for kind, text in section if kind == "other")
    number = _apply_pattern(value * 100**percents, pattern)
    parts, is_written = [], False
    for kind, text in section:
        if kind in ("digits", "point"):
            parts.append("" if is_written else number)
            is_written = True
        else:
            parts.append(_literal(kind, text))
    return "".join(parts)


def _apply_pattern(value: float, pattern: str) -> str:
    if pattern.lower() == "general":
        return format_general(value)
    if "/" in pattern:
        return _format_fraction(value, pattern)
    mantissa, _, exponent = pattern.upper().partition("E")
    if exponent:
        return f"{value:.{len(mantissa.partition('.')[2])}E}"
    whole, _, decimals_pattern = mantissa.partition(".")
    scaled = whole.rstrip(",") if not decimals_pattern else whole
    value /= 1000 ** (len(whole) - len(scaled) + len(decimals_pattern) - len(decimals_pattern.rstrip(",")))
    decimals_pattern = decimals_pattern.rstrip(",")
    try:
        rounded = Decimal(repr(value)).quantize(Decimal(1).scaleb(-len(decimals_pattern)), ROUND_HALF_UP)
    except InvalidOperation:
        return format_general(value)
    digits, _, decimals = f"{rounded:f}".partition(".")
    digits = digits.lstrip("0").rjust(scaled.count("0"), "0")
    if "," in scaled:
        digits = re.sub(r"(?<=\d)(?=(?:\d{3})+$)", ",", digits)
    while decimals and decimals_pattern[len(decimals) - 1] in "#?" and decimals[-1] == "0":
        decimals = decimals[:-1]
    return digits + (f".{decimals}" if decimals else "")


def _format_fraction(value: float, pattern: str) -> str:
    denominator = pattern.rpartition("/")[2]
    if denominator.isdecimal() and int(denominator):
        fraction = Fraction(round(value * int(denominator)), int(denominator))
    else:
        fraction = Fraction(value).limit_denominator(10 ** max(len(denominator), 1) - 1)
    whole, rest = divmod(fraction, 1)
    return f"{whole} {rest}" if whole and rest else f"{whole}" if not rest else f"{rest}"


def _format_date(value: float, section: tuple[tuple[str, str], ...], is_1904: bool) -> str:
    try:
        # Excel counts 29 February 1900, which did not exist
        days = value + 1 if not is_1904 and 0 < value < 60 else value
        moment = (_EPOCH_1904 if is_1904 else _EPOCH) + datetime.timedelta(days=days)
    except (OverflowError, ValueError):
        return format_general(value)
    has_fraction = any(kind == "point" or (kind == "digits" and text.startswith("0")) for kind, text in section)
    moment = moment.replace(microsecond=moment.microsecond if has_fraction else 0) + datetime.timedelta(
        seconds=0 if has_fraction else round(moment.microsecond / 1e6)
    )
    tokens = [(kind, text.lower() if kind == "date" else text) for kind, text in section]
    is_half_day = any(kind == "ampm" for kind, _ in tokens)
    parts = []
    for place, (kind, text) in enumerate(tokens):
        if kind == "date":
            parts.append(_date_part(moment, text, _is_minute(tokens, place), is_half_day))
        elif kind == "bracket" and text and set(text.lower()) <= set("hms"):
            unit = {"h": 3600, "m": 60, "s": 1}[text[0].lower()]
            parts.append(str(round(value * 86400) // unit).rjust(len(text), "0"))
        elif kind == "ampm":
            parts.append("AM" if moment.hour < 12 else "PM")
        elif kind in ("point", "digits"):
            parts.append(text if kind == "digits" else f"{moment.microsecond / 1e6:.{len(text) - 1}f}"[1:])
        elif text != "@":
            parts.append(_literal(kind, text))
    return "".join(parts).strip()


def _is_minute(tokens: list[tuple[str, str]], place: int) -> bool:
    """Whether an m stands for minutes: after hours or before seconds."""
    if tokens[place][1] not in ("m", "mm"):
        return False
    units = [
        (n, text.lower()) for n, (kind, text) in enumerate(tokens) if kind == "date" or (kind == "bracket" and text)
    ]
    index = next(i for i, (n, _) in enumerate(units) if n == place)
    before = units[index - 1][1] if index else ""
    after = units[index + 1][1] if index + 1 < len(units) else ""
    return before.startswith("h") or after.startswith("s")


def _date_part(moment: datetime.datetime, text: str, is_minute: bool, is_half_day: bool) -> str:
    if text[0] in "ye":
        return f"{moment.year:04}" if len(text) > 2 or text[0] == "e" else f"{moment.year % 100:02}"
    if is_minute:
        return str(moment.minute).rjust(len(text), "0")
    if text[0] == "m":
        month = _MONTHS[moment.month - 1]
        return {1: str(moment.month), 2: f"{moment.month:02}", 3: month[:3], 5: month[0]}.get(len(text), month)
    if text[0] in "da" and len(text) > 2:
        day = _DAYS[moment.weekday()]
        return day[:3] if len(text) == 3 else day
    hour = (moment.hour % 12 or 12) if is_half_day else moment.hour
    return str({"d": moment.day, "h": hour, "s": moment.second}[text[0]]).rjust(len(text), "0")
