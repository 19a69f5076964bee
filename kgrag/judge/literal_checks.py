"""Literal checks: dates, amounts and names of a claim, and words that reverse a sentence's meaning.

A detail is *held* if the evidence has it in any notation. It is *contradicted* if the evidence lacks it and the
sentences closest to the claim have another value of its kind (a year for a year, metres for metres). Otherwise it is
*lacked*.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

from kgrag.judge.polarity_lexicon import load_word_lists
from kgrag.judge.tokenization import ClaimPair, StemmedSentence, StemmedWord
from kgrag.text import has_cjk
from kgrag.text.dates import MONTH_NUMBERS, normalize_date
from kgrag.text.quantities import AMOUNT_PATTERN, NUMBER_PATTERN, parse_quantity

MAX_CONTRADICTION_CHARS = 600
"""Characters of the evidence sentences that are searched for contradicting details."""
_MONTH = "|".join(sorted({m.capitalize() for m in MONTH_NUMBERS} | set(MONTH_NUMBERS), key=len, reverse=True))
_DATES = re.compile(
    rf"\b\d{{1,2}}(?:st|nd|rd|th)? (?:of )?(?:{_MONTH})\.?,? \d{{4}}\b|\b(?:{_MONTH})\.? \d{{1,2}}(?:st|nd|rd|th)?,? \d{{4}}\b"
    rf"|\b(?:{_MONTH}),? \d{{4}}\b|\b\d{{4}}-\d{{2}}-\d{{2}}\b|\d{{1,4}}年(?:\d{{1,2}}月)?(?:\d{{1,2}}[日号])?"
    r"|(?<![\w.,$£€¥-])(?:1[0-9]\d\d|20\d\d)(?![\w%]|,\d|\.\d)"
)
_DAY = re.compile(
    rf"\b(\d{{1,2}})(?:st|nd|rd|th)? (?:of )?({_MONTH})\b|\b({_MONTH})\.? (\d{{1,2}})(?:st|nd|rd|th)?\b|(\d{{1,2}})月(?:(\d{{1,2}})[日号])?"
)
_AMOUNTS = re.compile(f"{AMOUNT_PATTERN}|(?:{NUMBER_PATTERN})(?: (?:thousand|million|billion))?[万亿]?", re.IGNORECASE)
_QUOTED = re.compile(r"《([^《》]{1,60})》|「([^「」]{1,40})」|“([^“”]{1,40})”")
_DIGIT = re.compile(r"\d")
_WORD = re.compile(r"[a-z]+")
_LATIN = re.compile(r"[A-Za-z][A-Za-z0-9.&'+#-]*")
_DOTTED = re.compile("[\u4e00-\u9fff]{1,8}(?:[·・][\u4e00-\u9fffA-Za-z]{1,8})+")


class DetailKind(StrEnum):
    """Kind of a literal detail."""

    DATE = "date"
    AMOUNT = "amount"
    NAME = "name"


class Detail(NamedTuple):
    """A comparable detail of a text.

    ``value`` is a date in ISO form, a number, or a name's words; ``unit`` is the unit of an amount, "" if it has none.
    """

    kind: DetailKind
    value: str
    unit: str = ""


class DetailMatch(NamedTuple):
    """Number of a claim's details of one kind that the evidence holds, lacks and contradicts."""

    held: int
    lacked: int
    contradicted: int


def literal_details(sentence: StemmedSentence) -> list[Detail]:
    """Return the details of a sentence: dates and amounts, then names."""
    return [*_dates_and_amounts(sentence.text), *(Detail(DetailKind.NAME, name) for name in _names(sentence))]


@lru_cache(maxsize=4096)
def _dates_and_amounts(text: str) -> tuple[Detail, ...]:
    result = [Detail(DetailKind.AMOUNT, number) for number in _numerals_in_words(text)]
    if not _DIGIT.search(text):
        return tuple(result)
    taken_positions: set[int] = set()

    def take(start: int, end: int) -> bool:
        span = range(start, end)
        free = taken_positions.isdisjoint(span)
        taken_positions.update(span)
        return free

    for match in _DATES.finditer(text):
        if (iso_date := normalize_date(match.group().replace(".", ""))) and take(*match.span()):
            result.append(Detail(DetailKind.DATE, iso_date))
    for match in _DAY.finditer(text):
        if take(*match.span()):
            result.append(Detail(DetailKind.DATE, _yearless_date(match), "day"))
    for match in _AMOUNTS.finditer(text):
        amount = parse_quantity(match.group())
        if amount and take(*match.span()):
            result.append(Detail(DetailKind.AMOUNT, f"{amount.value:.6g}", amount.unit))
    return tuple(result)


def _numerals_in_words(text: str) -> list[str]:
    """Return the English number words as digits, except "one", which is rarely a count."""
    numerals = load_word_lists().numerals
    return [numerals[w] for w in _WORD.findall(text.lower()) if w in numerals and w != "one"]


def _yearless_date(match: re.Match[str]) -> str:
    """Return a date without its year in ISO form: "--06-23", "--06"."""
    d1, m1, m2, d2, month, day = match.groups()
    if month:
        return f"--{int(month):02d}" + (f"-{int(day):02d}" if day else "")
    return f"--{MONTH_NUMBERS[(m1 or m2).lower()]:02d}-{int(d1 or d2):02d}"


def _names(sentence: StemmedSentence) -> list[str]:
    """Return the names of a sentence: capitalised words in English; titles, dotted and Latin names in Chinese."""
    text = sentence.text
    if has_cjk(text):
        quoted = [next(filter(None, m.groups())) for m in _QUOTED.finditer(text)]
        return [
            *quoted,
            *(m.group() for m in _DOTTED.finditer(text)),
            *(m.group() for m in _LATIN.finditer(text) if len(m.group()) > 1),
        ]
    runs: list[list[StemmedWord]] = []
    last = -2
    for position, word in enumerate(sentence.words):
        is_capitalized = text[word.start : word.start + 1].isupper() and word.is_content and not word.folded.isdigit()
        before = text[: word.start].rstrip(" \"'“‘(`")
        if not is_capitalized or (word.folded in MONTH_NUMBERS):
            continue
        is_sentence_start = not before or before[-1] in ".!?:\n"
        if is_sentence_start and not _is_next_capitalized(sentence, position):
            continue
        if last == position - 1 and runs and not is_sentence_start:
            runs[-1].append(word)
        else:
            runs.append([word])
        last = position
    return [" ".join(w.stem for w in run) for run in runs]


def _is_next_capitalized(sentence: StemmedSentence, position: int) -> bool:
    following = sentence.words[position + 1 : position + 2]
    return bool(following) and sentence.text[following[0].start].isupper()


def match_details(pair: ClaimPair) -> dict[DetailKind, DetailMatch]:
    """Return how many of a claim's details the evidence holds, lacks and contradicts, by kind."""
    claimed = literal_details(pair.claim)
    if not claimed:
        return {kind: DetailMatch(0, 0, 0) for kind in DetailKind}
    evidence_details = [d for sentence in pair.evidence for d in literal_details(sentence)]
    window_details = [
        d
        for n in pair.window(MAX_CONTRADICTION_CHARS)
        if n < len(pair.evidence)
        for d in literal_details(pair.evidence[n])
    ]
    folded_evidence = " ".join(s.text for s in pair.evidence).casefold()
    stems = {w.stem for s in pair.evidence for w in s.words}
    counts = {kind: [0, 0, 0] for kind in DetailKind}
    claimed_set = set(claimed)
    for detail in claimed:
        if _is_in_evidence(detail, evidence_details, stems, folded_evidence):
            counts[detail.kind][0] += 1
        elif any(_is_rival(detail, other) for other in window_details if other not in claimed_set):
            counts[detail.kind][2] += 1
        else:
            counts[detail.kind][1] += 1
    return {kind: DetailMatch(*numbers) for kind, numbers in counts.items()}


def _is_in_evidence(detail: Detail, evidence_details: Sequence[Detail], stems: set[str], folded_evidence: str) -> bool:
    if detail.kind is DetailKind.NAME:
        return (
            detail.value.casefold() in folded_evidence
            if has_cjk(detail.value)
            else all(w in stems or w.casefold() in folded_evidence for w in detail.value.split())
        )
    same_kind = (other for other in evidence_details if other.kind is detail.kind)
    if detail.kind is DetailKind.DATE:
        # a full date holds a day without a year, and a day of a year holds the year
        tail = detail.value.removeprefix("-")
        return any(o.value.startswith(detail.value) or (detail.unit and tail in o.value) for o in same_kind) or (
            len(detail.value) == 4 and detail.value.lstrip("0") in stems
        )
    return any(_is_same_amount(detail, o) for o in same_kind) or detail.value in stems


def _is_same_amount(detail: Detail, other: Detail) -> bool:
    a, b = float(detail.value), float(other.value)
    return math.isclose(a, b, rel_tol=0.005) and (not detail.unit or not other.unit or detail.unit == other.unit)


def _is_rival(detail: Detail, other: Detail) -> bool:
    """Whether another detail contradicts this one: a value of the same kind, precision and unit."""
    if detail.kind is not other.kind or detail.kind is DetailKind.NAME:
        return False
    return detail.unit == other.unit and (detail.kind is DetailKind.AMOUNT or len(detail.value) == len(other.value))


def is_negated(sentence: StemmedSentence) -> bool:
    """Whether a sentence has a negation."""
    negations = load_word_lists().negations
    return any(w.folded in negations or w.folded.endswith("n't") for w in sentence.words)


def is_opposite(claim: StemmedSentence, other: StemmedSentence) -> int:
    """Return how many words of a claim have an opposite in another sentence that lacks the word itself."""
    opposites = load_word_lists().opposites
    if has_cjk(claim.text):
        return sum(
            w in claim.text
            and w not in other.text
            and any(o in other.text and o not in claim.text for o in opposites[w])
            for w in opposites
            if len(w) > 1 and has_cjk(w)
        )
    claim_words, other_words = ({w.folded for w in s.words} for s in (claim, other))
    return sum(bool((opposites[w] & other_words) - claim_words) for w in (claim_words - other_words) & opposites.keys())


class LiteralChecks(NamedTuple):
    """Detail matches, and whether the claim's best sentence states its opposite or negates it."""

    matches: Mapping[DetailKind, DetailMatch]
    is_reversed: bool

    @property
    def detail_count(self) -> int:
        """Return the number of the claim's details."""
        return sum(map(sum, self.matches.values()))

    @property
    def is_contradicted(self) -> bool:
        """Whether the evidence contradicts the claim."""
        return self.is_reversed or any(match.contradicted for match in self.matches.values())

    @property
    def score(self) -> float:
        """Return a score in [-1, 1]: the share of held details less that of contradicted ones; NaN without details."""
        if not self.detail_count:
            return -1.0 if self.is_reversed else math.nan
        held_count = sum(match.held for match in self.matches.values())
        contradicted_count = sum(match.contradicted for match in self.matches.values())
        return max(-1.0, (held_count - contradicted_count) / self.detail_count - self.is_reversed)

    @property
    def parts(self) -> dict[str, float]:
        """Return the non-zero counts by name, for reports."""
        counts = {
            f"{kind} {outcome}": float(count)
            for kind, match in self.matches.items()
            for outcome, count in match._asdict().items()
            if count
        }
        return {**counts, **({"turned": 1.0} if self.is_reversed else {})}


def run_literal_checks(pair: ClaimPair) -> LiteralChecks:
    """Run all literal checks of a claim."""
    best_sentence = pair.best_sentence
    is_reversed = best_sentence is not None and (
        is_negated(best_sentence) != is_negated(pair.claim) or is_opposite(pair.claim, best_sentence) > 0
    )
    return LiteralChecks(match_details(pair), is_reversed)
