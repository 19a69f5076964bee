"""Find a sentence of the same pattern that is about what the question asks, where the supporting one is not.

"The east gate was painted by Bob" does not answer who painted the south gate if another sentence says who did.
"""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher

from kgrag.answering.guards.source_sentences import SourceSentence
from kgrag.text import tokenize

MIN_PATTERN_SHARE = 0.6
"""Share of the tokens that two sentences of one pattern have in common, in order."""
MAX_TOKENS = 60


def closer_sibling(
    sentence: SourceSentence, question_words: frozenset[str], pool: Sequence[SourceSentence]
) -> SourceSentence | None:
    """Return a sentence of the same pattern with all words of the question that a sentence has, and more; or None."""
    own = (sentence.words | sentence.context_words) & question_words
    tokens: list[str] | None = None
    for other in pool:
        words = (other.words | other.context_words) & question_words
        if not own < words:
            continue
        # articles about two relatives resemble each other, so only a number tells near copies apart
        is_same_document = other.selected.hit.passage.document_id == sentence.selected.hit.passage.document_id
        if not is_same_document and not any(word.isdigit() for word in words - own):
            continue
        tokens = [token.text for token in tokenize(sentence.text)] if tokens is None else tokens
        other_tokens = [token.text for token in tokenize(other.text)]
        if len(tokens) > MAX_TOKENS or len(other_tokens) > MAX_TOKENS or len(tokens) < 4:
            continue
        if SequenceMatcher(None, tokens, other_tokens, autojunk=False).ratio() >= MIN_PATTERN_SHARE:
            return other
    return None
