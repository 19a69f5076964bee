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

from kgrag.retrieve.boosted_trees import TreeEnsemble
from kgrag.retrieve.sentence_features import CUE_WORDS_FILE, FEATURE_NAMES, HitSentence, sentence_features
from kgrag.types import Hit

TREES_FILE = "sentences.json"
PASSAGE_HEADER_TOKENS = 8
"""Tokens that the number and the title of a passage take."""


@dataclass(frozen=True)
class SelectedPassage:
    """A numbered passage of a prompt: ``spans`` are the sentences kept, as offsets into the document's text."""

    number: int
    hit: Hit
    spans: tuple[tuple[int, int], ...]

    @property
    def text(self) -> str:
        """The kept sentences, joined by spaces."""
        passage = self.hit.passage
        return " ".join(passage.text[start - passage.start : end - passage.start] for start, end in self.spans)


def select_evidence(
    question: str, hits: Sequence[Hit], budget: int, count: Callable[[str], int]
) -> tuple[list[SelectedPassage], list[str]]:
    """The sentences to show, and in words what was left out.

    The likelier a sentence is to tell what is asked (trees over `kgrag.retrieve.sentence_features`), and the fewer tokens it takes,
    the sooner it is chosen: by its probability over the square root of its tokens. The first is shown whatever it takes.

    Args:
        question: what is asked.
        hits: best first.
        budget: tokens, for all sentences together.
        count: tokens of a text.
    """
    hit_sentences, rows = sentence_features(question, hits)
    chosen = fit_to_budget(
        hit_sentences, score_sentences(rows), [count(sentence.text) for sentence in hit_sentences], budget
    )
    spans_by_hit: dict[int, list[tuple[int, int]]] = {}
    for number in chosen:
        spans_by_hit.setdefault(hit_sentences[number].hit_index, []).append(
            (hit_sentences[number].start, hit_sentences[number].end)
        )
    selected = [
        SelectedPassage(n, hits[place], tuple(sorted(spans_by_hit[place])))
        for n, place in enumerate(sorted(spans_by_hit), 1)
    ]
    omitted_counts = Counter(sentence.hit_index for sentence in hit_sentences)
    omitted_counts.subtract(hit_sentences[number].hit_index for number in chosen)
    dropped = [
        f"{number} sentence{'s' * (number > 1)} of {hits[place].title!r} left out of the prompt (budget of {budget} tokens)"
        for place, number in sorted(omitted_counts.items())
        if number
    ]
    return selected, dropped


def fit_to_budget(
    hit_sentences: Sequence[HitSentence], log_odds: Sequence[float], costs: Sequence[int], budget: int
) -> list[int]:
    """The numbers of the sentences to show, the likeliest for their length first.

    Args:
        found: the sentences.
        odds: of each, the log-odds that it tells what is asked.
        costs: of each, its tokens.
        budget: tokens, for all together; a passage's first sentence takes `HEADING` more.
    """
    values = [1 / (1 + math.exp(-o)) / math.sqrt(cost + 1) for o, cost in zip(log_odds, costs, strict=True)]
    chosen: list[int] = []
    opened_hits: set[int] = set()
    used_tokens = 0
    for number in sorted(range(len(hit_sentences)), key=lambda n: -values[n]):
        cost = costs[number] + (1 if hit_sentences[number].hit_index in opened_hits else PASSAGE_HEADER_TOKENS)
        if used_tokens + cost <= budget or not chosen:
            chosen.append(number)
            opened_hits.add(hit_sentences[number].hit_index)
            used_tokens += cost
    return chosen


def score_sentences(rows: NDArray[np.float32]) -> list[float]:
    """The log-odds that each sentence tells what is asked, from rows (sentences, features of `read_sentences`)."""
    return [float(odds) for odds in _sentence_ranker().score(FEATURE_NAMES, rows)] if len(rows) else []


@lru_cache(maxsize=1)
def selector_fingerprint() -> str:
    """What chooses, in a word: other trees or words have another, so that what they chose is not taken for today's choice."""
    data = files("kgrag") / "data"
    return hashlib.sha256((data / TREES_FILE).read_bytes() + (data / CUE_WORDS_FILE).read_bytes()).hexdigest()[:12]


@lru_cache(maxsize=1)
def _sentence_ranker() -> TreeEnsemble:
    return TreeEnsemble.load_builtin(TREES_FILE)
