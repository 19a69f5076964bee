"""What the reader is shown: the sentences that matter, in the order they were ranked, within a budget of tokens."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from kgrag.retrieve.ranker import Ranker
from kgrag.retrieve.sentences import NAMES, WORDS, Sentence, read_sentences
from kgrag.types import Hit

TREES = "sentences.json"
HEADING = 8
"""Tokens that the number and the title of a passage take."""


@dataclass(frozen=True)
class Shown:
    """A numbered passage of a prompt: ``spans`` are the sentences kept, as offsets into the document's text."""

    number: int
    hit: Hit
    spans: tuple[tuple[int, int], ...]

    @property
    def text(self) -> str:
        """The kept sentences, joined by spaces."""
        passage = self.hit.passage
        return " ".join(passage.text[start - passage.start : end - passage.start] for start, end in self.spans)


def select(
    question: str, hits: Sequence[Hit], budget: int, count: Callable[[str], int]
) -> tuple[list[Shown], list[str]]:
    """The sentences to show, and in words what was left out.

    The likelier a sentence is to tell what is asked (trees over `kgrag.retrieve.sentences`), and the fewer tokens it takes,
    the sooner it is chosen: by its probability over the square root of its tokens. The first is shown whatever it takes.

    Args:
        question: what is asked.
        hits: best first.
        budget: tokens, for all sentences together.
        count: tokens of a text.
    """
    found, rows = read_sentences(question, hits)
    chosen = choose(found, scored(rows), [count(sentence.text) for sentence in found], budget)
    kept: dict[int, list[tuple[int, int]]] = {}
    for number in chosen:
        kept.setdefault(found[number].place, []).append((found[number].start, found[number].end))
    shown = [Shown(n, hits[place], tuple(sorted(kept[place]))) for n, place in enumerate(sorted(kept), 1)]
    left = Counter(sentence.place for sentence in found)
    left.subtract(found[number].place for number in chosen)
    dropped = [
        f"{number} sentence{'s' * (number > 1)} of {hits[place].title!r} left out of the prompt (budget of {budget} tokens)"
        for place, number in sorted(left.items())
        if number
    ]
    return shown, dropped


def choose(found: Sequence[Sentence], odds: Sequence[float], costs: Sequence[int], budget: int) -> list[int]:
    """The numbers of the sentences to show, the likeliest for their length first.

    Args:
        found: the sentences.
        odds: of each, the log-odds that it tells what is asked.
        costs: of each, its tokens.
        budget: tokens, for all together; a passage's first sentence takes `HEADING` more.
    """
    values = [1 / (1 + math.exp(-o)) / math.sqrt(cost + 1) for o, cost in zip(odds, costs, strict=True)]
    chosen: list[int] = []
    begun: set[int] = set()
    spent = 0
    for number in sorted(range(len(found)), key=lambda n: -values[n]):
        cost = costs[number] + (1 if found[number].place in begun else HEADING)
        if spent + cost <= budget or not chosen:
            chosen.append(number)
            begun.add(found[number].place)
            spent += cost
    return chosen


def scored(rows: NDArray[np.float32]) -> list[float]:
    """The log-odds that each sentence tells what is asked, from rows (sentences, features of `read_sentences`)."""
    return [float(odds) for odds in _trees().score(NAMES, rows)] if len(rows) else []


@lru_cache(maxsize=1)
def stamp() -> str:
    """What chooses, in a word: other trees or words have another, so that what they chose is not taken for today's choice."""
    data = files("kgrag") / "data"
    return hashlib.sha256((data / TREES).read_bytes() + (data / WORDS).read_bytes()).hexdigest()[:12]


@lru_cache(maxsize=1)
def _trees() -> Ranker:
    return Ranker.shipped(TREES)
