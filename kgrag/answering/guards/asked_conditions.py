"""Check the conditions of a question against a source: a limit on a number, the present holder of an office."""

from __future__ import annotations

import re
from typing import NamedTuple

from kgrag.answering.guards.literal_text import fold_literal
from kgrag.text.quantities import AMOUNT_PATTERN, parse_quantity

_MORE = r"(?:longer|more|greater|larger|bigger|higher|heavier|older|taller|deeper|faster|wider|thicker|hotter|over|above|exceed(?:s|ing)?|at least)"
_LESS = r"(?:shorter|less|fewer|smaller|lower|lighter|younger|shallower|slower|narrower|thinner|cheaper|under|below|at most)"
_AMOUNT = rf"(?P<amount>{AMOUNT_PATTERN})"
_LIMITS = (
    (re.compile(rf"\b{_MORE}(?: than)? {_AMOUNT}", re.IGNORECASE), True),
    (re.compile(rf"\b{_LESS}(?: than)? {_AMOUNT}", re.IGNORECASE), False),
    (re.compile(rf"(?:超过|大于|多于|高于|长于|重于|不少于|不低于|至少) ?{_AMOUNT}"), True),
    (re.compile(rf"(?:小于|少于|低于|短于|轻于|不到|不超过|不足|至多) ?{_AMOUNT}"), False),
    (re.compile(rf"{_AMOUNT}以上"), True),
    (re.compile(rf"{_AMOUNT}以[下内]"), False),
)
_COMPARES = re.compile(
    rf"\b(?:{_MORE}|{_LESS}|between|up to|from)\b|超过|以上|以下|以内|不到|至少|至多|大于|小于|[高低多少]于",
    re.IGNORECASE,
)
_SELECTS = re.compile(r"^\W*(?:in |on |at |from )?(?:which|who|what|whose)\b|哪|谁|什么", re.IGNORECASE)
_ALL_AMOUNTS = re.compile(AMOUNT_PATTERN, re.IGNORECASE)
_PAST = re.compile(
    r"\b(?:was|were|did|had|used to|former\w*|previous\w*|ex|once|before|late|past)\b|曾|前|原|过|以往", re.IGNORECASE
)
_FORMER = re.compile(
    r"\b(?:former|ex-?|previous|retired|late|erstwhile)[ -](?P<office>[a-z]+)|(?<![年月日天之以目从])(?:前任?|原任?)(?P<office_zh>[\u4e00-\u9fff]{2})",
    re.IGNORECASE,
)
_OTHER_OFFICE = re.compile(
    r"\b(?:deputy|vice|acting|assistant|interim|designated|honorary)[ -](?P<office>[a-z]+)|(?:副|代理|候任|名誉|助理)(?P<office_zh>[\u4e00-\u9fff]{2})",
    re.IGNORECASE,
)


class _Limit(NamedTuple):
    value: float
    unit: str
    is_lower: bool


def unmet_condition(question: str, sentence: str) -> str:
    """Return the condition of a question that a source sentence does not meet, or "".

    A question that selects by a limit ("which boat is longer than 20 m?") is met by a sentence with an amount of the
    unit within the limit. A question for the holder of an office is not met by a sentence about a former or deputy one.
    """
    question, sentence = fold_literal(question), fold_literal(sentence)
    if _SELECTS.search(question) and not _COMPARES.search(sentence):
        for limit, written in _limits(question):
            amounts = [parsed for m in _ALL_AMOUNTS.finditer(sentence) if (parsed := parse_quantity(m.group()))]
            values = [amount.value for amount in amounts if amount.unit == limit.unit]
            if values and not any(v > limit.value if limit.is_lower else v < limit.value for v in values):
                return written
    for pattern, is_past in ((_FORMER, True), (_OTHER_OFFICE, False)):
        if pattern.search(question) or (is_past and _PAST.search(question)):
            continue
        for match in pattern.finditer(sentence):
            office = (match["office"] or match["office_zh"]).casefold()
            rest = (sentence[: match.start()] + sentence[match.end() :]).casefold()
            if office in question.casefold() and office not in rest:
                return office
    return ""


def _limits(question: str) -> list[tuple[_Limit, str]]:
    found: list[tuple[_Limit, str]] = []
    for pattern, is_lower in _LIMITS:
        for match in pattern.finditer(question):
            if parsed := parse_quantity(match["amount"]):
                found.append((_Limit(parsed.value, parsed.unit, is_lower), match.group()))
    return found
