"""Text in English and Chinese: one way to normalise, cut into tokens and sentences, and tell the language.

Every function keeps or returns character offsets, so that what is found in normalised text can be shown in the
original. Chinese is cut into characters (and character pairs for search): a pair needs no dictionary.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import NamedTuple

CJK = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002ebef"
_CJK = re.compile(f"[{CJK}]")
_INVISIBLE_CHARS = "\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff"
_WORD_JOINERS = f"{_INVISIBLE_CHARS}\u0300-\u036f\u0483-\u0487\u0591-\u05bd\u064b-\u065f\u20d0-\u20dc"  # part of the word around them
_TOKEN = re.compile(f"[{CJK}]|[^\\W_{CJK}]+(?:['\u2019{_WORD_JOINERS}]+[^\\W_{CJK}]+)*", re.UNICODE)
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
"""English words that carry no content of their own."""
STOPCHARS = frozenset("的了是在和与及或有被把之其吗呢吧啊这那哪谁什么何个为于以从到对就都也很所")
"""Chinese characters that carry little content of their own."""


MAX_WORD_CHARS = 64
"""Characters; longer runs are data, not words."""


class Token(NamedTuple):
    """A normalised token and the span it came from (end exclusive, a possessive ending left out)."""

    text: str
    start: int
    end: int


@lru_cache(maxsize=65536)
def casefold_text(word: str) -> str:
    """Casefold, compatibility forms to plain ones, traditional characters to simplified ones, no diacritics, straight
    apostrophes, no invisible characters."""
    decomposed = unicodedata.normalize("NFKD", _INVISIBLE_PATTERN.sub("", word).casefold().replace("\u2019", "'"))
    stripped = "".join(c for c in decomposed if not unicodedata.combining(c))
    return to_simplified(stripped) if has_cjk(stripped) else stripped


def to_simplified(text: str) -> str:
    """Traditional Chinese characters as simplified ones, each by itself: the text is as long as before."""
    return text.translate(_simplified_table()) if has_cjk(text) else text


@lru_cache(maxsize=1)
def _simplified_table() -> dict[int, str]:
    import opencc  # type: ignore[import-untyped, unused-ignore]

    characters = [
        chr(c) for first, last in ((0x3400, 0x4DC0), (0x4E00, 0xA000), (0xF900, 0xFB00)) for c in range(first, last)
    ]
    # one character a line, so that none is read as part of a word
    converted = opencc.OpenCC("t2s").convert("\n".join(characters)).split("\n")
    return {
        ord(one): other for one, other in zip(characters, converted, strict=True) if one != other and len(other) == 1
    }


def tokenize(text: str) -> list[Token]:
    """Words (folded, without a possessive ending) and single Chinese characters, with their spans in ``text``."""
    result = []
    for match in _TOKEN.finditer(text):
        word = match.group()
        if "'" in word:
            word = _POSSESSIVE.sub("", word)
        if word.isascii() and "'" not in word:
            normalized = word.lower()
        else:  # the cache is for words; what is longer is no word, and would stay in memory
            normalized = _normalize_word(word) if len(word) <= MAX_WORD_CHARS else _normalize_word.__wrapped__(word)
        if normalized:
            start = match.start()
            result.append(Token(normalized, start, start + len(word)))
    return result


@lru_cache(maxsize=1 << 17)
def _normalize_word(word: str) -> str:
    return _POSSESSIVE.sub("", casefold_text.__wrapped__(word))


def normalize_name(name: str) -> str:
    """The normalised form under which a name is one entity: ``key("Gödel's") == "godel"``."""
    return " ".join(token.text for token in tokenize(name))


def strip_disambiguation(name: str) -> str:
    """A title without the bracket at its end that tells it from others."""
    return re.sub(r"\s*[(（][^()（）]*[)）]$", "", name)


def has_cjk(text: str) -> bool:
    """Whether ``text`` has any Chinese character."""
    return _CJK.search(text) is not None


def detect_language(text: str) -> str:
    """``"zh"`` if a fifth or more of the letters are Chinese characters (each says more than one), else ``"en"``."""
    sample = text[:4000]
    chinese = len(_CJK.findall(sample))
    if not chinese:
        return "en"
    return "zh" if chinese * 5 >= len(_LETTER.findall(sample)) else "en"


def content_words(text: str) -> list[str]:
    """Folded words that carry content, and Chinese characters that do, in order, repeated as they occur."""
    return [t.text for t in tokenize(text) if t.text not in STOPWORDS and t.text not in STOPCHARS]


# Before a name, and so never the end of a sentence.
# The end of a sentence only if the next word is one that often begins a sentence.


def shorten(text: str, width: int = 80) -> str:
    """``text`` on one line, at most ``width`` characters, cut with an ellipsis."""
    line = " ".join(text.split())
    return line if len(line) <= width else line[: width - 1] + "…"
