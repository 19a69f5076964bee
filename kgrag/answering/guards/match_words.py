"""Split a text into the words by which a claim and a sentence are compared."""

from __future__ import annotations

from functools import lru_cache

from kgrag.text import STOPCHARS, STOPWORDS, has_cjk, to_simplified, tokenize
from kgrag.text.stemming import stem_word


@lru_cache(maxsize=8192)
def match_words(text: str) -> frozenset[str]:
    """Return the words by which a claim and a sentence are compared: English stems, and pairs of Chinese characters.

    Function words and function characters are left out. A Chinese character is a word of its own, too.
    """
    words: set[str] = set()
    previous, previous_end = "", -1
    for token in tokenize(text):
        if not has_cjk(token.text):
            if token.text not in STOPWORDS:
                words.add(stem_word(token.text))
            previous = ""
            continue
        character = to_simplified(token.text)
        is_content = character not in STOPCHARS
        if is_content:
            words.add(character)
            if previous and previous_end == token.start:
                words.add(previous + character)
        previous, previous_end = (character if is_content else ""), token.end
    return frozenset(words)
