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


_CLOSING_MARKS = "\"'”’」』）)\\]*"
_BOUNDARY = re.compile(  # possessive and anchored, so that a run of a million dots takes no longer than it must
    f"[。！？；]++[.…]*+[{_CLOSING_MARKS}]*+"
    f"|(?<![.!?…])[.!?…]++[{_CLOSING_MARKS}]*+(?:\\[\\d{{1,3}}\\])*+(?=\\s++[\"'“‘(\\[*]*+[^\\Wa-z]|\\s*+[{CJK}])"
    "|(?<=[a-z]{3})[.!?](?=[A-Z][a-z]+ )"
    f"|(?<=[{CJK}])[.!?]++[{_CLOSING_MARKS}]*+(?=\\s|[A-Z])"
    "|\\n\\s*+"
)
# Before a name, and so never the end of a sentence.
_TITLE_ABBREVIATION = re.compile(
    r"\b(?:Mr|Mrs|Ms|Messrs|Mme|Mlle|Dr|Drs|Prof|vs?|cf|ca|Gen|Maj|Col|Lt|Sgt|Cpl|Capt|Cmdr|Adm|Brig|Pvt|Rev|Hon|Fr|Gov"
    r"|Pres|Sen|Rep|Supt|e\.g|i\.e|viz|approx|pp?|b|c|d|r|fl)$"
)
# The end of a sentence only if the next word is one that often begins a sentence.
_ABBREVIATION = re.compile(
    r"(?:\b(?:[A-Z]|Sr|Jr|al|etc|Inc|Ltd|Co|Corp|Bros|Assn|Dept|Univ|St|Ste|Mt|Ft|Ave|Blvd|Rd|[Ee]ds?|Nos?|Vols?|Figs?"
    r"|Eqs?|Op|Ch|Sec|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec|[ap]\.m|Ph\.D)|\.[A-Z])$"
)
_SENTENCE_STARTERS = STOPWORDS | {
    "according",
    "after",
    "although",
    "before",
    "both",
    "despite",
    "during",
    "however",
    "since",
}
_NEXT_WORD = re.compile(r"[\s\"'“‘(\[*]*([A-Z][^\W\d_]*)(?![.\w])")
_ENDS_IN_NUMBER = re.compile(r"[\s:：;；,，(（]\d{1,2}$")
_LIST_MARKER = re.compile(
    r"[#>|•·▪◦]|[-*+–]\s|```|~~~|[(（]?\d{1,3}(?:[)、．）]|\.\s)|[(（]?[A-Ha-h][)、．）]|[一二三四五六七八九十]{1,3}、"
)
_FIELD_LINE = re.compile(r"[^\s:：。.,，][^:：。.,，\n]{0,39}[:：](?:\s|$)")
_UNDERLINE = re.compile(r"[=\-^]{3,}\s*$")


def sentence_spans(text: str) -> list[tuple[int, int]]:
    """Spans of sentences, without the white space around them; in order, not overlapping, covering all other text.

    A line of its own (heading, list item, table row, ``field: value``, short line) is a sentence; a paragraph that
    was wrapped at a margin is not cut at its line ends.
    """
    spans = []
    begin = 0
    for match in _BOUNDARY.finditer(text):
        end = _line_end(text, match) if "\n" in match.group() else _sentence_end(text, begin, match)
        if end is not None:
            spans.append((begin, end))
            begin = end
    spans.append((begin, len(text)))
    trimmed = []
    for start, end in spans:
        piece = text[start:end]
        left = start + len(piece) - len(piece.lstrip())
        right = start + len(piece.rstrip())
        if left < right:
            trimmed.append((left, right))
    return trimmed


def _sentence_end(text: str, begin: int, match: re.Match[str]) -> int | None:
    """Where the sentence from ``begin`` ends, if the marks matched end it. Looks back 200 characters at most."""
    start, end = match.span()
    before = text[max(begin, start - 200) : start]
    marks = match.group()
    for quote in ('"', "**"):  # these look the same at both ends: an even number before means that this one opens
        if quote in marks and before.count(quote) % 2 == 0:
            end = min(end, start + marks.index(quote))
    is_in_title = before.rfind("《") > before.rfind("》") and "》" in text[end : end + 40]
    if is_in_title or text[begin : begin + 80].lstrip()[:1] == "|":
        return None  # in a title, or in a row of a table
    following = text[end : end + 1]
    if marks[0] in "。！？；":
        return None if following in tuple("，、；：,）)》〉】") else end
    if marks[0] == "…" and not following.isspace():
        return None
    if has_cjk(before[-1:]):
        return end
    next_word = _NEXT_WORD.match(text, end)
    is_starter = next_word is not None and next_word.group(1).lower() in _SENTENCE_STARTERS
    if following.isascii() and not following.isspace():
        return end if is_starter else None
    if not _LETTER.search(before) or (start - begin < 4 and len(before.strip("(（ \t\n")) < 2):
        return None  # the number or letter of a list item
    if marks == ".":
        tail = before[-12:]
        if _TITLE_ABBREVIATION.search(tail) or (_ABBREVIATION.search(tail) and not is_starter):
            return None
        if has_cjk(text[end : end + 3]) and _ENDS_IN_NUMBER.search(before[-4:]):
            return None
    return end


def _line_end(text: str, match: re.Match[str]) -> int | None:
    """Where the line that the matched line end closes has its end, unless its sentence goes on in the next line."""
    start, end = match.span()
    if match.group().count("\n") > 1:
        return start
    line = text[max(start - 200, text.rfind("\n", max(0, start - 200), start) + 1) : start].strip()
    following = text[end : end + 200].split("\n", 1)[0].rstrip()
    if _UNDERLINE.match(following) or not line or not following:
        return None
    if line[0] == following[0] == ">":
        following = following.lstrip("> ") or ">"
    elif _LIST_MARKER.match(following) or line[0] in "#|" or line.startswith(("```", "~~~")) or _UNDERLINE.match(line):
        return start
    width = _display_width(line)
    if width > 120 or (_FIELD_LINE.match(line) and _FIELD_LINE.match(following)):
        return start
    if following[0].islower() or line[-1] in ",，、-(（":
        return None
    return start if width < 40 or width * 10 < _display_width(following) * 6 else None


def _display_width(line: str) -> int:
    """Columns that ``line`` takes: two for a Chinese or other wide character."""
    return sum(2 if ord(c) > 0x2E7F else 1 for c in line)


def shorten(text: str, width: int = 80) -> str:
    """``text`` on one line, at most ``width`` characters, cut with an ellipsis."""
    line = " ".join(text.split())
    return line if len(line) <= width else line[: width - 1] + "…"
