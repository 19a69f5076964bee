"""Find and expand the acronyms that documents explain (Schwartz and Hearst 2003), in English and Chinese."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from indices.tokens import index_tokens
from kgrag.storage.string_table import StringTable
from kgrag.text import CJK, STOPCHARS, STOPWORDS, has_cjk, to_simplified

MAX_PAIRS = 10_000
"""Pairs of a store, the most frequent first: more take over half a second whenever an index is loaded."""
MAX_FORMS = 2
"""Expansions of an acronym, the most frequent first: a third one is most often a misreading."""
MIN_CHINESE_LONG, MAX_CHINESE_LONG = 3, 8
_SHORT = r"[A-Z][A-Za-z0-9&./-]{1,9}"
_IN_BRACKETS = re.compile(
    rf"[(（](?:(?:英文|缩写|简称|全称|即)[:：为]?\s?)?[“\"]?(?:({_SHORT}?)s?|([A-Za-z{CJK}][\w '\u2019-]{{2,80}}))[”\"]?[)）]"
)
_ABBREVIATED = re.compile(
    rf"[（(，,]?\s?(?:以下|下文|下称)?(?:简称|缩写)(?:为|作|是)?[：:]?\s?[“\"「]?([{CJK}]{{2,6}}(?=[”\"」）)，。；])|{_SHORT})"
)
_SHORT_BEFORE = re.compile(rf"(?<!\w)({_SHORT})\s?$")
_CHINESE_BEFORE = re.compile(rf"[{CJK}]{{3,20}}\s?$")
_LONG_BREAK = re.compile(r"\n\n|\n[-*#|] |[.:;!?()\[\]|“”\"`，。；：（）]\s*")
_CAPITALS = re.compile(r"[A-Za-z0-9&./-]*[A-Z][A-Za-z0-9&./-]*[A-Z][A-Za-z0-9&./-]*")
_WORD_START = re.compile(r"[^\W_]+")
MAX_LONG_CHARS = 120


def find_acronyms(text: str) -> Iterator[tuple[str, str]]:
    """Yield (short form, long form) of each acronym that a text explains, as written."""
    for match in _IN_BRACKETS.finditer(text):
        before = text[max(0, match.start() - MAX_LONG_CHARS) : match.start()]
        if match[1]:
            pair = _acronym(match[1]), _long_before(match[1], before)
        else:
            short = _SHORT_BEFORE.search(before)
            pair = _acronym(short[1]) if short else "", " ".join(match[2].split())
            if not has_cjk(pair[1]) and _matching_words(*pair) != pair[1]:
                continue
        if all(pair):
            yield pair
    if "简称" in text or "缩写" in text:
        for match in _ABBREVIATED.finditer(text):
            short_form = match[1] if has_cjk(match[1]) else _acronym(match[1])
            long_form = _long_before(match[1], text[max(0, match.start() - MAX_LONG_CHARS) : match.start()])
            if short_form and long_form:
                yield short_form, long_form


def _long_before(short: str, before: str) -> str:
    """Return the long form of ``short`` that ends where ``before`` ends, or ""."""
    if not (chinese := _CHINESE_BEFORE.search(before)):
        return _matching_words(short, _LONG_BREAK.split(before)[-1])
    run = chinese.group().strip()
    return _containing_suffix(short, run) if has_cjk(short) else _content_suffix(run)


def _acronym(short: str) -> str:
    return short if sum(letter.isupper() for letter in short) >= 2 else ""


def _matching_words(short: str, text: str) -> str:
    """Return the shortest end of ``text`` whose letters spell the short form from a word's start, or ""."""
    letters = [letter.lower() for letter in short if letter.isalnum()]
    if not letters:
        return ""
    words = text.split()
    words = words[-min(len(letters) + 5, 2 * len(letters)) :]
    joined = " ".join(words)
    lowered = joined.lower()
    position = len(lowered)
    for number in range(len(letters) - 1, -1, -1):
        position = lowered.rfind(letters[number], 0, position)
        while number == 0 and position > 0 and lowered[position - 1].isalnum():
            position = lowered.rfind(letters[0], 0, position)
        if position < 0:
            return ""
    long = joined[position:]
    initials = iter(word[0] for word in _WORD_START.findall(long.lower()))
    spelt = sum(letter in initials for letter in letters)  # `in` consumes the initials up to the letter
    is_plausible = spelt * 2 >= len(letters) and long.partition(" ")[0] not in STOPWORDS
    return long if " " in long and is_plausible and short.lower() not in long.lower().split() else ""


def _content_suffix(text: str) -> str:
    """Return the end of a Chinese text behind its last character with little content, or "" if that is short."""
    start = max((place + 1 for place, character in enumerate(text) if character in STOPCHARS), default=0)
    return text[max(start, len(text) - MAX_CHINESE_LONG) :] if len(text) - start >= MIN_CHINESE_LONG else ""


def _containing_suffix(short: str, text: str) -> str:
    """Return the shortest end of ``text`` with the characters of the short form in order, or ""."""
    position = len(text)
    for character in reversed(short):
        position = text.rfind(character, 0, position)
        if position < 0:
            return ""
    return text[position:] if len(text) - position > len(short) else ""


class AcronymTable:
    """Short and long forms of the acronyms of a store.

    Args:
        shorts: the short form of each pair, as written.
        longs: its long form, in the same order; the more frequent pairs of a short form come first.
    """

    def __init__(self, shorts: StringTable, longs: StringTable) -> None:
        self.shorts, self.longs = shorts, longs
        self._longs_by_short: dict[str, list[str]] = defaultdict(list)
        self._pairs_by_start: dict[str, list[tuple[str, str]]] = defaultdict(list)
        for number in range(len(shorts)):
            short, long = shorts[number], longs[number]
            if len(self._longs_by_short[_key(short)]) < MAX_FORMS:
                self._longs_by_short[_key(short)].append(long)
            if tokens := index_tokens(long):
                self._pairs_by_start[tokens[0]].append((short, long))

    @staticmethod
    def from_pairs(counts: Counter[tuple[str, str]]) -> AcronymTable:
        """Build the table of counted (short form, long form) pairs; spellings of one pair count together."""
        merged: Counter[tuple[str, str]] = Counter()
        spelling: dict[tuple[str, str], tuple[str, str]] = {}
        for pair, count in sorted(counts.items()):
            key = (_key(pair[0]), pair[1].lower())
            merged[key] += count
            spelling.setdefault(key, pair)
        ranked = sorted(merged, key=lambda key: (-merged[key], key))[:MAX_PAIRS]
        shorts, longs = zip(*(spelling[key] for key in ranked), strict=True) if ranked else ((), ())
        return AcronymTable(StringTable.from_strings(shorts), StringTable.from_strings(longs))

    def other_forms(self, question: str, tokens: Sequence[str]) -> list[str]:
        """Return the long forms of the question's short forms, and the reverse, distinct and in order.

        A short form counts if the question writes it with two capitals, or is English without any capitals: Mac is not MAC.

        Args:
            question: the question.
            tokens: its `index_tokens`.
        """
        found: dict[str, None] = {}
        has_capitals = question != question.lower() or has_cjk(question)
        capitals = set(index_tokens(" ".join(_CAPITALS.findall(question)))) if has_capitals else set()
        for token in dict.fromkeys(tokens):
            if token in capitals or not has_capitals:
                found |= dict.fromkeys(self._longs_by_short.get(token, ()))
            for short, long in self._pairs_by_start.get(token, ()):
                if _contains(tokens, index_tokens(long)):
                    found[short] = None
        if has_cjk(question):
            simplified = to_simplified(question)
            for size in range(2, 7):
                for start in range(len(simplified) - size + 1):
                    found |= dict.fromkeys(self._longs_by_short.get(simplified[start : start + size], ()))
        return [form for form in found if not _contains(tokens, index_tokens(form))]


def _key(short: str) -> str:
    """Return the token of a short form, or a Chinese one in simplified characters."""
    if has_cjk(short):
        return to_simplified(short)
    tokens = index_tokens(short)
    return tokens[-1] if tokens else short


def _contains(tokens: Sequence[str], wanted: Sequence[str]) -> bool:
    count = len(wanted)
    return any(list(tokens[start : start + count]) == list(wanted) for start in range(len(tokens) - count + 1))
