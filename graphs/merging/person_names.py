"""Parse and compare personal names: honorifics, initials and middle names."""

from __future__ import annotations

import re
from collections.abc import Sequence

from kgrag.text import has_cjk, normalize_name

_HONORIFIC_WORDS = (
    "king queen prince princess emperor empress sir dame lord lady duke duchess count countess baron baroness earl "
    "sultan caliph tsar pope saint dr professor president general captain colonel major admiral archduke "
    "archduchess infante infanta grand elector margrave st mr mrs crown former actor actress director the"
)
_HONORIFICS = frozenset(_HONORIFIC_WORDS.split())
_NAME_SUFFIXES = frozenset(["jr", "sr", "phd", "md", "esq"])
_NOT_PLAIN_WORDS = frozenset(
    [
        "ii",
        "iii",
        "iv",
        "v",
        "vi",
        "vii",
        "viii",
        "ix",
        "x",
        "xi",
        "xii",
        "xiii",
        "xiv",
        "xv",
        "xvi",
        "of",
        "ibn",
        "bin",
        "al",
        "jr",
        "sr",
        "dit",
    ]
)
_NAME_DOT = re.compile("[·・]")


def strip_honorifics(words: list[str]) -> list[str]:
    """Remove leading honorifics: ``["king", "harald"]`` -> ``["harald"]``; keep at least the last word."""
    first = 0
    while first < len(words) - 1 and words[first] in _HONORIFICS:
        first += 1
    return words[first:]


def name_parts(name: str) -> list[str]:
    """Return the normalised words of a personal name, without leading honorifics or a trailing "Jr.".

    A Chinese name with dots is split at the dots; without dots it is one part.
    """
    if has_cjk(name):
        return [piece for piece in map(normalize_name, _NAME_DOT.split(name)) if piece]
    words = strip_honorifics(normalize_name(name).split())
    while len(words) > 1 and words[-1] in _NAME_SUFFIXES:
        words = words[:-1]
    return words


def may_be_same_person(words_a: Sequence[str], words_b: Sequence[str]) -> bool:
    """Whether two names of at least two words each may belong to the same person.

    Both must have the same last word. The first and middle words of the shorter name must match words of the longer one
    in order, where an initial matches any word that begins with it.
    """
    short, long = sorted((words_a, words_b), key=len)
    if short[-1] != long[-1] or not _words_match(short[0], long[0]):
        return False
    middle_names = iter(long[1:-1])
    return all(any(_words_match(word, middle_name) for middle_name in middle_names) for word in short[1:-1])


def name_similarity(words_a: Sequence[str], words_b: Sequence[str]) -> int:
    """Return the similarity of two names that `may_be_same_person` accepts: 0, 1 or 2.

    2: they differ by initials only. 1: they differ by middle names. 0: an initial stands for a first name and middle
    names are missing ("M. G. M. Pryor" and "Mark Pryor").
    """
    if len(words_a) == len(words_b):
        return 2
    return int(words_a[0] == words_b[0])


def is_plain_name(words: Sequence[str]) -> bool:
    """Whether a name has no numbers and no titles, unlike "Louis XV" or "Earl of Stafford"."""
    return words[-1] != "i" and _NOT_PLAIN_WORDS.isdisjoint(words) and not any(word[0].isdigit() for word in words)


def _words_match(word_a: str, word_b: str) -> bool:
    return word_a == word_b or (1 in (len(word_a), len(word_b)) and word_a[0] == word_b[0] and not has_cjk(word_a))
