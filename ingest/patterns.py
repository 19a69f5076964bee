"""What ``predicates.toml`` and ``patterns.toml`` say, and what a user adds: predicates with their words, patterns.

A pattern does not see names but marks, one private-use character each, from one range for dates, one for peoples and
one for all else; two more stand for the document's own subject and for its possessive.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from graphs.vocabulary import Predicate, Vocabulary
from kgrag.quantities import AMOUNT, COUNT

SUBJECT, POSSESSIVE = "\uf8fe", "\uf8ff"
DATES, GROUPS, NAMES, ROOM = 0xE000, 0xE400, 0xE800, 0x400
"""Where each range of marks begins, and how many marks it holds."""
MARK = re.compile("[\ue000-\uebff]")
PRIVATE = re.compile("[\ue000-\uf8ff]")
_D, _G, _N = "[\ue000-\ue3ff]", "[\ue400-\ue7ff]", "[\ue800-\uebff]"
_ABOUT = "about|approximately|around|over|nearly|some|roughly|almost|more than|an estimated|estimated at|up to|at least|just over|just under"
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
    "{Q}": f"(?:{AMOUNT})",
    "{C}": f"(?:{COUNT})",
    "{A}": f"(?:(?:{_ABOUT}) )?",
    "{约}": "(?:大约|约为|超过|达到|高达|总计|[约为达有是共近超])*",
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
    here = Path(__file__).parent
    return {
        k: v for n in ("predicates", "patterns") for k, v in tomllib.loads((here / f"{n}.toml").read_text()).items()
    }


def alternatives(name: str) -> str:
    """A list of words as a regular expression has it between its bars."""
    return "".join(_data()["words"][name])


def word_pattern(name: str) -> re.Pattern[str]:
    """A list of words as a regular expression that minds no case."""
    return re.compile(alternatives(name), re.IGNORECASE)


def word_set(name: str) -> frozenset[str]:
    """A list of words that are looked up whole."""
    return frozenset(" ".join(_data()["words"][name]).split())


@lru_cache(maxsize=8)
def vocabulary(extra: str = "") -> Vocabulary:
    """The predicates, with the words that ask for them, and the countries that peoples' names stand for.

    Args:
        extra: the text of a user's own predicates.toml, which `check` found good; "" for none.
    """
    data, own = _data(), tomllib.loads(extra)
    predicates = {name: _predicate(name, fields) for name, fields in data["predicate"].items()}
    for name, fields in own.get("predicate", {}).items():
        known = predicates.get(name)
        predicates[name] = _predicate(name, fields) if known is None else _extended(known, fields)
    kin = {noun: tuple(chain) for noun, chain in {**data["kin"], **own.get("kin", {})}.items()}
    countries = {
        called: country
        for country, fields in data["countries"].items()
        for called in [country.lower(), *fields["people"], *fields["names"]]
    }
    peoples = frozenset(people for fields in data["countries"].values() for people in fields["people"])
    parts = word_set("parts_of_countries") | {people.replace(" ", "_") for people in peoples}
    lands = {called: land for called, land in countries.items() if called.replace(" ", "_") not in parts}
    return Vocabulary(predicates, kin, countries, peoples, lands)


def _predicate(name: str, fields: Mapping[str, Any]) -> Predicate:
    lists: dict[str, Any] = {field: tuple(fields.get(field, ())) for field in ("nouns", "asks")}
    derived = tuple(tuple(chain) for chain in fields.get("derived", ()))
    plain = {
        field: fields[field] for field in ("inverse", "symmetric", "functional", "value", "unit") if field in fields
    }
    return Predicate(name=name, meaning=fields.get("meaning", ""), derived=derived, **lists, **plain)


def _extended(known: Predicate, fields: Mapping[str, Any]) -> Predicate:
    """A predicate with a user's words besides its own, and the user's word on what it is."""
    own = _predicate(known.name, fields)
    said: dict[str, Any] = {field: getattr(own, field) for field in fields if field not in ("nouns", "asks", "derived")}
    lists: dict[str, Any] = {
        field: (*getattr(known, field), *getattr(own, field)) for field in ("nouns", "asks", "derived")
    }
    return replace(known, **lists, **said)


@lru_cache(maxsize=8)
def patterns(extra: str = "") -> tuple[Pattern, ...]:
    """All patterns, in the order of the file, then those of ``extra`` (see `vocabulary`)."""
    return tuple(map(compiled, [*_data()["pattern"], *tomllib.loads(extra).get("pattern", ())]))


def compiled(fields: Mapping[str, Any]) -> Pattern:
    """A pattern as a file has it.

    Raises:
        KeyError: it has no ``find``.
        re.error: its ``find`` is no regular expression.
    """
    source = fields["find"]
    for macro, expression in _MACROS.items():
        source = source.replace(macro, expression)
    sure, example = fields.get("confidence", 0.8), tuple(fields.get("example", ()))
    return Pattern(re.compile(source, re.IGNORECASE), fields.get("lang", "en"), sure, example)
