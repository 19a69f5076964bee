"""Persons' names: honorifics before them, words of them, and whether two may be one person's."""

from __future__ import annotations

import re
from collections.abc import Sequence

from kgrag.text import is_cjk, key

_BEFORE_A_NAME = (
    "king queen prince princess emperor empress sir dame lord lady duke duchess count countess baron baroness earl "
    "sultan caliph tsar pope saint dr professor president general captain colonel major admiral archduke "
    "archduchess infante infanta grand elector margrave st mr mrs crown former actor actress director the"
)
_HONORIFICS = frozenset(_BEFORE_A_NAME.split())
_AFTER = frozenset(["jr", "sr", "phd", "md", "esq"])
_ODD = frozenset(
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
_DOT = re.compile("[·・]")


def without_honorifics(words: list[str]) -> list[str]:
    """``["king", "harald"]`` -> ``["harald"]``; the last word always stays."""
    first = 0
    while first < len(words) - 1 and words[first] in _HONORIFICS:
        first += 1
    return words[first:]


def parts(name: str) -> list[str]:
    """The normalised words of a person's name, without honorifics before it and "Jr." after it; of a Chinese name that
    has dots the pieces between them, of another one piece."""
    if is_cjk(name):
        return [piece for piece in map(key, _DOT.split(name)) if piece]
    words = without_honorifics(key(name).split())
    while len(words) > 1 and words[-1] in _AFTER:
        words = words[:-1]
    return words


def compatible(one: Sequence[str], other: Sequence[str]) -> bool:
    """Whether two names of two words or more may be one person's: the same last word, and the first and the middle ones
    of the shorter among the longer's, where an initial is any word that begins so."""
    short, long = sorted((one, other), key=len)
    if short[-1] != long[-1] or not _same(short[0], long[0]):
        return False
    rest = iter(long[1:-1])
    return all(any(_same(word, there) for there in rest) for word in short[1:-1])


def likeness(one: Sequence[str], other: Sequence[str]) -> int:
    """How like two `compatible` names are: 2 where they differ by initials alone, 1 by middle names, 0 where an initial
    stands for a first name and others for nothing ("M. G. M. Pryor" and "Mark Pryor")."""
    if len(one) == len(other):
        return 2
    return int(one[0] == other[0])


def plain(words: Sequence[str]) -> bool:
    """Whether a name is a first name, others and a last name, without numbers and titles ("Louis XV", "Earl of Stafford")."""
    return words[-1] != "i" and _ODD.isdisjoint(words) and not any(word[0].isdigit() for word in words)


def _same(one: str, other: str) -> bool:
    return one == other or (1 in (len(one), len(other)) and one[0] == other[0] and not is_cjk(one))
