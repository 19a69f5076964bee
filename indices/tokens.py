"""Tokens of texts and questions: stemmed words, identifiers, dates, and pairs of Chinese characters."""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import pairwise
from zlib import crc32

from kgrag.text import STOPWORDS, casefold_text, has_cjk, to_simplified, tokenize
from kgrag.text.dates import MONTH_NUMBERS
from kgrag.text.identifiers import RUN, identifier_forms, written_date_forms
from kgrag.text.stemming import stem_word

_MONTH = "|".join(sorted(MONTH_NUMBERS, key=len, reverse=True))
_WRITTEN_DATE = re.compile(
    rf"\b(?:\d{{1,2}}(?:st|nd|rd|th)?\s(?:of\s)?(?:{_MONTH})\.?,?\s\d{{4}}\b"
    rf"|(?:{_MONTH})\.?\s(?:\d{{1,2}}(?:st|nd|rd|th)?,?\s)?\d{{4}}\b)"
    r"|\d{4}\s?年\s?\d{1,2}\s?月(?:\s?\d{1,2}\s?[日号])?",
    re.IGNORECASE,
)
_YEAR = re.compile(r"\d{4}")
_LETTERS = re.compile(r"[^\W\d_]{2,}")
_SENTENCE_BREAKS = frozenset(".!?:;\n。！？：；|#*-—")
_OPENING_MARKS = " \t\"'“‘(（「_["
MIN_SHOUTED_WORDS = 3
"""Words of a line in capitals from which its capitals are a style: a stop word among them is no name."""
TokenRun = tuple[tuple[str, ...], tuple[str, ...]]
"""The words of a run of the text, and its further forms (`identifier_forms`)."""
STEM_BITS, SURFACE_BITS = 20, 12
"""Bits of a word's code: the hash of its stem above the hash of its casefolded form."""


def index_tokens(text: str) -> list[str]:
    """Return the tokens by which a text is indexed and found.

    English words are stemmed and lose stop words. Chinese is pairs of neighbouring characters. An identifier is a token
    as a whole and in parts, and a date also in ISO form. A stop word that capitals mark as a name keeps its capitals.
    """
    return [token for words, forms in token_runs(text) for token in (*words, *forms)]


def token_runs(text: str) -> list[TokenRun]:
    """Return the tokens of each run of a text, and then of its dates; runs without tokens are left out."""
    runs: list[TokenRun] = []
    for match in RUN.finditer(text):
        run = match.group()
        if run.isascii() and run.islower() and run.isalpha():
            if run not in STOPWORDS:
                runs.append(((stem_word(run),), ()))
        elif has_cjk(run):
            runs.append((_character_pairs(run), ()))
        else:
            words, forms, is_stop_word = _split_run(run)
            if is_stop_word and (name := _stop_word_name(text, match.start(), run)):
                words = (name,)
            if words or forms:
                runs.append((words, forms))
    if _YEAR.search(text):
        dates = (written_date_forms(match.group().replace(".", "")) for match in _WRITTEN_DATE.finditer(text))
        runs += [((), tuple(date)) for date in dates if date]
    return runs


def word_codes(text: str) -> list[int]:
    """Return a 32-bit code of every word of a text, stop words included; equal words have equal codes.

    The upper `STEM_BITS` are equal for words of one stem. No code is 0.
    """
    return [_word_code(token.text) for token in tokenize(text)]


def stem_code(stem: str) -> int:
    """Return the upper `STEM_BITS` of the codes of the words with a stem."""
    return crc32(stem.encode()) >> (32 - STEM_BITS) or 1


@lru_cache(maxsize=1 << 17)
def _word_code(word: str) -> int:
    return stem_code(stem_word(word)) << SURFACE_BITS | crc32(word.encode()) & ((1 << SURFACE_BITS) - 1)


def _character_pairs(run: str) -> tuple[str, ...]:
    characters = to_simplified(casefold_text.__wrapped__(run))
    return tuple(a + b for a, b in pairwise(characters)) or (characters,)


@lru_cache(maxsize=1 << 17)
def _split_run(run: str) -> tuple[tuple[str, ...], tuple[str, ...], bool]:
    """Return the words of a run, its other forms, and whether it is a single stop word."""
    tokens = tokenize(run)
    words = tuple(stem_word(token.text) for token in tokens if token.text not in STOPWORDS)
    forms = dict.fromkeys(stem_word(form) if form.isalpha() else form for form in identifier_forms(run))
    other_forms = tuple(form for form in forms if form not in words and form not in STOPWORDS)
    return words, other_forms, len(tokens) == 1 and not words


def _stop_word_name(text: str, start: int, run: str) -> str:
    """Return a stop word as it is written if its capitals make it a name, or ""."""
    token = tokenize(run)[0]
    word = run[token.start : token.end]
    if len(word) < 2 or word.islower():
        return ""
    if word.isupper():
        line_end = text.find("\n", start)
        line = text[text.rfind("\n", 0, start) + 1 : line_end if line_end >= 0 else len(text)]
        is_shouted = line.isupper() and len(_LETTERS.findall(line)) >= MIN_SHOUTED_WORDS
        return "" if is_shouted else word
    before = text[max(0, start - 20) : start].rstrip(_OPENING_MARKS)
    return word if word.istitle() and before and before[-1] not in _SENTENCE_BREAKS else ""
