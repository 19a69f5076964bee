"""What the reader is shown: the sentences that matter, in the order they were ranked, within a budget of tokens."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from indices.bm25 import search_tokens
from kgrag.text import sentences
from kgrag.types import Hit


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

    A sentence counts for the rank of its passage, for the words it shares with the question (the rarer among the
    hits, the more), and for being the first of its passage, where a document says what it is about.

    Args:
        question: what is asked.
        hits: best first.
        budget: tokens, for all sentences together.
        count: tokens of a text.
    """
    asked = set(search_tokens(question))
    known = [set(search_tokens(f"{hit.title} {hit.passage.text}")) for hit in hits]
    weight = {word: math.log((len(hits) + 1) / (sum(word in k for k in known) + 0.5)) for word in asked}
    offers: list[tuple[float, int, int, int, int]] = []
    for place, hit in enumerate(hits):
        for order, (start, end) in enumerate(sentences(hit.passage.text)):
            text = hit.passage.text[start:end]
            if text.lstrip("# ").strip() == hit.title:
                continue
            shared = sum(weight[w] for w in asked & set(search_tokens(text)))
            value = shared + 2.0 / (1 + place) + (0.8 if order == 0 else 0.0) - 0.05 * order
            offset = hit.passage.start
            offers.append((-value, place, start + offset, end + offset, count(text) + (8 if order == 0 else 1)))
    kept: dict[int, list[tuple[int, int]]] = {}
    spent = 0
    left: dict[int, int] = {}
    for _, place, start, end, cost in sorted(offers):
        if spent + cost <= budget or not kept:
            kept.setdefault(place, []).append((start, end))
            spent += cost
        else:
            left[place] = left.get(place, 0) + 1
    shown = [Shown(n, hits[place], tuple(sorted(kept[place]))) for n, place in enumerate(sorted(kept), 1)]
    dropped = [
        f"{number} sentence{'s' * (number > 1)} of {hits[place].title!r} left out of the prompt (budget of {budget} tokens)"
        for place, number in sorted(left.items())
    ]
    return shown, dropped
