"""A claim and its evidence as every tier reads them: sentences of words, and which sentences a claim is about."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

from kgrag.judge.words import words
from kgrag.text import STOPCHARS, STOPWORDS, is_cjk, language, sentences, tokens

BEGINNING = 5
"""Letters that two words share at their beginnings if they are taken for alike."""
LONGEST = 400
"""Characters of a sentence; longer ones (lists, tables, text without stops) are cut at white space."""


@dataclass(frozen=True, slots=True)
class Word:
    """A token: as it is compared (stemmed; a numeral in digits), as it was folded, where it stands, if it has content."""

    stem: str
    folded: str
    start: int
    end: int
    content: bool


@dataclass(frozen=True)
class Sentence:
    """``text`` and its words; ``number`` counts the sentences of all evidence, ``source`` is the text it stands in."""

    text: str
    words: tuple[Word, ...]
    number: int = 0
    source: int = 0

    @cached_property
    def stems(self) -> frozenset[str]:
        """Of the words with content."""
        return frozenset(w.stem for w in self.words if w.content)


@dataclass(frozen=True)
class Reading:
    """A claim and the sentences of its evidence. ``lang`` is the claim's."""

    claim: Sentence
    evidence: tuple[Sentence, ...]
    lang: str

    @cached_property
    def where(self) -> dict[str, list[int]]:
        """stem -> numbers of the sentences that have it, without repetition."""
        found: dict[str, list[int]] = {}
        for sentence in self.evidence:
            for stem in sentence.stems:
                found.setdefault(stem, []).append(sentence.number)
        return found

    @cached_property
    def weights(self) -> dict[str, float]:
        """stem -> inverse document frequency over the sentences of this evidence, for each word of the claim with content."""
        count = len(self.evidence)
        return {s: math.log1p(count / (0.5 + len(self.where.get(s, ())))) for s in self.claim.stems}

    def covered(self, numbers: Sequence[int], *, weighted: bool = True) -> float:
        """The share in [0, 1] of the claim's content that some sentences have; NaN if it has none."""
        held = frozenset[str]().union(*(self.evidence[n].stems for n in numbers))
        total = sum(self.weights[s] if weighted else 1.0 for s in self.claim.stems)
        return (
            sum((self.weights[s] if weighted else 1.0) for s in self.claim.stems & held) / total if total else math.nan
        )

    @cached_property
    def alike(self) -> frozenset[str]:
        """The stems of the claim that the evidence lacks, but for a word that begins so (Canada, Canadian)."""
        missing = [s for s in self.claim.stems if s not in self.where and len(s) >= BEGINNING and not is_cjk(s)]
        begins = {s[:BEGINNING] for s in self.where} if missing else set()
        return frozenset(s for s in missing if s[:BEGINNING] in begins)

    @cached_property
    def ranked(self) -> list[int]:
        """Sentences by what each adds to those before it, until nothing is added."""
        missing, chosen = set(self.claim.stems), list[int]()
        while missing:
            gains: dict[int, float] = {}
            for stem in sorted(missing):
                for number in self.where.get(stem, ()):
                    gains[number] = gains.get(number, 0.0) + self.weights[stem]
            if not gains:
                break
            best = min(gains, key=lambda n: (-round(gains[n], 9), n))
            chosen.append(best)
            missing -= self.evidence[best].stems
        return chosen

    @property
    def best(self) -> Sentence | None:
        """The sentence that has most of the claim; None if none has any of it."""
        return self.evidence[self.ranked[0]] if self.ranked else None

    @property
    def scored(self) -> bool:
        """Whether there is something to compare: a word in the claim, and one in the evidence."""
        return bool(self.claim.words) and any(s.words for s in self.evidence)

    def window(self, budget: int) -> list[int]:
        """Sentences to be read with the claim, in order: those `ranked`, then what stands before each, then after it.

        Args:
            budget: characters in all; the first sentence is taken whatever it has.
        """
        first = self.ranked or [0]
        beside = [n - 1 for n in first] + [n + 1 for n in first]
        taken: list[int] = []
        left = budget
        for number in [*first, *beside]:
            if not 0 <= number < len(self.evidence) or number in taken:
                continue
            size = len(self.evidence[number].text)
            if taken and size > left:
                continue
            taken.append(number)
            left -= size
        return sorted(taken)


def read(claim: str, evidence: Sequence[str]) -> Reading:
    """A claim and its evidence in sentences of words; both may be empty."""
    sentences_ = [piece for number, text in enumerate(evidence) for piece in _pieces(text, number)]
    numbered = tuple(Sentence(text, _words(text), number, source) for number, (text, source) in enumerate(sentences_))
    return Reading(Sentence(claim, _words(claim)), numbered, language(claim))


def _pieces(text: str, source: int) -> list[tuple[str, int]]:
    found = []
    for start, end in sentences(text):
        while end - start > LONGEST:
            cut = text.rfind(" ", start + LONGEST // 2, start + LONGEST)
            cut = cut if cut > 0 else start + LONGEST
            found.append((text[start:cut].strip(), source))
            start = cut
        found.append((text[start:end].strip(), source))
    return [(piece, number) for piece, number in found if piece]


@lru_cache(maxsize=4096)
def _words(text: str) -> tuple[Word, ...]:
    numbers, same = words().numbers, words().same
    return tuple(
        Word(
            numbers.get(t.text) or (t.text if is_cjk(t.text) else _stem(same.get(t.text, t.text))),
            t.text,
            t.start,
            t.end,
            t.text not in STOPWORDS and t.text not in STOPCHARS,
        )
        for t in tokens(text)
    )


@lru_cache(maxsize=100_000)
def _stem(word: str) -> str:
    return str(_stemmer().stemWord(word))


@lru_cache(maxsize=1)
def _stemmer() -> Any:
    import Stemmer

    return Stemmer.Stemmer("english")


def stated(question: str, answer: str) -> str:
    """A question and its answer as one claim: in Chinese, where one word asks, the answer in its place; else both."""
    if language(question) == "zh":
        for ask in words().asks:
            if question.count(ask) == 1:
                return question.replace(ask, answer).rstrip("？?。 ") + "。"
    return f"{question.strip()} {answer.strip()}"
