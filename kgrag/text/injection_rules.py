"""Rules that recognise a command about an answer, read from ``kgrag/data/injections.toml``."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from importlib.resources import files
from typing import NamedTuple

from kgrag.text.disguised_text import fold_disguised_text
from kgrag.text.normalize import has_cjk

RULES_FILE = "injections.toml"
INSTANT_SIGN = "injection"
"""The sign of a rule whose match is an injection by itself."""

_WORD = re.compile(r"[a-z]+")
_COMMAND_START = re.compile(
    r"(?:^|[^\w\s'’-]|\s-|\b(?:please|kindly|just|simply|now|then|instead|first|immediately|always|never|only|also|must|should"
    r"|shall|(?:have|has|need|needs|are|is|required|ordered|instructed|supposed|want you|like you) to|you(?: will)?|do|system|assistant|ai|chatbot|bot|admin))\s*$"
)
_CONJUNCTION = re.compile(r"\b(?:and|or|but|so)\s+$")
_REPORT_ZH = re.compile(
    r"(?:不要|勿|别|让|使|令|叫|导致|诱导|要求|试图|攻击者|企图|可以|能够?|可能|会|用于|被|它|他们?|她|的)[^，,。：:“「『\"]{0,8}$"
)
_REPORT = re.compile(
    r"\b(?:to|can|could|may|might|would|which|who|that|it|he|she|they|users?|attackers?)\s+\w+[^.!?:]*$"
)


@dataclass(frozen=True)
class Rule:
    pattern: re.Pattern[str]
    triggers: int
    sign: str
    is_imperative: bool
    is_raw: bool

    def matches(self, folded: FoldedText) -> bool:
        """Whether the rule finds a match that begins where it has to."""
        if not self.is_imperative:
            return self.pattern.search(folded.raw if self.is_raw else folded.text) is not None
        return any(_begins_command(folded.text, match.start()) for match in self.pattern.finditer(folded.text))


class FoldedText(NamedTuple):
    """A folded piece of text, the piece as it was, and the triggers that it contains, as bits."""

    text: str
    raw: str
    triggers: int


@dataclass(frozen=True)
class RulePlan:
    """The rules that a text with certain triggers can match.

    ``instant``: those whose match is an injection; ``pairs``: those of two signs that make one together; ``leads`` and
    ``seconds``: those of a neighbour pair's first and second sign, by the number of the pair.
    """

    instant: list[Rule]
    pairs: list[tuple[list[Rule], list[Rule]]]
    leads: dict[int, list[Rule]]
    seconds: dict[int, list[Rule]]


class RuleSet:
    """The rules of the data file, with the triggers that a text needs before a rule is tried."""

    def __init__(self) -> None:
        data = tomllib.loads((files("kgrag.data") / RULES_FILE).read_text("utf-8"))
        self._pairs, self._neighbour_pairs = ([p.split() for p in data[key]] for key in ("pairs", "neighbour_pairs"))
        bits = {name: 1 << n for n, name in enumerate(name for group in data["triggers"].values() for name in group)}
        self.words: dict[str, int] = {}
        for name, words in data["triggers"]["words"].items():
            for word in words.split():
                self.words[word] = self.words.get(word, 0) | bits[name]
        self._parts = [(part, bits[name]) for name, text in data["triggers"]["parts"].items() for part in text.split()]
        self._rules = [
            Rule(
                re.compile(
                    re.sub(
                        r"\{([a-z_]+)\}", partial(_expand, data["words"].get(rule.get("lang", "en"), {})), rule["find"]
                    )
                ),
                sum(bits[name] for name in rule["needs"]),
                rule.get("sign", INSTANT_SIGN),
                rule.get("imperative", False),
                rule.get("raw", False),
            )
            for rule in data["rule"]
        ]
        self._plans: dict[int, RulePlan] = {}

    def fold(self, text: str) -> FoldedText:
        """Fold a text and collect its triggers."""
        folded = fold_disguised_text(text, self.words)
        triggers = 0
        known = self.words
        for word in _WORD.findall(folded):
            if word in known:
                triggers |= known[word]
        if not folded.isascii():
            for part, bit in self._parts:
                if part in folded:
                    triggers |= bit
        return FoldedText(folded, text, triggers)

    def plan(self, triggers: int) -> RulePlan:
        """Return the rules to try on a text with these triggers."""
        plan = self._plans.get(triggers)
        if plan is None:
            by_sign: dict[str, list[Rule]] = {}
            for rule in self._rules:
                if rule.triggers & triggers == rule.triggers:
                    by_sign.setdefault(rule.sign, []).append(rule)
            plan = self._plans[triggers] = RulePlan(
                by_sign.get(INSTANT_SIGN, []),
                [(by_sign[a], by_sign[b]) for a, b in self._pairs if a in by_sign and b in by_sign],
                {n: by_sign[a] for n, (a, _) in enumerate(self._neighbour_pairs) if a in by_sign},
                {n: by_sign[b] for n, (_, b) in enumerate(self._neighbour_pairs) if b in by_sign},
            )
        return plan


@lru_cache(maxsize=1)
def rule_set() -> RuleSet:
    return RuleSet()


def _expand(words: Mapping[str, str], match: re.Match[str]) -> str:
    return f"(?:{words[match[1]]})"


def _begins_command(text: str, position: int) -> bool:
    """Whether a verb at a position commands: it begins a clause, or follows an obligation or another command."""
    before = text[max(0, position - 60) : position]
    if has_cjk(before[-8:] + text[position : position + 1]):
        return not _REPORT_ZH.search(before)
    if not before.strip() or _COMMAND_START.search(before):
        return True
    return _CONJUNCTION.search(before) is not None and not _REPORT.search(before)
