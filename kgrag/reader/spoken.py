"""An answer in the language of its question, as the sentence that it rests on writes it."""

from __future__ import annotations

import re
from collections.abc import Mapping

from kgrag.text import is_cjk

_YEAR = re.compile(r"\d{1,4}")


def spoken(text: str, sentence: str, lang: str, countries: Mapping[str, str]) -> str:
    """An answer as a person would say it who asked in ``lang``; the answer itself where nothing is known to be better.

    A graph knows a thing by one name, whatever language its documents are in: asked in Chinese for a place that a Chinese
    sentence calls 泰国, it would answer Thailand. And a year is a bare number to it, where Chinese says 年.

    Args:
        text: the answer.
        sentence: the sentence that bears it out.
        lang: of the question, ``"en"`` or ``"zh"``.
        countries: lower-case names and adjectives of countries, in both languages -> the country.
    """
    if lang == "zh" and _YEAR.fullmatch(text):
        return f"{text}年" if re.search(rf"(?<!\d){text}\s*年", sentence) else text
    land = countries.get(text.lower())
    if land is None or is_cjk(text) == (lang == "zh"):
        return text
    for name in sorted((n for n, c in countries.items() if c == land), key=len, reverse=True):
        if is_cjk(name):
            if lang == "zh" and name in sentence:
                return name
        elif lang == "en" and (found := re.search(rf"\b{re.escape(name)}\b", sentence, re.IGNORECASE)):
            return found.group()
    return text
