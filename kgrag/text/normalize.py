"""Normalise and tokenize English and Chinese text, and detect the language.

Every function keeps or returns character offsets, so that a match in normalised text can be shown in the original.
Chinese is split into characters (for search, into character pairs), which needs no dictionary.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import NamedTuple

CJK = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002ebef"
_CJK = re.compile(f"[{CJK}]")
_INVISIBLE_CHARS = "\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff"
WORD_JOINERS = f"{_INVISIBLE_CHARS}\u0300-\u036f\u0483-\u0487\u0591-\u05bd\u064b-\u065f\u20d0-\u20dc"  # belong to the word around them
_TOKEN = re.compile(f"[{CJK}]|[^\\W_{CJK}]+(?:['\u2019{WORD_JOINERS}]+[^\\W_{CJK}]+)*", re.UNICODE)
_LETTER = re.compile(r"[^\W\d_]", re.UNICODE)
_INVISIBLE_PATTERN = re.compile(f"[{_INVISIBLE_CHARS}]")
_POSSESSIVE = re.compile(r"'s?$")

STOPWORDS = frozenset(
    [
        "a",
        "an",
        "and",
        "are",
        "as",
        "at",
        "be",
        "been",
        "being",
        "but",
        "by",
        "can",
        "could",
        "did",
        "do",
        "does",
        "for",
        "from",
        "had",
        "has",
        "have",
        "he",
        "her",
        "hers",
        "him",
        "his",
        "how",
        "i",
        "if",
        "in",
        "into",
        "is",
        "it",
        "its",
        "me",
        "my",
        "of",
        "on",
        "or",
        "our",
        "out",
        "she",
        "should",
        "so",
        "than",
        "that",
        "the",
        "their",
        "them",
        "then",
        "there",
        "these",
        "they",
        "this",
        "those",
        "to",
        "was",
        "we",
        "were",
        "what",
        "when",
        "where",
        "which",
        "while",
        "who",
        "whom",
        "whose",
        "why",
        "will",
        "with",
        "would",
        "you",
        "your",
        "also",
        "s",
    ]
)
"""English function words, which carry no content."""
STOPCHARS = frozenset("的了是在和与及或有被把之其吗呢吧啊这那哪谁什么何个为于以从到对就都也很所")
"""Chinese characters with little content."""


MAX_WORD_CHARS = 64
"""Maximum length of a cached word, in characters; longer runs are data, not words."""


class Token(NamedTuple):
    """A normalised token and its source span (end exclusive, without a possessive ending)."""

    text: str
    start: int
    end: int


@lru_cache(maxsize=65536)
def casefold_text(word: str) -> str:
    """Casefold a word and remove spelling variants.

    Compatibility forms become plain ones, traditional characters simplified ones and curly apostrophes straight ones.
    Diacritics and invisible characters are removed.
    """
    decomposed = unicodedata.normalize("NFKD", _INVISIBLE_PATTERN.sub("", word).casefold().replace("\u2019", "'"))
    stripped = "".join(c for c in decomposed if not unicodedata.combining(c))
    return to_simplified(stripped) if has_cjk(stripped) else stripped


def to_simplified(text: str) -> str:
    """Replace traditional Chinese characters by simplified ones, one by one; the length does not change."""
    return text.translate(_simplified_table()) if has_cjk(text) else text


@lru_cache(maxsize=1)
def _simplified_table() -> dict[int, str]:
    import opencc  # type: ignore[import-untyped, unused-ignore]

    characters = [
        chr(c) for first, last in ((0x3400, 0x4DC0), (0x4E00, 0xA000), (0xF900, 0xFB00)) for c in range(first, last)
    ]
    # one character per line, so that OpenCC does not convert it as part of a word
    converted = opencc.OpenCC("t2s").convert("\n".join(characters)).split("\n")
    return {ord(old): new for old, new in zip(characters, converted, strict=True) if old != new and len(new) == 1}


def tokenize(text: str) -> list[Token]:
    """Split a text into casefolded words (without possessive endings) and Chinese characters, with spans."""
    result = []
    for match in _TOKEN.finditer(text):
        word = match.group()
        if "'" in word:
            word = _POSSESSIVE.sub("", word)
        if word.isascii() and "'" not in word:
            normalized = word.lower()
        else:  # longer runs are not words and would fill the cache
            normalized = _normalize_word(word) if len(word) <= MAX_WORD_CHARS else _normalize_word.__wrapped__(word)
        if normalized:
            start = match.start()
            result.append(Token(normalized, start, start + len(word)))
    return result


@lru_cache(maxsize=1 << 17)
def _normalize_word(word: str) -> str:
    return _POSSESSIVE.sub("", casefold_text.__wrapped__(word))


def normalize_name(name: str) -> str:
    """Return the normalised form of a name, which is its entity id: ``normalize_name("Gödel's") == "godel"``."""
    return " ".join(token.text for token in tokenize(name))


def strip_disambiguation(name: str) -> str:
    """Remove the bracket at the end of a title: ``strip_disambiguation("Ran (film)") == "Ran"``."""
    return re.sub(r"\s*[(（][^()（）]*[)）]$", "", name)


def has_cjk(text: str) -> bool:
    """Whether a text contains a Chinese character."""
    return _CJK.search(text) is not None


def detect_language(text: str) -> str:
    """Return ``"zh"`` if at least a fifth of the letters are Chinese characters, or ``"en"``.

    A fifth is enough since a Chinese character carries more than a letter.
    """
    sample = text[:4000]
    chinese = len(_CJK.findall(sample))
    if not chinese:
        return "en"
    return "zh" if chinese * 5 >= len(_LETTER.findall(sample)) else "en"


def content_words(text: str) -> list[str]:
    """Return the content words and content characters of a text, in order, with repetitions."""
    return [t.text for t in tokenize(text) if t.text not in STOPWORDS and t.text not in STOPCHARS]


def shorten(text: str, width: int = 80) -> str:
    """Return ``text`` on one line of at most ``width`` characters, cut with an ellipsis."""
    line = " ".join(text.split())
    return line if len(line) <= width else line[: width - 1] + "…"
