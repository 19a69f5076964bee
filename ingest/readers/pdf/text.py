"""Text of PDFs: ligatures, bullets, unreadable characters, and the joins between lines."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Set

_BULLETS = {0xF0B7: "•", 0xF0A7: "•", 0xF06E: "•", 0xF076: "•", 0xF0D8: "•", 0xF0FC: "•", 0xF0A8: "•", 0xF06F: "•"}
"""Bullets of the fonts Symbol and Wingdings, in the private use area."""
_QUOTES = {0x2018: "\u2018", 0x02BC: "\u2019"}
_COMPOUND_STARTS = frozenset(
    [
        "self",
        "non",
        "well",
        "all",
        "cross",
        "ex",
        "half",
        "high",
        "low",
        "long",
        "short",
        "co",
        "pre",
        "post",
        "multi",
        "semi",
        "anti",
        "user",
        "read",
        "write",
        "built",
        "state",
        "so",
        "real",
        "time",
        "one",
        "two",
        "three",
    ]
)
_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")
_URL_END = re.compile(r"(?:https?://|www\.|ftp://|[\w.]+@)\S*$")
MARK = "\ue000"
"""Stands before the raised mark of a footnote until the text of the line is complete."""


def expand_character(code: int) -> str:
    """Return a character as text: ligatures expanded, bullets of symbol fonts as "•", invisible ones removed."""
    if code in _BULLETS:
        return _BULLETS[code]
    if 0xFB00 <= code <= 0xFB06 or 0xF900 <= code <= 0xFAFF or 0x2F00 <= code <= 0x2FD5:
        return unicodedata.normalize("NFKC", chr(code))
    if 0xD800 <= code <= 0xDFFF or code > 0x10FFFF:
        return "\ufffd"
    return "" if code in (0x200B, 0xFEFF, 0x2060) else chr(code)


def is_unreadable(text: str) -> bool:
    """Whether a character has no meaning outside its font: private use, not assigned, or a control character."""
    return (bool(text) and unicodedata.category(text[0]) in ("Co", "Cn", "Cc")) or text == "\ufffd"


def is_cjk(text: str) -> bool:
    """Whether the first character is Chinese or Japanese, or full-width punctuation."""
    code = ord(text[0]) if text else 0
    return (
        0x2E80 <= code <= 0x9FFF or 0xF900 <= code <= 0xFAFF or 0xFF00 <= code <= 0xFFEF or 0x20000 <= code <= 0x3FFFF
    )


def find_words(texts: Iterable[str]) -> set[str]:
    """Return the words and hyphenated words in lines, except those that a line end may have cut."""
    words: set[str] = set()
    for text in texts:
        found = _WORD.findall(text)
        if text.endswith(("-", "\xad")):
            found = found[:-1]
        words.update(word.lower() for word in found)
    return words


def join_lines(before: str, after: str, words: Set[str]) -> tuple[str, str]:
    """Return the end of a paragraph and what stands before its next line: a space, or nothing.

    A hyphen at the line end goes if the word without it occurs in ``words``, and stays if the word with it does. A
    soft hyphen always goes. No space is put between Chinese characters.
    """
    if before.endswith("\xad"):
        return before[:-1], ""
    if before.endswith(("-", "\u2010")) and len(before) > 1 and not before[-2].isspace():
        head, tail = _last_word(before[:-1]), re.match(r"[^\W\d_]+", after)
        if not head or not tail or _URL_END.search(before):
            return before, ""
        return (before[:-1], "") if _is_one_word(head, tail.group(), words) else (before, "")
    if (is_cjk(before[-1:]) and (is_cjk(after) or after[:1] in "\u201c\u2018")) or (
        is_cjk(after) and before[-1] in "\u201d\u2019"
    ):
        return before, ""
    if before.endswith("/") and _URL_END.search(before):
        return before, ""
    return before, " "


def clean_line(text: str) -> str:
    """Return a line without soft hyphens inside words, and with footnote marks as ``[1]``."""
    if MARK in text:
        text = re.sub(rf"{MARK}(\d{{1,3}}|[a-z*†‡§]{{1,2}})(?!\w)", r"[\1]", text).replace(MARK, "^")
    end = "\xad" if text.endswith("\xad") else ""
    return text.replace("\xad", "") + end


def _last_word(text: str) -> str:
    match = re.search(r"[^\W\d_]+(?:-[^\W\d_]+)*$", text)
    return match.group() if match else ""


def _is_one_word(head: str, tail: str, words: Set[str]) -> bool:
    whole, compound = (head + tail).lower(), f"{head}-{tail}".lower()
    if compound in words or whole in words:
        return compound not in words or whole in words
    if "-" in head or tail[0].isupper() or head.lower() in _COMPOUND_STARTS:
        return False
    return not (head.lower() in words and tail.lower() in words and len(head) > 3 and len(tail) > 3)
