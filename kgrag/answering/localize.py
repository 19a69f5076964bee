"""Write an answer in the language of its question, in the wording of its source sentence."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from kgrag.answering.state import AnswerContext, AnswerState
from kgrag.text import detect_language, has_cjk
from kgrag.text.citation_marks import CITATION_MARK
from kgrag.text.quantities import NUMBER_PATTERN, SCALE_ZH_PATTERN, UNIT_ZH_PATTERN

_ANSWER_AND_MARKS = re.compile(rf"(?P<said>.*?)(?P<marks>(?:\s*{CITATION_MARK.pattern})*[\s.。]*)", re.DOTALL)
_NUMBER = re.compile(NUMBER_PATTERN)
_MEASURE_WORDS = "[年月日号岁代届次期天周个名位座张部集首件条项种家所间架艘辆枚支只匹株棵套层卷章话回场页票级台]"
"""Chinese measure words that may follow a number, besides units."""


def localize_answer(text: str, sentence: str, lang: str, countries: Mapping[str, str]) -> str:
    """Return the answer in the question's language; unchanged if no better form is known.

    The graph has one name for an entity in all languages. A Chinese question about a place that the sentence calls 泰国
    would get "Thailand". Chinese numbers need a measure word: 1966年, 第20张, 30座.

    Args:
        text: the answer; citation marks at its end are kept.
        sentence: the sentence that supports the answer.
        lang: language of the question, ``"en"`` or ``"zh"``.
        countries: lower-case names and adjectives of countries, in both languages -> the country.
    """
    parts = _ANSWER_AND_MARKS.fullmatch(text)
    answer_text, marks = (parts["said"], parts["marks"]) if parts else (text, "")
    if lang == "zh" and _NUMBER.fullmatch(answer_text):
        return _with_measure_word(answer_text, sentence) + marks
    country = countries.get(answer_text.lower())
    if country is None or has_cjk(answer_text) == (lang == "zh"):
        return text
    for name in sorted((n for n, c in countries.items() if c == country), key=len, reverse=True):
        if has_cjk(name):
            if lang == "zh" and name in sentence:
                return name + marks
        elif lang == "en" and (name_match := re.search(rf"\b{re.escape(name)}\b", sentence, re.IGNORECASE)):
            return name_match.group() + marks
    return text


def localize_draft(state: AnswerState, context: AnswerContext) -> AnswerState:
    """Write the draft in the wording of the last sentence that it cites."""
    if not state.citations or not state.draft:
        return state
    lang, countries = detect_language(state.question), context.resources.schema.countries
    return replace(state, draft=localize_answer(state.draft, state.citations[-1].quote, lang, countries))


def _with_measure_word(number: str, sentence: str) -> str:
    """Return a number with its measure word in the sentence; the bare number if there is none, or several."""
    counted_pattern = rf"(?<![\d.,])第?\s*{re.escape(number)}\s*[多余]?{SCALE_ZH_PATTERN}?[多余]?\s*(?:{UNIT_ZH_PATTERN}|{_MEASURE_WORDS})"
    counted_phrases = {"".join(match.group().split()) for match in re.finditer(counted_pattern, sentence)}
    return counted_phrases.pop() if len(counted_phrases) == 1 else number
