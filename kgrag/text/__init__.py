"""Text processing for English and Chinese: normalize, tokenize, split into sentences, detect the language.

Every function keeps or returns character offsets, so that a match in normalized text can be shown in the original.
"""

from kgrag.text.normalize import (
    CJK,
    STOPCHARS,
    STOPWORDS,
    Token,
    casefold_text,
    content_words,
    detect_language,
    has_cjk,
    normalize_name,
    shorten,
    strip_disambiguation,
    to_simplified,
    tokenize,
)
from kgrag.text.sentences import sentence_spans

__all__ = [
    "CJK",
    "STOPCHARS",
    "STOPWORDS",
    "Token",
    "casefold_text",
    "content_words",
    "detect_language",
    "has_cjk",
    "normalize_name",
    "sentence_spans",
    "shorten",
    "strip_disambiguation",
    "to_simplified",
    "tokenize",
]
