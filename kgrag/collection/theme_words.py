"""Find the words that tell some passages from all others."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

from indices.bm25_index import BM25Index, index_tokens
from kgrag.text import STOPWORDS, has_cjk, tokenize

MAX_WORDS = 4
"""Words that are returned, at most."""
MIN_PASSAGE_SHARE = 0.3
"""Share of the passages that must have a word."""
MIN_LETTERS = 3
"""Letters of a word; shorter ones are symbols more often than words."""


def find_theme_words(texts: Sequence[str], index: BM25Index) -> list[str]:
    """Return the words that many of the texts have and few other passages of the index, the most telling first.

    A word is shown in its most frequent form. Only words of letters count, so Chinese text has none: its tokens are pairs
    of characters.
    """
    passages_with: Counter[str] = Counter()
    forms: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for text in texts:
        words = [token.text for token in tokenize(text)]
        stems = {word: stem for word in {*words} if (stem := _stem(word))}
        passages_with.update({*stems.values()})
        for word in words:
            if word in stems:
                forms[stems[word]][word] += 1
    frequent = [stem for stem, count in passages_with.items() if count >= max(2, MIN_PASSAGE_SHARE * len(texts))]
    best = sorted(frequent, key=lambda stem: (-passages_with[stem] * index.idf(stem), stem))[:MAX_WORDS]
    return [forms[stem].most_common(1)[0][0] for stem in best]


def _stem(word: str) -> str:
    """Return the token of a word in the index; "" for stop words, numbers, short words and Chinese."""
    if len(word) < MIN_LETTERS or not word.isalpha() or has_cjk(word) or word.lower() in STOPWORDS:
        return ""
    tokens = index_tokens(word)
    return tokens[0] if len(tokens) == 1 else ""
