"""Find the default value that the text of a setting or an option states."""

from __future__ import annotations

import re
from typing import NamedTuple

from kgrag.text import STOPWORDS, sentence_spans

MAX_VALUE_WORDS = 4
_WORD_VALUES = frozenset(["on", "off", "no", "none", "all", "any", "never", "always", "empty", "yes", "true", "false"])
_VALUE = (
    r"(?P<value>\d{1,3}(?:,\d{3})+(?: [a-zA-Z]+)?|[\"“'`‘]?[^\s,;()\"“”'`‘’]+(?: [^\s,;()\"“”'`‘’]+){0,3}?[\"”'`’]?)"
)
_STOP = r"(?=\s*(?:[,;)]|\.(?:\s|$)|$|\((?P<literal>[^()\s]+(?: [a-zA-Z]+)?)\)|\s(?:and|but|which|if|when|unless|for|on|in|as|so|that|because|since|where|meaning|to|bytes? \()\b))"
_STATEMENTS = (
    re.compile(
        r"\b[Tt]he default(?: value| setting| size| limit| mode)?(?: for this \w+| of this \w+)? is (?:typically |usually |currently |set to )?"
        + _VALUE
        + _STOP
    ),
    re.compile(r"\((?:the )?[Dd]efault(?: value)?(?: is|:|=) ?" + _VALUE + _STOP),
    re.compile(r"\b[Dd]efaults? to " + _VALUE + _STOP),
    re.compile(r"(?:,|:|\bare|\bor|\bbe|\beither) [\"“'`‘]?(?P<value>[\w.:/+-]+)[\"”'`’]? \((?:the )?default\)"),
    re.compile(r"默认(?:值|设置)?(?:为|是|：|: ?)\s*[“\"‘'`]?(?P<value>[^\s，。；、（）()“”‘’\"'`]{1,24})"),
)
_NOT_A_VALUE = re.compile(
    r"^(?:value|same|not|default|determined|taken|derived|current|whatever|one|based|used|chosen|set|between|at|about|around|up|no|e\.g|fine|different|unknown|unspecified)\b"
    r"|什么|或|根据|由|取决",
    re.IGNORECASE,
)
_CONDITION = re.compile(r"\b(?:if|before|until|in contrast|whereas|say)\b|如果|若", re.IGNORECASE)
_ALTERNATIVE = re.compile(r"[^.;]*\b(?:otherwise|and \S+ on|or \S+ (?:on|for))\b|或")
"""Matches, after a default, another one: on other systems, or otherwise."""


class DefaultValue(NamedTuple):
    """A default value, its offset, and the span of its sentence; all offsets count in the searched text."""

    value: str
    value_start: int
    start: int
    end: int


def find_default(text: str) -> DefaultValue | None:
    """Return the first default value that a text states; None if it states none, or several different ones."""
    found: list[DefaultValue] = []
    for start, end in sentence_spans(text):
        sentence = text[start:end]
        if sentence.rstrip().endswith(("?", "？")):
            continue
        for pattern in _STATEMENTS:
            for match in pattern.finditer(sentence):
                groups = match.groupdict()
                literal = groups.get("literal") or ""
                name = "literal" if re.search(r"\d", literal) and _is_value(_strip_marks(literal)) else "value"
                value = _strip_marks(match[name])
                if (
                    _is_value(value)
                    and not _CONDITION.search(sentence[: match.start()])
                    and not _ALTERNATIVE.match(sentence, match.end())
                ):
                    offset = sentence.find(value, match.start(name))
                    found.append(DefaultValue(value, start + offset, start, end))
    return found[0] if found and len({default.value for default in found}) == 1 else None


def _strip_marks(text: str) -> str:
    return text.strip("\"“”'`‘’*").rstrip(".:")


def _is_value(text: str) -> bool:
    words = text.split()
    if not words or len(words) > MAX_VALUE_WORDS or _NOT_A_VALUE.match(text):
        return False
    if re.search(r"\d", text):
        return True
    return len(words) == 1 and (text.casefold() in _WORD_VALUES or text.casefold() not in STOPWORDS)
