"""Select the sentences of the retrieved passages that fit into the prompt's token budget."""

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
"""Tokens of a passage's number and title in the prompt."""


@dataclass(frozen=True)
class SelectedPassage:
    """A numbered passage of a prompt; ``spans`` are the selected sentences, as offsets into the document's text."""

    number: int
    hit: Hit
    spans: tuple[tuple[int, int], ...]

    @property
    def text(self) -> str:
        """The selected sentences, joined by spaces."""
        passage = self.hit.passage
        return " ".join(passage.text[start - passage.start : end - passage.start] for start, end in self.spans)


def select_evidence(
    question: str, hits: Sequence[Hit], budget: int, count: Callable[[str], int]
) -> tuple[list[SelectedPassage], list[str]]:
    """Select sentences for the prompt; return them by passage, with a message for each passage that was cut.

    Sentences are chosen in order of probability / sqrt(tokens). The probability that a sentence answers the question
    comes from boosted trees over `kgrag.retrieve.sentence_features`. The first sentence is always included.

    Args:
        question: the user's question.
        hits: retrieved passages, best first.
        budget: tokens for all sentences together.
        count: returns the number of tokens of a text.
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
    """Return the indices of the sentences to show, ordered by value per token.

    Args:
        hit_sentences: the candidate sentences.
        log_odds: for each sentence, the log-odds that it answers the question.
        costs: for each sentence, its tokens.
        budget: tokens for all sentences together; a passage's first sentence costs `PASSAGE_HEADER_TOKENS` more.
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
    """Return the log-odds that each sentence answers the question.

    Args:
        rows: features of shape (sentences, features), as returned by `sentence_features`.
    """
    return [float(odds) for odds in _sentence_ranker().score(FEATURE_NAMES, rows)] if len(rows) else []


@lru_cache(maxsize=1)
def selector_fingerprint() -> str:
    """Return a hash of the trees and cue words, so that caches do not mix selections of different versions."""
    data = files("kgrag") / "data"
    return hashlib.sha256((data / TREES_FILE).read_bytes() + (data / CUE_WORDS_FILE).read_bytes()).hexdigest()[:12]


@lru_cache(maxsize=1)
def _sentence_ranker() -> TreeEnsemble:
    return TreeEnsemble.load_builtin(TREES_FILE)
