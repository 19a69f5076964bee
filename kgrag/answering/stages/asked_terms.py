"""Find a technical term that a question asks about and that no retrieved passage has.

Asked for the default of ``transaction_timeout``, a small model gives that of ``lock_timeout``, which the passages have. Terms
that the user may have made up, such as the name of a table or a file, say nothing about the documents: only what the
question asks about is looked for.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from kgrag.types import Hit

_OPTION = r"--?[a-z][a-z0-9]*(?:-[a-z0-9]+)*"
_SETTING = r"[a-z_][a-z0-9_]*\(\)|[a-z][a-z0-9]*(?:_[a-z0-9]+)+|[a-z]{2,}(?:\.[a-z_]{2,})*\.[a-z_]{5,}"
_TERM = rf"(?<![\w./-])(?P<term>{_OPTION}|{_SETTING})(?![\w/-]|\.\w)"
_JOINED_TERM = r"(?<![\w./-])(?P<term>[a-z][a-z0-9]*(?:-[a-z0-9]+)+)(?![\w/-]|\.\w)"
_ASKED = (
    re.compile(
        rf"\b(?:defaults?|value|meaning|purpose)(?: \w+)? (?:of|for) (?:the )?[`'\"“‘]?{_JOINED_TERM}", re.IGNORECASE
    ),
    re.compile(rf"{_JOINED_TERM}[`'\"”’]? ?的(?:默认|作用|含义|意思|取值|单位)", re.IGNORECASE),
    re.compile(
        r"\b(?:what(?:['’]s| is| does| do| are)?|defaults?|meaning|purpose|value|effect|role|unit)"
        rf"(?:[ ,][\w'’-]+){{0,4}}? [`'\"“‘]?{_TERM}",
        re.IGNORECASE,
    ),
    re.compile(
        rf"{_TERM}[`'\"”’]? ?(?:这个?(?:选项|参数|变量|设置|命令|函数)?)?(?:是什么|是干什么|有什么|起什么|什么意思|的(?:默认|作用|含义|意思|取值|单位))",
        re.IGNORECASE,
    ),
    re.compile(r"(?<![\w./-])(?P<term>[a-z]{1,2}[A-Z]{3,})(?![\w/-])"),  # iSCSI
)

_NAME = re.compile(
    r"(?<![\w`'\"“‘./-])(?=\w*[a-z])(?:[A-Z][A-Za-z]+|[a-z]+[A-Z]\w*|[A-Za-z]+\d+)(?![\w`\"”/.-]*[\w`\"”/])"
)
"""Matches a name by its capitals or digits, unless it is in quotes, part of a path, or all of it capitals, as jargon is."""
_OWN_NAME = re.compile(
    r"\b(?:called|named|branch(?:es)?|tags?|tables?|columns?|files?|folders?|director(?:y|ies)|users?|hosts?|servers?|databases?)\s+$"
    r"|(?:名为|叫做?|分支|表|列|文件|目录|用户|主机)\s*$",
    re.IGNORECASE,
)
"""Matches what stands before a name that the user has given, which no document has."""
MIN_NAME_CHARS = 4
"""Letters of a name that a passage must have; of a longer one, all but two: "Postgres" is PostgreSQL."""


def missing_name(question: str, hits: Sequence[Hit]) -> str:
    """Return a name in a question that no retrieved passage has; "" if there is none.

    A quotation is no statement that could be checked, and the passages that are nearest to "connect the pump to WiFi" are
    about the pump. The first word of a sentence is no name.
    """
    text = " ".join(part for hit in hits for part in (hit.title, *hit.passage.headings, hit.passage.text)).casefold()
    for match in _NAME.finditer(question):
        before = question[: match.start()]
        if _OWN_NAME.search(before) or not before.strip() or re.search(r"[.!?。！？:：]\s*$", before):
            continue
        name = match.group().casefold()
        if name[: max(MIN_NAME_CHARS, len(name) - 2)] not in text:
            return match.group()
    return ""


def missing_term(question: str, hits: Sequence[Hit]) -> str:
    """Return an option, a setting or a function that is asked about and in no passage; "" if there is none.

    Args:
        question: in English or Chinese.
        hits: the retrieved passages, whose titles and headings count too.
    """
    terms = {match["term"]: None for pattern in _ASKED for match in pattern.finditer(question)}
    if not terms:
        return ""
    texts = [" ".join([hit.title, *hit.passage.headings, hit.passage.text]).casefold() for hit in hits]
    return next((term for term in terms if not any(_has_term(text, term.casefold()) for text in texts)), "")


def _has_term(text: str, term: str) -> bool:
    """Whether a casefolded text has a term; "open-source" is also written "open source"."""
    return any(form in text for form in (term.removesuffix("()"), term.replace("-", " ").strip()))
