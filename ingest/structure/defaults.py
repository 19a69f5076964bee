"""Find the default value that the text of a setting or an option states."""

from __future__ import annotations

import re
from typing import NamedTuple

from kgrag.text import STOPWORDS, sentence_spans

MAX_VALUE_WORDS = 4
_WORD_VALUES = frozenset(["on", "off", "no", "none", "all", "any", "never", "always", "empty", "yes", "true", "false"])
_VALUE = r"(?P<value>[\"“'`‘]?[^\s,;()\"“”'`‘’]+(?: [^\s,;()\"“”'`‘’]+){0,3}?[\"”'`’]?)"
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
    re.compile(
        r"默认(?:值|设置)?(?:为|是|：|: ?)\s*[“\"‘'`]?(?P<value>[^\s，。；、（）()“”‘’\"'`]{1,24})(?P<literal>(?!))?"
    ),
)
_NOT_A_VALUE = re.compile(
    r"^(?:value|same|not|default|determined|taken|derived|current|whatever|one|based|used|chosen|set)\b", re.I
)


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
        for pattern in _STATEMENTS:
            for match in pattern.finditer(sentence):
                groups = match.groupdict()
                name = "literal" if groups.get("literal") and _is_value(_strip_marks(groups["literal"])) else "value"
                value = _strip_marks(match[name])
                if _is_value(value):
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
