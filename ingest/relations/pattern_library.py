"""Patterns and word lists of ``patterns.toml``, and patterns added by the user.

A pattern sees placeholders instead of names: one private-use character each, from separate ranges for dates, for
nationalities and groups, and for all other names. Two more stand for the document's subject and for its possessive.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from kgrag.text.quantities import AMOUNT_PATTERN, COUNT_PATTERN

SUBJECT, POSSESSIVE = "\uf8fe", "\uf8ff"
DATE_CHAR_BASE, GROUP_CHAR_BASE, NAME_CHAR_BASE, MAX_PLACEHOLDERS = 0xE000, 0xE400, 0xE800, 0x400
"""Start of each placeholder range, and the number of placeholders in a range."""
PLACEHOLDER_CHAR = re.compile("[\ue000-\uebff]")
PRIVATE_USE_CHARS = re.compile("[\ue000-\uf8ff]")
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
    "{Q}": f"(?:{AMOUNT_PATTERN})",
    "{C}": f"(?:{COUNT_PATTERN})",
    "{A}": f"(?:(?:{_ABOUT}) )?",
    "{约}": "(?:大约|约为|超过|达到|高达|总计|[约为达有是共近超])*",
    "{skip}": "[^.;:()\ue400-\uf8ff]",
    "{job}": "(?:家|员|人|者|师|手|授|长|生|士|将|演)",
}


@dataclass(frozen=True, slots=True)
class RelationPattern:
    """A regular expression whose groups are named after predicates.

    A group ``p`` gives the fact (subject, p, group); a group ``p_of`` gives (group, p, subject).

    Attributes:
        regex: the expression, over a sentence with placeholders.
        lang: ``"en"`` or ``"zh"``.
        confidence: confidence of its facts.
        example: title, sentence with names in square brackets, and the facts it gives.
    """

    regex: re.Pattern[str]
    lang: str
    confidence: float
    example: tuple[str, ...]


@lru_cache(maxsize=1)
def _load_data() -> dict[str, Any]:
    return tomllib.loads((Path(__file__).parent / "patterns.toml").read_text("utf-8"))


def word_alternatives(name: str) -> str:
    """Return a word list as the alternatives of a regular expression."""
    return "".join(_load_data()["words"][name])


def word_pattern(name: str) -> re.Pattern[str]:
    """Return a word list as a case-insensitive regular expression."""
    return re.compile(word_alternatives(name), re.IGNORECASE)


def word_set(name: str) -> frozenset[str]:
    """Return a word list as a set of whole words."""
    return frozenset(" ".join(_load_data()["words"][name]).split())


@lru_cache(maxsize=8)
def load_patterns(user_predicates: str = "") -> tuple[RelationPattern, ...]:
    """Return all patterns in file order, then those of ``user_predicates`` (see `load_predicate_schema`)."""
    return tuple(map(compile_pattern, [*_load_data()["pattern"], *tomllib.loads(user_predicates).get("pattern", ())]))


def compile_pattern(fields: Mapping[str, Any]) -> RelationPattern:
    """Compile a pattern from its fields in the file.

    Raises:
        KeyError: ``find`` is missing.
        re.error: ``find`` is not a valid regular expression.
    """
    source = fields["find"]
    for macro, expression in _MACROS.items():
        source = source.replace(macro, expression)
    confidence, example = fields.get("confidence", 0.8), tuple(fields.get("example", ()))
    return RelationPattern(re.compile(source, re.IGNORECASE), fields.get("lang", "en"), confidence, example)
