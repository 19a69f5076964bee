"""What ``relations.toml`` says: predicates with their words, and patterns over characters that stand for names.

A pattern does not see names but marks, one private-use character each, from one range for dates, one for peoples and
one for all else; two more stand for the document's own subject and for its possessive.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from graphs.vocabulary import Predicate, Vocabulary

SUBJECT, POSSESSIVE = "\uf8fe", "\uf8ff"
DATES, GROUPS, NAMES, ROOM = 0xE000, 0xE400, 0xE800, 0x400
"""Where each range of marks begins, and how many marks it holds."""
MARK = re.compile("[\ue000-\uebff]")
PRIVATE = re.compile("[\ue000-\uf8ff]")
_D, _G, _N = "[\ue000-\ue3ff]", "[\ue400-\ue7ff]", "[\ue800-\uebff]"
_MACROS = {
    "{D}": _D,
    "{G}": _G,
    "{N}": _N,
    "{Ns}": f"{_N}(?:(?:, and |, | and | & | ?[、和与及] ?){_N})*",
    "{S}": f"(?P<s>{SUBJECT}|{_N})",
    "{T}": f"(?:{POSSESSIVE}|(?P<s>{_N})'s)",
    "{d}": f"(?:(?:[^\\W\\d_][\\w'.-]*,?|{_G}|{_D}) ){{0,6}}?",
    "{SUBJECT}": SUBJECT,
    "{his}": f"(?:his|her|their|{POSSESSIVE})",
    "{skip}": "[^.;:()\ue400-\uf8ff]",
    "{job}": "(?:家|员|人|者|师|手|授|长|生|士|将|演)",
}


@dataclass(frozen=True, slots=True)
class Pattern:
    """One way to say facts: a regular expression whose groups are named for predicates.

    A group ``p`` gives (subject, p, what it holds); a group ``p_of`` gives (what it holds, p, subject). ``example``
    is (title, sentence with names in square brackets, the facts it gives).
    """

    find: re.Pattern[str]
    lang: str
    confidence: float
    example: tuple[str, ...]


@lru_cache(maxsize=1)
def _data() -> dict[str, Any]:
    return tomllib.loads((Path(__file__).parent / "relations.toml").read_text("utf-8"))


def alternatives(name: str) -> str:
    """A list of words as a regular expression has it between its bars."""
    return "".join(_data()["words"][name])


def word_pattern(name: str) -> re.Pattern[str]:
    """A list of words as a regular expression that minds no case."""
    return re.compile(alternatives(name), re.IGNORECASE)


def word_set(name: str) -> frozenset[str]:
    """A list of words that are looked up whole."""
    return frozenset(" ".join(_data()["words"][name]).split())


@lru_cache(maxsize=1)
def vocabulary() -> Vocabulary:
    """The predicates, with the words that ask for them, and the countries that peoples' names stand for."""
    data = _data()
    predicates = {
        name: Predicate(
            name=name,
            meaning=fields["meaning"],
            inverse=fields.get("inverse", ""),
            symmetric=fields.get("symmetric", False),
            functional=fields.get("functional", False),
            value=fields.get("value", "NAME"),
            nouns=tuple(fields.get("nouns", ())),
            asks=tuple(fields.get("asks", ())),
            derived=tuple(tuple(chain) for chain in fields.get("derived", ())),
        )
        for name, fields in data["predicate"].items()
    }
    kin = {noun: tuple(chain) for noun, chain in data["kin"].items()}
    countries = {
        called: country
        for country, fields in data["countries"].items()
        for called in [country.lower(), *fields["people"], *fields["names"]]
    }
    peoples = frozenset(people for fields in data["countries"].values() for people in fields["people"])
    return Vocabulary(predicates, kin, countries, peoples)


@lru_cache(maxsize=1)
def patterns() -> tuple[Pattern, ...]:
    """All patterns, in the order of the file."""
    found = []
    for fields in _data()["pattern"]:
        source = fields["find"]
        for macro, expression in _MACROS.items():
            source = source.replace(macro, expression)
        found.append(
            Pattern(re.compile(source, re.IGNORECASE), fields["lang"], fields["confidence"], tuple(fields["example"]))
        )
    return tuple(found)
