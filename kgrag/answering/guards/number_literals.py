"""Compare numbers however they are written: with separators, in words, in Chinese, and with their units."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple

from kgrag.text import CJK, has_cjk
from kgrag.text.quantities import unit_name

_NUMBER = re.compile(
    rf"(?<![A-Za-z\d_.])(?P<value>\d{{1,3}}(?:,\d{{3}})+(?:\.\d+)?|\d+(?:\.\d+)?)(?![\d])(?P<gap>[ .-]?)(?P<unit>[A-Za-z%°µ]+|[{CJK}]{{1,2}})?"
)
_CHINESE_NUMBER = re.compile(rf"([一二两三四五六七八九十百]{{1,4}})([{CJK}]{{1,2}})")
_CHINESE_DIGITS = {c: n for n, c in enumerate("零一二三四五六七八九")} | {"两": 2}
_NUMERAL_WORDS = """
zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen
eighteen nineteen twenty
"""
_NUMERALS = {word: str(number) for number, word in enumerate(_NUMERAL_WORDS.split())}
_NUMBER_WORD = re.compile(rf"(?<![A-Za-z-])({'|'.join(_NUMERALS)})(?:[ -](?=([A-Za-z]+))|(?![A-Za-z]))", re.IGNORECASE)
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
        word, unit = match[1].lower(), _unit(match[2] or "")
        if word in _NUMERALS and (unit or word != "one"):
            yield NumberLiteral(_NUMERALS[word], unit), match.start()
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
    plain = value.replace(",", "")
    return (plain.rstrip("0").rstrip(".") if "." in plain else plain.lstrip("0")) or "0"


def _chinese_value(digits: str) -> int:
    total, current = 0, 0
    for digit in digits:
        if digit in "十百":
            total += max(current, 1) * (10 if digit == "十" else 100)
            current = 0
        else:
            current = _CHINESE_DIGITS[digit]
    return total + current
