"""Find what a question asks about by number, and sources that have another number in its place.

Asked for pump P-206, a model answers for P-204: the words agree, the identifier does not. A source conflicts with a
question if it has another identifier of the same shape, another number after the same word ("Article 14" for
"Article 15"), or another amount before the same word ("20 mg tablets" for "40 mg tablets"), and not the one asked for.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache

from kgrag.answering.guards.literal_text import fold_literal
from kgrag.answering.guards.source_sentences import SourceSentence
from kgrag.text import CJK, STOPWORDS
from kgrag.text.dates import CALENDAR_WORDS

_IDENTIFIER = re.compile(r"(?<![\w./-])(?:[A-Za-z]{1,6}-?\d+[A-Za-z]?|\d+-[A-Za-z]{1,4})(?![\w/-]|\.\w)")
_NUMBERED = re.compile(
    r"(?<![\w-])(?P<word>[A-Za-z]{2,}|§)[ .]{0,2}(?P<number>\d+(?:\.\d+)*[a-z]?)(?![\w%])(?! ?(?:[mkcµn]?[gmsl]|k?[KMG]i?B|%|h)(?!\w))"
)
_NUMBERED_ZH = re.compile(r"第\s?(?P<number>\d+|[一二三四五六七八九十百]+)\s?(?P<word>[条章节款项卷册号期届])")
_AMOUNT = re.compile(
    rf"(?:(?P<before>[A-Za-z]+) )?(?<![\w.-])(?P<number>\d+(?:[.,]\d+)?)[ -]?"
    rf"(?P<unit>(?!(?i:st|nd|rd|th)(?![a-z]))[A-Za-zµ°%]{{1,6}}|[毫微千]?[克升米])"
    rf"(?: (?P<after>[A-Za-z]+)|(?P<after_zh>[{CJK}]{{1,2}}))?"
)
_REFERENCES = """
article articles section chapter clause paragraph rule regulation figure table step part appendix annex schedule item
volume version release room level phase class category type form page question no number §
"""
_REFERENCE_WORDS = frozenset(_REFERENCES.split())
"""Words before the number of a part of a document, or of a member of a series."""
Slot = tuple[str, str]
"""A place that holds a number, and the number there."""


def conflicting_identifier(question: str, statement: str, sentence: SourceSentence) -> str:
    """Return the identifier of a question that a source sentence has another one instead of, or "".

    A statement that names the other identifier says openly what it is about, so it does not conflict.
    """
    own, context = fold_literal(sentence.text), fold_literal(sentence.context)
    around = fold_literal("\n".join(sentence.nearby))
    for find_slots in (_identifiers, _numbered_words, _amounts):
        asked = set(find_slots(fold_literal(question)))
        stated = set(find_slots(fold_literal(statement)))
        for slot, value in sorted(asked):
            for text, excuses in ((own, (context,)), (context, (around,))):
                others = {found for found in _slots(find_slots, text) if found[0] == slot}
                if others and not others & (asked | stated):
                    if not any((slot, value) in _slots(find_slots, excuse) for excuse in excuses):
                        return value
                    break
                if others:
                    break
    return ""


def _identifiers(text: str) -> Iterator[Slot]:
    for match in _IDENTIFIER.finditer(text):
        value = match.group().casefold()
        yield re.sub(r"[a-z]", "a", re.sub(r"\d", "9", value)), value


def _numbered_words(text: str) -> Iterator[Slot]:
    for match in _NUMBERED.finditer(text):
        word = match["word"]
        is_name = word[0].isupper() and word.casefold() not in STOPWORDS | CALENDAR_WORDS
        if is_name or word.casefold() in _REFERENCE_WORDS:
            yield word.casefold().removesuffix("s"), match["number"]
    for match in _NUMBERED_ZH.finditer(text):
        yield match["word"], match["number"]


def _amounts(text: str) -> Iterator[Slot]:
    for match in _AMOUNT.finditer(text):
        unit = match["unit"].casefold()
        for place, word in (("before", match["before"]), ("after", match["after"] or match["after_zh"])):
            if word and word.casefold() not in STOPWORDS:
                yield f"{place} {word.casefold()} {unit}", match["number"]


@lru_cache(maxsize=4096)
def _slots(find_slots: Callable[[str], Iterator[Slot]], text: str) -> frozenset[Slot]:
    return frozenset(find_slots(text))
