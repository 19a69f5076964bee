"""Fold disguised text to plain lower-case letters.

Letters can be hidden or exchanged so that a reader or a model still recognises the words: full-width and accented letters,
look-alikes of other alphabets, invisible characters between them, digits for letters, spaced letters, inline tags.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Container
from functools import partial

from kgrag.text.normalize import has_cjk, to_simplified

MAX_KNOWN_WORD_CHARS = 14
"""Longest word that is looked for among spaced letters."""

_SMUGGLED_CHAR = re.compile("[\U000e0020-\U000e007e]")
"""Matches tag characters, which no font shows and which encode ASCII."""
UNSEEN_CHARS = "\u00ad\u034f\u061c\u115f\u1160\u180b-\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff\U000e0000-\U000e01ef"
"""Characters that no font shows, for a set of a regular expression."""
_UNSEEN_CHAR = re.compile(f"[{UNSEEN_CHARS}]")
_COMBINING_MARK = re.compile("[\u0300-\u036f\u0483-\u0487\u20d0-\u20dc]")
_LOOKALIKE = re.compile("[\u0131\u0251\u0261\u0370-\u03ff\u0400-\u052f]")
_LOOKALIKES = str.maketrans(
    "авсԁеһіјӏкмнорԛгѕтиухԝαβεηικνορτυχωϲϳıɑɡ",
    "abcdehijlkmhopqrstuyxwabenikvoptuxwcjiag",
)
"""Letters of other alphabets that look like Latin ones, and these."""
_DIGIT_IN_WORD = re.compile(r"[a-z][013457@$]|[013457@$][a-z]")
_WORD_WITH_DIGITS = re.compile(r"(?<![\w@$])[a-z@$]*[013457@$][\w@$]*")
_LETTERS_FOR_DIGITS = str.maketrans("013457@$", "oieastas")
_SPACED_LETTERS = re.compile(r"(?<!\w)(?:[a-z][ .\-_*·]{1,3}){5,}[a-z](?!\w)")
_LETTER_GAP = re.compile(r"[ .\-_*·]")
_CJK = "\u3001-\u9fff\uff01-\uff1f"
_GAP_IN_CHINESE = re.compile(f"(?<=[{_CJK},:;!?])\\s+(?=[{_CJK}])|(?<=[{_CJK}])\\s+(?=[,:;!?])")
_INLINE_TAG = re.compile(r"</?(?:b|i|u|em|strong|span|div|p|br|font|a|small|sub|sup|code|td|tr|li|h\d)\b[^<>]{0,200}>")
_JOINED_WORDS = re.compile(r"(?<=[a-z])[_+-]+(?=[a-z])")


def fold_disguised_text(text: str, known_words: Container[str]) -> str:
    """Return a text in lower case, on one line, with disguised letters as plain ones.

    Args:
        text: any text.
        known_words: words that spaced letters, and digits that stand for letters, are read as.
    """
    if text.isascii():
        folded = text.lower()
    else:
        visible = _UNSEEN_CHAR.sub("", _SMUGGLED_CHAR.sub(lambda m: chr(ord(m.group()) - 0xE0000), text))
        folded = unicodedata.normalize("NFKD", visible.casefold())
        folded = _COMBINING_MARK.sub("", folded).replace("\u2019", "'")
        if _LOOKALIKE.search(folded):
            folded = f"{folded.translate(_LOOKALIKES)} {folded}"
        if has_cjk(folded):
            folded = _GAP_IN_CHINESE.sub("", to_simplified(folded))
    if "&#" in folded:
        folded = html.unescape(folded).lower()
    if "<" in folded:
        folded = _INLINE_TAG.sub(" ", folded)
    if _SPACED_LETTERS.search(folded):
        folded = _SPACED_LETTERS.sub(partial(_join_letters, known_words), folded)
    if _DIGIT_IN_WORD.search(folded):
        folded = _WORD_WITH_DIGITS.sub(partial(_read_digits, known_words), folded)
    folded = " ".join(folded.split())
    return _JOINED_WORDS.sub(" ", folded) if "_" in folded or "-" in folded or "+" in folded else folded


def _join_letters(known_words: Container[str], match: re.Match[str]) -> str:
    """Join spaced letters to known words: "i g n o r e a l l" becomes "ignore all"."""
    letters = _LETTER_GAP.sub("", match.group())
    words: list[str] = []
    start = 0
    while start < len(letters):
        lengths = range(min(MAX_KNOWN_WORD_CHARS, len(letters) - start), 2, -1)
        length = next((n for n in lengths if letters[start : start + n] in known_words), 0)
        if length:
            words.append(letters[start : start + length])
        elif words and words[-1] not in known_words:
            words[-1] += letters[start]
        else:
            words.append(letters[start])
        start += length or 1
    return " ".join(words)


def _read_digits(known_words: Container[str], match: re.Match[str]) -> str:
    """Replace digits that stand for letters if that gives a known word: "1gn0re" becomes "ignore"."""
    word = match.group()
    plain = word.translate(_LETTERS_FOR_DIGITS)
    return plain if len(word) > 3 and plain in known_words else word
