"""Compare numbers however they are written: with separators, in words, in Chinese, and with their units."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple

from kgrag.text import CJK, has_cjk
from kgrag.text.quantities import unit_name

_NUMBER = re.compile(
    rf"(?<![A-Za-z\d_])(?<!\w\.)(?P<value>\d{{1,3}}(?:,\d{{3}})+(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+)(?![\d])(?P<gap>[ .-]?)(?P<unit>[A-Za-z%°µ]+|[{CJK}]{{1,2}})?"
)
_CHINESE_NUMBER = re.compile(rf"([零〇一二两三四五六七八九十百千万]{{1,9}})([{CJK}]{{1,2}})")
_CHINESE_DIGITS = {c: n for n, c in enumerate("零一二三四五六七八九")} | {"两": 2, "〇": 0}
_CHINESE_POWERS = {"十": 10, "百": 100, "千": 1000}
_UNITS_AND_TEENS = """
zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen
eighteen nineteen
"""
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
_NUMERALS = {word: number for number, word in enumerate(_UNITS_AND_TEENS.split())}
_NUMERALS |= {word: 10 * number for number, word in enumerate(_TENS.split(), 2)}
_BELOW_100 = rf"(?:{'|'.join(_TENS.split())})(?:[ -](?:{'|'.join(_UNITS_AND_TEENS.split()[1:10])}))?|{'|'.join(_UNITS_AND_TEENS.split())}"
_NUMBER_WORD = re.compile(
    rf"(?<![A-Za-z-])(?P<words>(?:{_BELOW_100}|a)(?: (?:hundred|thousand))(?:(?: and)? (?:{_BELOW_100}))?|{_BELOW_100})"
    r"(?:[ -](?=(?P<unit>[A-Za-z]+))|(?![A-Za-z]))",
    re.IGNORECASE,
)
_UNIT_WORDS = """
byte bytes b 字节
kb kib kilobyte kilobytes
mb mib megabyte megabytes
gb gib gigabyte gigabytes
tb tib terabyte terabytes
ms millisecond milliseconds 毫秒
s sec second seconds 秒 秒钟
day days 天
week weeks 周 星期
month months 个月
year years 年
mg milligram milligrams 毫克
page pages 页
row rows 行
"""
_UNITS = {word: line.split()[0] for line in _UNIT_WORDS.strip().splitlines() for word in line.split()}
_UNITS |= {"h": unit_name("hour"), "分": unit_name("minute")}
_SIZE_LETTERS = {"K": "kb", "M": "mb", "G": "gb"}
"""Units that `kgrag.text.quantities` does not convert; those of sizes as options write them (``-m 64M``) are capitals."""


class NumberLiteral(NamedTuple):
    """A number without thousands separators, and its unit if that is a known one, or ""."""

    value: str
    unit: str


@lru_cache(maxsize=8192)
def find_numbers(text: str) -> frozenset[NumberLiteral]:
    """Return the numbers of a folded text, in digits or in words."""
    return frozenset(number for number, _ in numbers_at(text))


def numbers_at(text: str) -> Iterator[tuple[NumberLiteral, int]]:
    """Yield the numbers of a folded text with their offsets."""
    for match in _NUMBER.finditer(text):
        yield NumberLiteral(plain_number(match["value"]), _unit(match["unit"] or "")), match.start()
    for match in _NUMBER_WORD.finditer(text):
        words, unit = match["words"].lower(), _unit(match["unit"] or "")
        if unit or words != "one":
            yield NumberLiteral(str(_english_value(words)), unit), match.start()
    for match in _CHINESE_NUMBER.finditer(text):
        if unit := _unit(match[2]):
            yield NumberLiteral(str(_chinese_value(match[1])), unit), match.start()


def has_number(numbers: Iterable[NumberLiteral], wanted: NumberLiteral) -> bool:
    """Whether some numbers contain one: the same value, and no other known unit."""
    return any(n.value == wanted.value and (not n.unit or not wanted.unit or n.unit == wanted.unit) for n in numbers)


def is_number(run: str) -> bool:
    """Whether a run of characters is a number, with or without a unit."""
    return _NUMBER.fullmatch(run) is not None


def _unit(word: str) -> str:
    """Return the name of a unit, in any of its words; "" for another word."""
    if word in _SIZE_LETTERS:
        return _SIZE_LETTERS[word]
    words = [word.lower(), word[:1]] if has_cjk(word) else [word.lower()]
    return next((name for each in words if (name := _UNITS.get(each) or unit_name(each))), "")


def plain_number(value: str) -> str:
    """Return a written number without separators and needless zeros."""
    plain = ("0" if value.startswith(".") else "") + value.replace(",", "")
    return (plain.rstrip("0").rstrip(".") if "." in plain else plain.lstrip("0")) or "0"


def _english_value(words: str) -> int:
    """Return the number of words such as "fifty", "twenty-five" and "two hundred and ten"."""
    total = 0
    for word in re.findall(r"[a-z]+", words):
        if word in ("hundred", "thousand"):
            total = max(total, 1) * (100 if word == "hundred" else 1000)
        else:
            total += _NUMERALS.get(word, 0)
    return total


def _chinese_value(digits: str) -> int:
    total, current = 0, 0
    for digit in digits:
        if digit == "万":
            total, current = max(total + current, 1) * 10_000, 0
        elif digit in _CHINESE_POWERS:
            total += max(current, 1) * _CHINESE_POWERS[digit]
            current = 0
        else:
            current = _CHINESE_DIGITS[digit]
    return total + current
