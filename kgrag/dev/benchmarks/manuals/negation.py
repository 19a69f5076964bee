"""Reverse a statement by one negation, in English and Chinese."""

from __future__ import annotations

import re

from kgrag.text import has_cjk

_Rules = tuple[tuple[re.Pattern[str], str], ...]

_REMOVALS_EN: _Rules = (
    (re.compile(r"\b(can)not\b"), r"\1"),
    (re.compile(r"\b(ca)n't\b"), r"\1n"),
    (re.compile(r"\b(is|are|was|were|does|do|did|has|have|had|will|would|could|should|must|may) not\b"), r"\1"),
    (re.compile(r"\b(is|are|was|were|does|do|did|has|have|had|would|could|should)n't\b"), r"\1"),
    (re.compile(r"\bnever\b"), "always"),
    (re.compile(r"\bno longer\b"), "still"),
)
_ADDITIONS_EN: _Rules = (
    (re.compile(r"\bcan(?= (?:only |also |be )?[a-z])"), "cannot"),
    (re.compile(r"\b(is|are|was|were|will|must|should|may)(?= [a-z\d'\"%])"), r"\1 not"),
)
_NEGATIVE_EN = re.compile(
    r"\b(?:no|not|never|none|neither|nor|nothing|without|cannot|unless|hardly)\b|n't\b", re.IGNORECASE
)
_REMOVALS_ZH: _Rules = (
    (re.compile(r"不(会|能|可以|可|需要|是|应该|允许|支持|必|要)"), r"\1"),
    (re.compile(r"不再"), "仍然"),
    (re.compile(r"没有(?!说)"), "有"),
    (re.compile(r"无法"), "可以"),
    (re.compile(r"不(?=[去搜换执检匹])"), ""),
)
_ADDITIONS_ZH: _Rules = (
    (re.compile(r"(?<!不)可以"), "不可以"),
    (re.compile(r"(?<![不机社才])会(?![议员话])"), "不会"),
    (re.compile(r"(?<!不)需要"), "不需要"),
    (re.compile(r"(?<![不可功性智只才])能(?![力量源])"), "不能"),
    (re.compile(r"(?<!不)应该"), "不应该"),
    (re.compile(r"(?<!不)支持"), "不支持"),
    (re.compile(r"(?<![不但只就于还总或而])是(?!否|因|为)"), "不是"),
    (re.compile(r"(?<!不)表示"), "不表示"),
)
_NEGATIVE_ZH = re.compile(r"不|没|无|未|别")


Change = tuple[int, int, str]
"""Start and end of a span of a statement, and its replacement."""


def negate(statement: str) -> Change | None:
    """Return a change after which a statement says the opposite; None if no rule applies.

    A negation is removed, or else added where the statement has none.
    """
    removals, additions, negative = _REMOVALS_EN, _ADDITIONS_EN, _NEGATIVE_EN
    if has_cjk(statement):
        removals, additions, negative = _REMOVALS_ZH, _ADDITIONS_ZH, _NEGATIVE_ZH
    # a negation more in a statement that has one may leave it true
    for pattern, replacement in removals if negative.search(statement) else additions:
        if match := pattern.search(statement):
            return match.start(), match.end(), match.expand(replacement)
    return None


def reverse_yes_no(statement: str) -> Change | None:
    """Return a change of "yes" at the start of a statement to "no", or of "no" to "yes"; None without either."""
    match = re.match(r"(Yes|No)(?=[.,:;])", statement)
    return (0, match.end(), "No" if match[1] == "Yes" else "Yes") if match else None
