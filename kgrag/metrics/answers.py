"""Measures of a short answer as pure functions. An undefined measure is NaN; the caller counts it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from kgrag.text import has_cjk, tokenize
from kgrag.text.citation_marks import strip_citation_marks

_ENGLISH_ARTICLES = frozenset(("a", "an", "the"))


def answer_tokens(text: str) -> list[str]:
    """Return folded words without English articles, and single Chinese characters.

    No answer in either language becomes empty because of its script.
    """
    return [t.text for t in tokenize(text) if t.text not in _ENGLISH_ARTICLES]


def token_f1(answer: str, accepted: Sequence[str]) -> float:
    """Return the token F1 with the closest accepted answer, in [0, 1]; NaN without any.

    Over multisets of tokens, as in SQuAD (Rajpurkar et al. 2016).
    """
    return max((_f1(answer_tokens(answer), answer_tokens(a)) for a in accepted), default=math.nan)


def _f1(answer_tokens_list: list[str], wanted: list[str]) -> float:
    if not answer_tokens_list or not wanted:
        return float(answer_tokens_list == wanted)
    common = sum((Counter(answer_tokens_list) & Counter(wanted)).values())
    return 2 * common / (len(answer_tokens_list) + len(wanted))


def exact_match(answer: str, accepted: Sequence[str]) -> float:
    """Return 1 if the tokens equal those of an accepted answer, else 0; NaN without any."""
    return max((float(answer_tokens(answer) == answer_tokens(a)) for a in accepted), default=math.nan)


def normalize_answer(answer: str) -> str:
    """Return an answer without citation marks and final full stop, to compare it with a short answer."""
    text = strip_citation_marks(answer, strip_space=True).strip()
    return text.rstrip("。" if has_cjk(text) else ".").strip()
