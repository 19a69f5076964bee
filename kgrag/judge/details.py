"""What can be checked to the letter: dates, quantities and names of a claim, and what turns a sentence round.

A detail is *held* if the evidence has it, however it is written; it is *contradicted* if the evidence lacks it and the
sentences that the claim is about have another of its kind (a year for a year, metres for metres); else it is *lacked*.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

from kgrag.dates import MONTHS, date
from kgrag.judge.reading import Reading, Sentence, Word
from kgrag.judge.words import words
from kgrag.quantities import AMOUNT, NUMBER, quantity
from kgrag.text import is_cjk

ABOUT = 600
"""Characters of the sentences that a claim is held against for contradiction."""
_MONTH = "|".join(sorted({m.capitalize() for m in MONTHS} | set(MONTHS), key=len, reverse=True))
_DATES = re.compile(
    rf"\b\d{{1,2}}(?:st|nd|rd|th)? (?:of )?(?:{_MONTH})\.?,? \d{{4}}\b|\b(?:{_MONTH})\.? \d{{1,2}}(?:st|nd|rd|th)?,? \d{{4}}\b"
    rf"|\b(?:{_MONTH}),? \d{{4}}\b|\b\d{{4}}-\d{{2}}-\d{{2}}\b|\d{{1,4}}年(?:\d{{1,2}}月)?(?:\d{{1,2}}[日号])?"
    r"|(?<![\w.,$£€¥-])(?:1[0-9]\d\d|20\d\d)(?![\w%]|,\d|\.\d)"
)
_DAY = re.compile(
    rf"\b(\d{{1,2}})(?:st|nd|rd|th)? (?:of )?({_MONTH})\b|\b({_MONTH})\.? (\d{{1,2}})(?:st|nd|rd|th)?\b|(\d{{1,2}})月(?:(\d{{1,2}})[日号])?"
)
_AMOUNTS = re.compile(f"{AMOUNT}|(?:{NUMBER})(?: (?:thousand|million|billion))?[万亿]?", re.IGNORECASE)
_QUOTED = re.compile(r"《([^《》]{1,60})》|「([^「」]{1,40})」|“([^“”]{1,40})”")
_DIGIT = re.compile(r"\d")
_WORD = re.compile(r"[a-z]+")
_LATIN = re.compile(r"[A-Za-z][A-Za-z0-9.&'+#-]*")
_DOTTED = re.compile("[\u4e00-\u9fff]{1,8}(?:[·・][\u4e00-\u9fffA-Za-z]{1,8})+")


class Kind(StrEnum):
    """What a detail is."""

    DATE = "date"
    AMOUNT = "amount"
    NAME = "name"


class Detail(NamedTuple):
    """Something of a text that can be compared: ``value`` is a date in ISO form, a number, or a name's words; ``unit``
    is what is counted, "" where nobody says."""

    kind: Kind
    value: str
    unit: str = ""


class Found(NamedTuple):
    """How many details of one kind a claim has, and how many of them the evidence lacks or contradicts."""

    held: int
    lacked: int
    contradicted: int


def details(sentence: Sentence) -> list[Detail]:
    """The details of a sentence: dates, then amounts, then names."""
    return [*_values(sentence.text), *(Detail(Kind.NAME, name) for name in _names(sentence))]


@lru_cache(maxsize=4096)
def _values(text: str) -> tuple[Detail, ...]:
    found = [Detail(Kind.AMOUNT, number) for number in _numerals(text)]
    if not _DIGIT.search(text):
        return tuple(found)
    taken: set[int] = set()

    def take(start: int, end: int) -> bool:
        span = range(start, end)
        free = taken.isdisjoint(span)
        taken.update(span)
        return free

    for match in _DATES.finditer(text):
        if (said := date(match.group().replace(".", ""))) and take(*match.span()):
            found.append(Detail(Kind.DATE, said))
    for match in _DAY.finditer(text):
        if take(*match.span()):
            found.append(Detail(Kind.DATE, _day(match), "day"))
    for match in _AMOUNTS.finditer(text):
        whole = quantity(match.group())
        if whole and take(*match.span()):
            found.append(Detail(Kind.AMOUNT, f"{whole.value:.6g}", whole.unit))
    return tuple(found)


def _numerals(text: str) -> list[str]:
    """English numerals in words, in digits; not "one", which mostly counts nothing."""
    known = words().numbers
    return [known[w] for w in _WORD.findall(text.lower()) if w in known and w != "one"]


def _day(match: re.Match[str]) -> str:
    """A day or a month without its year: "--06-23", "--06"."""
    d1, m1, m2, d2, month, day = match.groups()
    if month:
        return f"--{int(month):02d}" + (f"-{int(day):02d}" if day else "")
    return f"--{MONTHS[(m1 or m2).lower()]:02d}-{int(d1 or d2):02d}"


def _names(sentence: Sentence) -> list[str]:
    """Names by how they are written: words with a capital inside a sentence; titles, dotted and Latin names in Chinese."""
    text = sentence.text
    if is_cjk(text):
        quoted = [next(filter(None, m.groups())) for m in _QUOTED.finditer(text)]
        return [
            *quoted,
            *(m.group() for m in _DOTTED.finditer(text)),
            *(m.group() for m in _LATIN.finditer(text) if len(m.group()) > 1),
        ]
    found: list[list[Word]] = []
    last = -2
    for place, word in enumerate(sentence.words):
        capital = text[word.start : word.start + 1].isupper() and word.content and not word.folded.isdigit()
        before = text[: word.start].rstrip(" \"'“‘(`")
        if not capital or (word.folded in MONTHS):
            continue
        opens = not before or before[-1] in ".!?:\n"
        if opens and not _capital_next(sentence, place):
            continue
        if last == place - 1 and found and not opens:
            found[-1].append(word)
        else:
            found.append([word])
        last = place
    return [" ".join(w.stem for w in run) for run in found]


def _capital_next(sentence: Sentence, place: int) -> bool:
    following = sentence.words[place + 1 : place + 2]
    return bool(following) and sentence.text[following[0].start].isupper()


def check(reading: Reading) -> dict[Kind, Found]:
    """What the evidence holds, lacks and contradicts of a claim's details, by kind."""
    claimed = details(reading.claim)
    if not claimed:
        return {kind: Found(0, 0, 0) for kind in Kind}
    everything = [d for sentence in reading.evidence for d in details(sentence)]
    beside = [d for n in reading.window(ABOUT) if n < len(reading.evidence) for d in details(reading.evidence[n])]
    folded = " ".join(s.text for s in reading.evidence).casefold()
    stems = {w.stem for s in reading.evidence for w in s.words}
    counts = {kind: [0, 0, 0] for kind in Kind}
    mine = set(claimed)
    for one in claimed:
        if _held(one, everything, stems, folded):
            counts[one.kind][0] += 1
        elif any(_rival(one, other) for other in beside if other not in mine):
            counts[one.kind][2] += 1
        else:
            counts[one.kind][1] += 1
    return {kind: Found(*numbers) for kind, numbers in counts.items()}


def _held(one: Detail, everything: Sequence[Detail], stems: set[str], folded: str) -> bool:
    if one.kind is Kind.NAME:
        return (
            one.value.casefold() in folded
            if is_cjk(one.value)
            else all(w in stems or w.casefold() in folded for w in one.value.split())
        )
    same = (other for other in everything if other.kind is one.kind)
    if one.kind is Kind.DATE:
        # a day without a year is held by the whole date, a year by a day of it
        tail = one.value.removeprefix("-")
        return any(o.value.startswith(one.value) or (one.unit and tail in o.value) for o in same) or (
            len(one.value) == 4 and one.value.lstrip("0") in stems
        )
    return any(_equal(one, o) for o in same) or one.value in stems


def _equal(one: Detail, other: Detail) -> bool:
    a, b = float(one.value), float(other.value)
    return math.isclose(a, b, rel_tol=0.005) and (not one.unit or not other.unit or one.unit == other.unit)


def _rival(one: Detail, other: Detail) -> bool:
    """Whether another detail stands where this one would: of its kind, as exact, of its unit."""
    if one.kind is not other.kind or one.kind is Kind.NAME:
        return False
    return one.unit == other.unit and (one.kind is Kind.AMOUNT or len(one.value) == len(other.value))


def negated(sentence: Sentence) -> bool:
    """Whether a sentence says that something is not so."""
    negations = words().negations
    return any(w.folded in negations or w.folded.endswith("n't") for w in sentence.words)


def opposed(claim: Sentence, other: Sentence) -> int:
    """How many words of a claim another sentence has the opposite of, and not the word itself."""
    opposites = words().opposites
    if is_cjk(claim.text):
        return sum(
            w in claim.text
            and w not in other.text
            and any(o in other.text and o not in claim.text for o in opposites[w])
            for w in opposites
            if len(w) > 1 and is_cjk(w)
        )
    mine, theirs = ({w.folded for w in s.words} for s in (claim, other))
    return sum(bool((opposites[w] & theirs) - mine) for w in (mine - theirs) & opposites.keys())


class Checked(NamedTuple):
    """What `check` found, and whether the claim's best sentence says the opposite or denies what the claim says."""

    found: Mapping[Kind, Found]
    turned: bool

    @property
    def total(self) -> int:
        """How many details the claim has."""
        return sum(map(sum, self.found.values()))

    @property
    def contradicted(self) -> bool:
        """Whether the evidence says otherwise."""
        return self.turned or any(one.contradicted for one in self.found.values())

    @property
    def score(self) -> float:
        """In [-1, 1]: the share of details that are held, less the share that is contradicted; NaN without any detail."""
        if not self.total:
            return -1.0 if self.turned else math.nan
        held = sum(one.held for one in self.found.values())
        against = sum(one.contradicted for one in self.found.values())
        return max(-1.0, (held - against) / self.total - self.turned)

    @property
    def parts(self) -> dict[str, float]:
        """By name, for people."""
        named = {f"{kind} {part}": float(n) for kind, f in self.found.items() for part, n in f._asdict().items() if n}
        return {**named, **({"turned": 1.0} if self.turned else {})}


def checked(reading: Reading) -> Checked:
    """All that can be checked to the letter."""
    best = reading.best
    turned = best is not None and (negated(best) != negated(reading.claim) or opposed(reading.claim, best) > 0)
    return Checked(check(reading), turned)
