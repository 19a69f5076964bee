"""The patterns and word lists of ``patterns.toml``, and the patterns that a user adds.

A pattern does not see names but marks, one private-use character each, from one range for dates, one for peoples and
one for all else; two more stand for the document's own subject and for its possessive.
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
"""Where each range of marks begins, and how many marks it holds."""
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
    """One way to say facts: a regular expression whose groups are named for predicates.

    A group ``p`` gives (subject, p, what it holds); a group ``p_of`` gives (what it holds, p, subject). ``example``
    is (title, sentence with names in square brackets, the facts it gives).
    """

    regex: re.Pattern[str]
    lang: str
    confidence: float
    example: tuple[str, ...]


@lru_cache(maxsize=1)
def _load_data() -> dict[str, Any]:
    return tomllib.loads((Path(__file__).parent / "patterns.toml").read_text("utf-8"))


def word_alternatives(name: str) -> str:
    """A list of words as a regular expression has it between its bars."""
    return "".join(_load_data()["words"][name])


def word_pattern(name: str) -> re.Pattern[str]:
    """A list of words as a regular expression that minds no case."""
    return re.compile(word_alternatives(name), re.IGNORECASE)


def word_set(name: str) -> frozenset[str]:
    """A list of words that are looked up whole."""
    return frozenset(" ".join(_load_data()["words"][name]).split())


@lru_cache(maxsize=8)
def load_patterns(user_predicates: str = "") -> tuple[RelationPattern, ...]:
    """All patterns, in the order of the file, then those of ``extra`` (see `vocabulary`)."""
    return tuple(map(compile_pattern, [*_load_data()["pattern"], *tomllib.loads(user_predicates).get("pattern", ())]))


def compile_pattern(fields: Mapping[str, Any]) -> RelationPattern:
    """A pattern as a file has it.

    Raises:
        KeyError: it has no ``find``.
        re.error: its ``find`` is no regular expression.
    """
    source = fields["find"]
    for macro, expression in _MACROS.items():
        source = source.replace(macro, expression)
    confidence, example = fields.get("confidence", 0.8), tuple(fields.get("example", ()))
    return RelationPattern(re.compile(source, re.IGNORECASE), fields.get("lang", "en"), confidence, example)
