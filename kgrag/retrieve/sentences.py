"""What is known of each sentence of the passages found, relative to the question: `kgrag.evidence` shows the best by it.

Nothing rests on the scale of the passages' scores, so that sentences are judged alike whoever found the passages.
"""

from __future__ import annotations

import math
import re
import tomllib
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from importlib.resources import files
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from indices.bm25 import search_tokens
from kgrag.text import is_cjk, key, sentences, simplified, unbracketed
from kgrag.types import Hit

WORDS = "telling_words.toml"
ASKS = ("where", "when", "who", "whether")
NAMES = (
    *(
        "place",
        "likely",
        "order",
        "of",
        "words",
        "free words",
        "names another",
        "named by another",
        "tells",
        "has a year",
    ),
    *(f"asks {kind}" for kind in ASKS),
)
"""The features, in the order of their columns."""
_YEAR = re.compile(r"(?<!\d)(?:1\d|20)\d\d(?!\d)|年")
MOST = 0.6
"""A title that has this share of its words in the question is one that the question names."""


class Sentence(NamedTuple):
    """A sentence of the hit at ``place`` (0 is the best); ``start`` and ``end`` are offsets into its document's text."""

    place: int
    start: int
    end: int
    text: str


class _Words(NamedTuple):
    """``tells``: a stem, or a Chinese word as `kgrag.text.key` has it -> the groups that it is in."""

    tells: dict[str, frozenset[int]]
    chinese: tuple[str, ...]
    ask: tuple[re.Pattern[str], ...]


def read_sentences(question: str, hits: Sequence[Hit]) -> tuple[list[Sentence], NDArray[np.float32]]:
    """The sentences of some hits, best hit first, and what is known of them, of shape (sentences, `NAMES`).

    A heading that only repeats its document's title is none.

    Args:
        question: what is asked; only its words count.
        hits: best first.
    """
    found: list[Sentence] = []
    order: list[int] = []
    for place, hit in enumerate(hits):
        for number, (start, end) in enumerate(sentences(hit.passage.text)):
            text = hit.passage.text[start:end]
            if text.lstrip("# ").strip() != hit.title:
                found.append(Sentence(place, start + hit.passage.start, end + hit.passage.start, text))
                order.append(number)
    if not found:
        return [], np.zeros((0, len(NAMES)), np.float32)
    best = max(hit.score for hit in hits)
    likely = [hit.score / best if best > 0 else 1.0 for hit in hits]
    several = Counter(sentence.place for sentence in found)
    said = [{*search_tokens(sentence.text)} for sentence in found]
    words = _weights(question, hits, found, said)
    free = _free(words, hits)
    names, named = _names(found, hits, likely)
    asked = _groups(question, {*search_tokens(question)})
    plain = simplified(question)
    kinds = [float(bool(ask.search(plain))) for ask in _words().ask]
    rows = []
    for number, sentence in enumerate(found):
        rows.append(
            (
                sentence.place,
                likely[sentence.place],
                order[number],
                several[sentence.place],
                sum(weight for word, weight in words.items() if word in said[number]),
                sum(words[word] for word in free if word in said[number]),
                names[number],
                named[sentence.place],
                len(asked & _groups(sentence.text, said[number])) / max(len(asked), 1),
                bool(_YEAR.search(sentence.text)),
                *kinds,
            )
        )
    return found, np.array(rows, np.float32)


def _weights(
    question: str, hits: Sequence[Hit], found: Sequence[Sentence], said: Sequence[set[str]]
) -> dict[str, float]:
    """The words of a question, each with how rare it is among the hits."""
    known = [{*search_tokens(hit.title)} for hit in hits]
    for sentence, words in zip(found, said, strict=True):
        known[sentence.place] |= words
    asked = dict.fromkeys(search_tokens(question))
    return {word: math.log((len(hits) + 1) / (sum(word in k for k in known) + 0.5)) for word in asked}


def _free(words: dict[str, float], hits: Sequence[Hit]) -> set[str]:
    """The words of a question that are not in the title of a hit that it names."""
    named: set[str] = set()
    for hit in hits:
        title = {*search_tokens(hit.title)}
        if title and len(title & words.keys()) >= max(1, MOST * len(title)):
            named |= title
    return words.keys() - named


def _names(
    found: Sequence[Sentence], hits: Sequence[Hit], likely: Sequence[float]
) -> tuple[list[float], dict[int, float]]:
    """How likely what each sentence names is, and, for each hit, the likeliest passage that names it: that of other hits
    with other titles; 0 where there is none."""
    titles = [key(unbracketed(hit.title)) for hit in hits]
    names, named = [0.0] * len(found), dict.fromkeys(range(len(hits)), 0.0)
    for number, sentence in enumerate(found):
        said = f" {key(sentence.text)} "
        for place, title in enumerate(titles):
            if title and title != titles[sentence.place] and f" {title} " in said:
                names[number] = max(names[number], likely[place])
                named[place] = max(named[place], likely[sentence.place])
    return names, named


def tells(question: str, sentence: str) -> bool:
    """Whether a sentence has a word that tells what the words of a question ask for; true where the question has none that
    is known to ask for anything.

    Args:
        question: without the name that it is about, which may have such a word itself.
        sentence: as it is.
    """
    asked = _groups(question, {*search_tokens(question)})
    return not asked or bool(asked & _groups(sentence, {*search_tokens(sentence)}))


def _groups(text: str, said: set[str]) -> frozenset[int]:
    """Which of the groups of words that tell the same a text has one of; ``said`` are its words."""
    words = _words()
    found = [words.tells[word] for word in said if word in words.tells]
    if is_cjk(text):
        whole = f" {key(text)} "
        found += [words.tells[word] for word in words.chinese if f" {word} " in whole]
    return frozenset[int]().union(*found)


@lru_cache(maxsize=1)
def _words() -> _Words:
    data = tomllib.loads((files("kgrag") / "data" / WORDS).read_text("utf-8"))
    tells: dict[str, set[int]] = {}
    chinese = [key(word) for group in data["tell"] for word in group["zh"].split()]
    for number, group in enumerate(data["tell"]):
        for word in (*search_tokens(group["en"]), *map(key, group["zh"].split())):
            tells.setdefault(word, set()).add(number)
    return _Words(
        {word: frozenset(groups) for word, groups in tells.items()},
        tuple(chinese),
        tuple(re.compile(data["ask"][kind], re.IGNORECASE) for kind in ASKS),
    )
