"""Split a run of letters, digits and joining characters into search tokens: an identifier whole and in parts."""

from __future__ import annotations

import re
from functools import lru_cache

from kgrag.text.dates import normalize_date
from kgrag.text.normalize import CJK, MAX_WORD_CHARS, WORD_JOINERS, casefold_text

_WORD = f"[^\\W_{CJK}]"
_INSIDE_WORD = f"['\u2019{WORD_JOINERS}]"
_JOIN = "_+|::|->|[-./\\\\:@&+=~^$#\u2010\u2011]"
_MARK = r"--?(?=[^\W\d_])|[.$@\\%/#](?=[^\W_])"
RUN = re.compile(
    rf"[{CJK}]+|(?:(?<![A-Za-z0-9_/:.\\-])(?:{_MARK}))?_*{_WORD}+(?:(?:{_INSIDE_WORD}+|{_JOIN}){_WORD}+)*(?:\+\+|(?<=(?<![A-Za-z0-9_])[A-Za-z])#)?"
)
"""A run of Chinese characters, or a word or an identifier with its leading and trailing marks."""
_PLAIN = re.compile(f"(?:{_WORD}|{_INSIDE_WORD})+")
_LEADING_MARK = re.compile(r"--?|[.$@\\%/#]")
_LEVELS = re.compile(r"::|->|[/\\:=@]")
_STYLE = re.compile(r"[-_]+")
_WORD_BREAK = re.compile(r"[^\w]|_")
_CAMEL_PART = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+")
_IS_CAMEL = re.compile(r"[a-z][A-Z]|[A-Z]{2}[a-z]{2}")
_VERSION = re.compile(r"v?(\d+(?:\.\d+)+)([-.+]?[a-z][-.\w+]*)?")
_ISO_DATE = re.compile(r"(\d{4})([-/.])(\d{1,2})\2(\d{1,2})")
MIN_CAMEL_LETTERS = 3
"""Shorter parts of camel case are no words: LaTeX is not la, te and x."""
MIN_FORM_CHARS = 2


@lru_cache(maxsize=1 << 16)
def identifier_forms(run: str) -> tuple[str, ...]:
    """Return the forms of a run that are tokens besides its words, casefolded and distinct; () for a plain word.

    They are the whole, the components between slashes, colons and the like, the form without hyphens and underscores
    (equal for ``bigFile``, ``big_file`` and ``big-file``), the parts of camel case, the beginnings of a version
    (``2.10`` of ``2.10.1``) and the ISO form of a numeric date.
    """
    mark = _LEADING_MARK.match(run)
    core = run[mark.end() :] if mark else run
    core = core.strip("_")
    if not mark and _PLAIN.fullmatch(core):
        return tuple(dict.fromkeys(_camel_parts(core)))
    forms: dict[str, None] = {}
    whole = _fold(core)
    if len(whole) > MAX_WORD_CHARS:
        whole = ""
    if mark and whole:
        forms[mark.group() + whole] = None
        if mark.group().startswith("-") and "=" in whole:
            forms[mark.group() + whole.partition("=")[0]] = None
    if date := _ISO_DATE.fullmatch(whole):
        year, _, month, day = date.groups()
        forms |= dict.fromkeys(date_forms(f"{year}-{int(month):02d}-{int(day):02d}"))
    components = [component for component in _LEVELS.split(core) if component]
    for component in dict.fromkeys([core, *components] if len(components) > 1 else [core]):
        folded = _fold(component)
        if len(folded) > MAX_WORD_CHARS:
            continue
        if version := _VERSION.fullmatch(folded):
            numbers = version.group(1).split(".")
            forms |= dict.fromkeys(".".join(numbers[:count]) for count in range(len(numbers), 1, -1))
            if version.group(2):
                forms[folded.removeprefix("v")] = None
        elif not _PLAIN.fullmatch(component):
            forms[folded] = None
    for component in components:
        for piece in component.split("."):
            if "-" in piece or "_" in piece:
                joined = _STYLE.sub("", _fold(piece))
                if not joined.isdigit() and len(joined) <= MAX_WORD_CHARS:
                    forms[joined] = None
            for word in _WORD_BREAK.split(piece):
                forms |= dict.fromkeys(_camel_parts(word))
    return tuple(form for form in forms if len(form) >= MIN_FORM_CHARS)


def date_forms(iso_date: str) -> list[str]:
    """Return the tokens of a date: itself, and its month if it has a day."""
    return [iso_date, iso_date[:7]] if len(iso_date) > 7 else [iso_date]


def written_date_forms(written: str) -> list[str]:
    """Return the tokens of a date in words, such as ``1 December 2024`` or ``2024年12月1日``; [] if it is none."""
    iso_date = normalize_date(written)
    return date_forms(iso_date) if len(iso_date) > 4 else []


def _camel_parts(word: str) -> list[str]:
    if not _IS_CAMEL.search(word):
        return []
    return [part.lower() for part in _CAMEL_PART.findall(word) if len(part) >= MIN_CAMEL_LETTERS]


def _fold(text: str) -> str:
    folded = text.lower() if text.isascii() else casefold_text.__wrapped__(text)
    return folded.replace("\u2010", "-").replace("\u2011", "-")
