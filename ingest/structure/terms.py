"""Tell by its form what a label names: an option, a setting, a function, a constant, a file, a code, or a term."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from kgrag.text import STOPWORDS, has_cjk, normalize_name

MAX_TERM_WORDS, MAX_TERM_CHARS_ZH = 6, 16
"""Longest term, in words or in Chinese characters; a longer label is a sentence."""
_NUMBERING = re.compile(
    r"^\s*(?:(?i:chapter|section|part|appendix|annex|table|figure|step)\s+(?:\d+|[IVXLC]+|[A-Z])(?:\.\d+)*(?:[.:)]\s*|\s+)"
    r"|[A-Z]?\d*(?:\.\d+){2,}\.?\s+|[A-Z]?\d*\.\d+\.?\s+(?=[A-Z\u4e00-\u9fff])|\d+[.)、]\s+|\d+、"
    r"|\d{1,2}\s+(?=[A-Z\u4e00-\u9fff])|Q\d+[.:：)]?\s+(?=.*[?？])"
    r"|第\s*[\d一二三四五六七八九十百]+\s*[章节部分篇]\s*|附录\s*[A-Z]\.?\s*|[一二三四五六七八九十]+[、.]\s*|[(（][一二三四五六七八九十\d]+[)）]\s*)"
)
_QUALIFIER = re.compile(r"^(?P<name>\S+) \((?P<qualifier>[a-z]+(?: [a-z]+)?)\)$")
_NUMBERED_CONSTANT = re.compile(r"^\((?P<code>\d{1,6})\) (?P<name>[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)$")
_OPTION = re.compile(r"^(?P<name>--?[A-Za-z?@#][\w-]*|-\d(?=$))(?:[ =\[<{](?!- )(?:(?! - ).)*)?$")
_SHAPES = (
    ("CONSTANT", re.compile(r"^\$?[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+$")),
    ("FUNCTION", re.compile(r"^[A-Za-z_][A-Za-z0-9_.:]*\((?!\d\))[ -~]*\)$")),
    ("COMMAND", re.compile(r"^[a-z][\w.+-]*\(\d[a-z]?\)$")),
    (
        "FILE",
        re.compile(
            r"^(?:~?/|\.{1,2}/|[$%]\w+%?[/\\])\S+$|^[\w.-]+\.(?:conf|cfg|ini|toml|ya?ml|json|txt|log|db|cnf|sh|py|c|h|md|rst|html?)$"
        ),
    ),
    ("SETTING", re.compile(r"^[A-Za-z][A-Za-z0-9-]*(?:(?:::|\.|_+)[A-Za-z0-9*<>-]+)+$")),
    ("CODE", re.compile(r"^(?=.*\d)(?=.*[A-Z])(?!\d+[A-Z]{1,3}$)(?![A-Z]{3,}\d+$)[0-9A-Z]{4,8}$")),
)
_NO_SETTING = re.compile(
    r"^www\.|\.(?:com|org|net|edu|gov|io|cn|js)$|^v?\d|^(?:[A-Za-z]\.)+[A-Za-z]?$|^(?:Mrs?|Dr|St)\.|\.\d+$",
    re.IGNORECASE,
)
"""Matches a domain, a version, an abbreviation and a title, which have the marks of a setting."""
_QUESTION_WORD_ZH = re.compile("什么|多少|吗|谁|怎么|怎样|如何|为何")
_DATED = re.compile(r"^(?:\[[ xX]?\]|\d{1,4}[-:/.]\d)")
"""Matches the box of a task, a date and a time."""
_LETTER_AND_NUMBER = re.compile(r"[A-Za-z]\d{0,2}")
_SENTENCE_MARKS = re.compile(r"[`.!?;。！？；：，,…]|\s[–—-]\s|[“”\"「」]")
_OPENING_VERB = re.compile(
    r"^(?:how|what|why|when|where|which|who|is|are|can|do|does|should|using|if|for|to|in|on|at|with|from|this|that|these|all|other|some|more)\b"
    r"|^(?:怎样|怎么|如何|什么|为什么|是否|使用|关于|其他)",
    re.IGNORECASE,
)
_TOPIC = re.compile(
    r"^(?:[Ww]hat (?:is|are) (?:(?:an?|the) (?P<en_noun>[^?]{2,40})|(?P<en>[A-Z0-9][^?]{1,39}))|(?:什么是\s*|(?:解释|介绍|简述|说明)(?:一下)?(?:\s+|(?=[A-Za-z])))(?P<zh>[^?？。]{2,24}?)(?:的概念)?|(?P<zh_is>(?![这那])[^?？。]{2,24}?)是什么)[?？.。]?$"
)
"""Matches a heading that asks what something is; it is about that."""


class Term(NamedTuple):
    """The name in a label as written, its type, and a qualifier in brackets ("integer"), or ""."""

    name: str
    type: str
    qualifier: str = ""

    @property
    def is_identifier(self) -> bool:
        """Whether the name has the form of an identifier, so that it means the same in every document."""
        return self.type not in ("TERM", "OPTION")


def parse_term(label: str) -> Term | None:
    """Return what a label names; None for a sentence, a number, a generic word, or nothing.

    >>> parse_term("20.4.1. work_mem (integer)")
    Term(name='work_mem', type='SETTING', qualifier='integer')
    """
    text = strip_numbering(label.replace("**", "")).strip("`*_ \t").strip()
    if match := _TOPIC.match(text):
        text = match["en_noun"] or match["en"] or match["zh"] or match["zh_is"]
    if match := _NUMBERED_CONSTANT.match(label.strip()):
        return Term(match["name"], "CONSTANT", match["code"])
    if match := _OPTION.match(text):
        return Term(match["name"], "OPTION")
    qualifier = ""
    if (match := _QUALIFIER.match(text)) and _shape(match["name"]):
        text, qualifier = match["name"], match["qualifier"]
    if kind := _shape(text):
        return Term(text, kind, qualifier)
    return Term(text, "TERM") if _is_term(text) else None


def strip_numbering(label: str) -> str:
    """Return a heading without the number in front of it."""
    return _NUMBERING.sub("", label, count=1).strip()


def is_generic(label: str) -> bool:
    """Whether a heading or a label names nothing of its own ("Description", "注意")."""
    return _fold(strip_numbering(label)) in _words()[0]


def names_nothing(name: str) -> bool:
    """Whether a capitalised word of a structured document is no name: a generic word, or a letter with a number."""
    return is_generic(name) or _LETTER_AND_NUMBER.fullmatch(name) is not None


def member_predicate(label: str) -> str:
    """Return the predicate from the labels under a heading to its subject; "" if the heading names none."""
    return _words()[1].get(_fold(strip_numbering(label)), "")


def _shape(text: str) -> str:
    kind = next((kind for kind, pattern in _SHAPES if pattern.match(text)), "")
    return "" if kind == "SETTING" and _NO_SETTING.search(text) else kind


def _is_term(text: str) -> bool:
    if _DATED.match(text) or _SENTENCE_MARKS.search(text) or _OPENING_VERB.match(text) or _fold(text) in _words()[0]:
        return False
    if has_cjk(text):
        is_short = 2 <= len("".join(text.split())) <= MAX_TERM_CHARS_ZH
        return is_short and not _QUESTION_WORD_ZH.search(text)
    words = normalize_name(text).split()
    if not words or all(word.isdigit() or len(word) < 2 for word in words):
        return False
    return len(text) >= 3 and len(text.split()) <= MAX_TERM_WORDS and not all(word in STOPWORDS for word in words)


def _fold(text: str) -> str:
    return " ".join(text.casefold().strip("`*:： ").split())


@lru_cache(maxsize=1)
def _words() -> tuple[frozenset[str], Mapping[str, str]]:
    """Return the generic headings, and the predicate of each heading of members."""
    data = tomllib.loads(Path(__file__).with_name("words.toml").read_text("utf-8"))
    generic = frozenset(_fold(word) for words in data["generic"].values() for word in words.split(";"))
    members = {_fold(word): name for name, words in data["members"].items() for word in words.split(";")}
    return generic | members.keys(), members
