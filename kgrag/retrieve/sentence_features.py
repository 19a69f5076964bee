"""Compute features of the sentences in retrieved passages, from which the evidence is selected.

`kgrag.answering.stages.evidence_selection` uses them. No feature depends on the scale of the passages' scores, so the
same trees serve every retriever.
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

from indices.bm25_index import index_tokens
from kgrag.text import has_cjk, normalize_name, sentence_spans, strip_disambiguation, to_simplified
from kgrag.types import Hit

CUE_WORDS_FILE = "telling_words.toml"
QUESTION_TYPES = ("where", "when", "who", "whether")
FEATURE_NAMES = (
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
    *(f"asks {kind}" for kind in QUESTION_TYPES),
)
"""Names of the features, in column order."""
_YEAR = re.compile(r"(?<!\d)(?:1\d|20)\d\d(?!\d)|年")
TITLE_MATCH_SHARE = 0.6
"""Share of a title's words that the question must have to name that title."""


class HitSentence(NamedTuple):
    """A sentence of the hit at ``hit_index`` (0 is the best), with its offsets into the document's text."""

    hit_index: int
    start: int
    end: int
    text: str


class _CueWords(NamedTuple):
    """Words that ask for and state the same kind of information.

    ``groups_by_word``: a stem, or a normalized Chinese word -> the groups it belongs to.
    """

    groups_by_word: dict[str, frozenset[int]]
    chinese_words: tuple[str, ...]
    question_patterns: tuple[re.Pattern[str], ...]


def sentence_features(question: str, hits: Sequence[Hit]) -> tuple[list[HitSentence], NDArray[np.float32]]:
    """Return the sentences of some hits, best hit first, and their features of shape (sentences, `FEATURE_NAMES`).

    A heading that only repeats its document's title is skipped.

    Args:
        question: the user's question; only its words count.
        hits: best first.
    """
    hit_sentences: list[HitSentence] = []
    sentence_numbers: list[int] = []
    for place, hit in enumerate(hits):
        for number, (start, end) in enumerate(sentence_spans(hit.passage.text)):
            text = hit.passage.text[start:end]
            if text.lstrip("# ").strip() != hit.title:
                hit_sentences.append(HitSentence(place, start + hit.passage.start, end + hit.passage.start, text))
                sentence_numbers.append(number)
    if not hit_sentences:
        return [], np.zeros((0, len(FEATURE_NAMES)), np.float32)
    best = max(hit.score for hit in hits)
    hit_shares = [hit.score / best if best > 0 else 1.0 for hit in hits]
    sentence_counts = Counter(sentence.hit_index for sentence in hit_sentences)
    sentence_words = [{*index_tokens(sentence.text)} for sentence in hit_sentences]
    words = _word_weights(question, hits, hit_sentences, sentence_words)
    free_words = _free_words(words, hits)
    names, named_by = _mention_likelihoods(hit_sentences, hits, hit_shares)
    question_groups = _cue_groups(question, {*index_tokens(question)})
    simplified_question = to_simplified(question)
    question_type_flags = [float(bool(ask.search(simplified_question))) for ask in _load_cue_words().question_patterns]
    rows = []
    for number, sentence in enumerate(hit_sentences):
        rows.append(
            (
                sentence.hit_index,
                hit_shares[sentence.hit_index],
                sentence_numbers[number],
                sentence_counts[sentence.hit_index],
                sum(weight for word, weight in words.items() if word in sentence_words[number]),
                sum(words[word] for word in free_words if word in sentence_words[number]),
                names[number],
                named_by[sentence.hit_index],
                len(question_groups & _cue_groups(sentence.text, sentence_words[number]))
                / max(len(question_groups), 1),
                bool(_YEAR.search(sentence.text)),
                *question_type_flags,
            )
        )
    return hit_sentences, np.array(rows, np.float32)


def _word_weights(
    question: str, hits: Sequence[Hit], hit_sentences: Sequence[HitSentence], sentence_words: Sequence[set[str]]
) -> dict[str, float]:
    """Return the words of a question, each with its inverse document frequency among the hits."""
    words_by_hit = [{*index_tokens(hit.title)} for hit in hits]
    for sentence, words in zip(hit_sentences, sentence_words, strict=True):
        words_by_hit[sentence.hit_index] |= words
    question_words = dict.fromkeys(index_tokens(question))
    return {word: math.log((len(hits) + 1) / (sum(word in k for k in words_by_hit) + 0.5)) for word in question_words}


def _free_words(words: dict[str, float], hits: Sequence[Hit]) -> set[str]:
    """Return the words of a question that are not in the title of a hit it names."""
    named_title_words: set[str] = set()
    for hit in hits:
        title = {*index_tokens(hit.title)}
        if title and len(title & words.keys()) >= max(1, TITLE_MATCH_SHARE * len(title)):
            named_title_words |= title
    return words.keys() - named_title_words


def _mention_likelihoods(
    hit_sentences: Sequence[HitSentence], hits: Sequence[Hit], hit_shares: Sequence[float]
) -> tuple[list[float], dict[int, float]]:
    """Return relative scores by sentence and by hit for mentions between hits of different titles.

    The first list has, for each sentence, the best relative score of a hit that it names. The second has, for each hit, the
    best relative score of a hit that names it. Both are 0 without a mention.
    """
    titles = [normalize_name(strip_disambiguation(hit.title)) for hit in hits]
    names, named_by = [0.0] * len(hit_sentences), dict.fromkeys(range(len(hits)), 0.0)
    for number, sentence in enumerate(hit_sentences):
        sentence_key = f" {normalize_name(sentence.text)} "
        for place, title in enumerate(titles):
            if title and title != titles[sentence.hit_index] and f" {title} " in sentence_key:
                names[number] = max(names[number], hit_shares[place])
                named_by[place] = max(named_by[place], hit_shares[sentence.hit_index])
    return names, named_by


def has_answer_cue(question: str, sentence: str) -> bool:
    """Whether a sentence has a cue for the kind of information asked for; True if the question has no known cue.

    Args:
        question: without the name that it is about, which may contain a cue itself.
        sentence: a sentence of a passage.
    """
    cue_groups = _cue_groups(question, {*index_tokens(question)})
    return not cue_groups or bool(cue_groups & _cue_groups(sentence, {*index_tokens(sentence)}))


def _cue_groups(text: str, text_words: set[str]) -> frozenset[int]:
    """Return the cue groups that a text has a word of; ``text_words`` are its stems."""
    words = _load_cue_words()
    group_sets = [words.groups_by_word[word] for word in text_words if word in words.groups_by_word]
    if has_cjk(text):
        text_key = f" {normalize_name(text)} "
        group_sets += [words.groups_by_word[word] for word in words.chinese_words if f" {word} " in text_key]
    return frozenset[int]().union(*group_sets)


@lru_cache(maxsize=1)
def _load_cue_words() -> _CueWords:
    """Load the cue words and the patterns of question types."""
    data = tomllib.loads((files("kgrag") / "data" / CUE_WORDS_FILE).read_text("utf-8"))
    groups_by_word: dict[str, set[int]] = {}
    chinese = [normalize_name(word) for group in data["tell"] for word in group["zh"].split()]
    for number, group in enumerate(data["tell"]):
        for word in (*index_tokens(group["en"]), *map(normalize_name, group["zh"].split())):
            groups_by_word.setdefault(word, set()).add(number)
    return _CueWords(
        {word: frozenset(groups) for word, groups in groups_by_word.items()},
        tuple(chinese),
        tuple(re.compile(data["ask"][kind], re.IGNORECASE) for kind in QUESTION_TYPES),
    )
