"""Words of a quote, by which a passage that holds it is recognised."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise

from kgrag.text import Token, has_cjk, tokenize


def quote_words(text: str) -> list[Token]:
    """Return the casefolded words of a text in order; of Chinese, the pairs of neighbouring characters.

    White space between Chinese characters does not separate them: readers differ in where they break lines. A character
    without a Chinese neighbour is a word of its own.
    """
    tokens = tokenize(text)
    words: list[Token] = []
    is_paired = False
    for number, token in enumerate(tokens):
        if not has_cjk(token.text):
            words.append(token)
            is_paired = False
            continue
        follower = tokens[number + 1] if number + 1 < len(tokens) else None
        if follower and has_cjk(follower.text) and not text[token.end : follower.start].strip():
            words.append(Token(token.text + follower.text, token.start, follower.end))
            is_paired = True
        else:
            if not is_paired:
                words.append(token)
            is_paired = False
    return words


def locate_quote(quote: Sequence[Token], words: Sequence[Token]) -> tuple[int, int]:
    """Return the place in a text that resembles a quote most, as (score, offset of its first word in the text).

    The score of a run of as many words as the quote has is the number of its words, and of its pairs of successive
    words, that are the quote's. Of equal runs the first counts.

    Args:
        quote: words of the quote, one or more.
        words: words of the text, one or more.
    """
    quote_texts = [word.text for word in quote]
    wanted, wanted_pairs = set(quote_texts), set(pairwise(quote_texts))
    texts = [word.text for word in words]
    scores = [
        (text in wanted) + ((previous, text) in wanted_pairs)
        for previous, text in zip(["", *texts], texts, strict=False)
    ]
    sums = [0, *accumulate(scores)]
    length = min(len(quote), len(words))
    start = max(range(len(words) - length + 1), key=lambda n: sums[n + length] - sums[n])
    first = next((n for n in range(start, start + length) if scores[n]), start)
    return sums[start + length] - sums[start], words[first].start
