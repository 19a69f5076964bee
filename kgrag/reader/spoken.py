"""An answer in the language of its question, as the sentence that it rests on writes it."""

from __future__ import annotations

import re
from collections.abc import Mapping

from kgrag.quantities import NUMBER, SCALE_ZH, UNIT_ZH
from kgrag.silence import MARK
from kgrag.text import is_cjk

_PARTS = re.compile(rf"(?P<said>.*?)(?P<marks>(?:\s*{MARK.pattern})*[\s.。]*)", re.DOTALL)
_NUMBER = re.compile(NUMBER)
_MEASURE = "[年月日号岁代届次期天周个名位座张部集首件条项种家所间架艘辆枚支只匹株棵套层卷章话回场页票级台]"
"""What numbers count in Chinese, besides units."""


def spoken(text: str, sentence: str, lang: str, countries: Mapping[str, str]) -> str:
    """An answer as a person would say it who asked in ``lang``; the answer itself where nothing is known to be better.

    A graph knows a thing by one name, whatever language its documents are in: asked in Chinese for a place that a Chinese
    sentence calls 泰国, it would answer Thailand. And Chinese has no bare numbers: 1966年, 第20张, 30座.

    Args:
        text: the answer; marks of citation at its end stay.
        sentence: the sentence that bears it out.
        lang: of the question, ``"en"`` or ``"zh"``.
        countries: lower-case names and adjectives of countries, in both languages -> the country.
    """
    parts = _PARTS.fullmatch(text)
    said, marks = (parts["said"], parts["marks"]) if parts else (text, "")
    if lang == "zh" and _NUMBER.fullmatch(said):
        return _counted(said, sentence) + marks
    land = countries.get(said.lower())
    if land is None or is_cjk(said) == (lang == "zh"):
        return text
    for name in sorted((n for n, c in countries.items() if c == land), key=len, reverse=True):
        if is_cjk(name):
            if lang == "zh" and name in sentence:
                return name + marks
        elif lang == "en" and (found := re.search(rf"\b{re.escape(name)}\b", sentence, re.IGNORECASE)):
            return found.group() + marks
    return text


def _counted(number: str, sentence: str) -> str:
    """A number with what a sentence counts by it; the bare number where that is nothing, or more than one thing."""
    among = rf"(?<![\d.,])第?\s*{re.escape(number)}\s*[多余]?{SCALE_ZH}?[多余]?\s*(?:{UNIT_ZH}|{_MEASURE})"
    found = {"".join(match.group().split()) for match in re.finditer(among, sentence)}
    return found.pop() if len(found) == 1 else number
