"""Questions that set two things side by side: which was first, which is larger, whether both have the same."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise

from graphs.facts import Facts
from graphs.vocabulary import Vocabulary
from kgrag.dates import date
from kgrag.explore.conflicts import agree
from kgrag.quantities import quantity
from kgrag.reader.wording import Comparing, Wording, filled, plural
from kgrag.text import is_cjk, key, language
from kgrag.tune.questions.fact import Fact
from kgrag.tune.questions.made import COMPARISON, Made, digest, drawn, path_of

CLEAR = 1.2
"""The least ratio of two numbers of which one is called larger."""


def comparisons(facts: Sequence[Fact], store: Facts, known: Vocabulary, words: Wording, seed: int) -> Iterator[Made]:
    """Each fact beside another of its predicate, language and kind: each thing is in two comparisons at most, and for
    "the same" half of the pairs have the same as far as there are any."""
    for comparing in words.comparing:
        groups: defaultdict[tuple[str, str, str], list[Fact]] = defaultdict(list)
        for fact in facts:
            if fact.predicate == comparing.predicate:
                groups[fact.lang, fact.subject.sort, fact.subject.kind].append(fact)
        for (lang, _, kind), group in sorted(groups.items()):
            ordered = sorted(group, key=lambda f: digest(seed, comparing.predicate, f.subject.entity))
            for one, other in pairwise(ordered):
                made = _which(comparing, one, other, kind, seed)
                if made is not None:
                    yield made
            if comparing.same.get(lang):
                for one, other in _pairs(ordered, known):
                    made = _same(comparing, one, other, store, known, seed)
                    if made is not None:
                        yield made


def _pairs(ordered: Sequence[Fact], known: Vocabulary) -> Iterator[tuple[Fact, Fact]]:
    """Pairs with the same object, and as many with another."""
    alike: defaultdict[str, list[Fact]] = defaultdict(list)
    for fact in ordered:
        alike[_plain(fact, known)].append(fact)
    same = [pair for group in alike.values() for pair in zip(group[::2], group[1::2], strict=False)]
    others = [
        (one, other)
        for one, other in zip(ordered[::2], ordered[1::2], strict=False)
        if _plain(one, known) != _plain(other, known)
    ]
    number = max(min(len(same), len(others)), 1)
    yield from same[:number]
    yield from others[:number]


def _which(comparing: Comparing, one: Fact, other: Fact, kind: str, seed: int) -> Made | None:
    """Which of two has the earlier date or the smaller number; None where that is not clear, or they are of one name."""
    mine, its = _size(one), _size(other)
    if mine is None or its is None or key(one.subject.name) == key(other.subject.name):
        return None
    small, large = sorted((mine, its))
    dated = bool(date(one.answer)) and bool(date(other.answer))
    if small == large or (not dated and large < CLEAR * small):
        return None
    first = digest(seed, "side", one.subject.name, other.subject.name) % 2 == 0
    forms = (comparing.first if first else comparing.last).get(one.lang, ())
    form = drawn([f for f in forms if kind or "K" not in f], seed, "which", one.subject.name, other.subject.name)
    if not form:
        return None
    wins = one if (mine < its) == first else other
    text = filled(form, X=one.subject.described, Y=other.subject.described, K=kind)
    return _made(text, wins.subject.name, one, other, comparing.predicate + (" first" if first else " last"))


def _same(comparing: Comparing, one: Fact, other: Fact, store: Facts, known: Vocabulary, seed: int) -> Made | None:
    """Whether two have the same; None where the one may be the other, or a part of it."""
    equal = _plain(one, known) == _plain(other, known)
    if key(one.subject.name) == key(other.subject.name):
        return None
    decided = date(one.answer) or one.answer.lower() in known.countries
    if not equal and not decided and agree(store, known, one.triple.object, other.triple.object):
        return None
    answers = ("是", "否") if one.lang == "zh" else ("yes", "no")
    kind = one.subject.kind
    bare = all(f.subject.described == f.subject.name for f in (one, other))
    forms = [f for f in comparing.same[one.lang] if (kind and bare) or "Ks" not in f]
    form = drawn(forms, seed, "same", one.subject.name, other.subject.name)
    if not form:
        return None
    text = filled(form, X=one.subject.described, Y=other.subject.described, Ks=plural(kind))
    return _made(text, answers[not equal], one, other, f"{comparing.predicate} {'same' if equal else 'other'}")


def _made(text: str, answer: str, one: Fact, other: Fact, asks: str) -> Made | None:
    joined = re.search(r" (?:or|and) |和", f"{one.subject.name} | {other.subject.name}")
    if language(text) != one.lang or one.document == other.document or joined:
        return None  # of "A or B or C" nobody knows which two are meant
    return Made(text, answer, COMPARISON, one.lang, (one, other), path_of(one), asks, (path_of(other),))


def _size(fact: Fact) -> float | None:
    """The year of a date, or a quantity in its base unit; None of anything else. Dates of one year are not set side by
    side: one of them may be less exact."""
    if day := date(fact.answer):
        return float(day[:4])
    size = quantity(fact.answer)
    return None if size is None else float(size.value)


def _plain(fact: Fact, known: Vocabulary) -> str:
    """What is equal where two things have the same: a country for its people, of a date the year."""
    if day := date(fact.answer):
        return day[:4]
    name = fact.answer.lower()
    return known.countries.get(name, name if is_cjk(name) else fact.triple.object).lower()
