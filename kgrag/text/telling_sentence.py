"""Find the sentence that says what a passage is about."""

from __future__ import annotations

import re
from collections.abc import Container

from kgrag.text.injected_text import is_injected
from kgrag.text.normalize import tokenize
from kgrag.text.sentences import sentence_spans

MIN_SENTENCE_WORDS = 6
"""Minimum words, or Chinese characters, of such a sentence."""
_PROSE = re.compile(r"[^\W\d_].*[.!?。！？][\"”）)]*$|[《“\"'].*[.!?。！？]$", re.DOTALL)
"""Matches a text that begins with a letter or a quotation and ends as a sentence does."""


def telling_sentence(text: str, headings: Container[str] = ()) -> tuple[int, int] | None:
    """Return the span of the first full sentence of prose, or of the first that is long enough, or None.

    Headings and sentences that command an answer are left out.
    """
    long_spans = []
    for start, end in sentence_spans(text):
        sentence = text[start:end]
        is_content = sentence.strip("#* ") not in headings and not is_injected(sentence)
        if is_content and len(tokenize(sentence)) >= MIN_SENTENCE_WORDS:
            if _PROSE.match(sentence):
                return start, end
            long_spans.append((start, end))
    return long_spans[0] if long_spans else None
